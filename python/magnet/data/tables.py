"""Text tables as they lie in a folder, and the ids in them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from magnet.data.columns import shown
from magnet.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from magnet.data.ids import Ids

__all__ = ["FIRST_LINE", "SUFFIXES", "header", "numbers", "read_ids", "read_table", "whole_numbers"]

SUFFIXES = (".tsv", ".csv", ".parquet")
FIRST_LINE = 2  # of the data: line 1 is the header


def header(path: Path) -> list[str]:
    """The names of a table's columns.

    Raises:
        DataError: If the file is missing, empty or unreadable.
    """
    return list(read_table(path, n_rows=0).columns)


def read_table(
    path: Path, columns: Sequence[str] | None = None, *, n_rows: int | None = None
) -> pl.DataFrame:
    """Read ``.tsv``, ``.csv`` (every column as text) or ``.parquet`` (as it is).

    Text in double quotes may hold separators and line breaks; files whose quotes do not pair are read without
    that rule.

    Args:
        path: The file.
        columns: Which to read; all by default.
        n_rows: How many rows to read at most.

    Raises:
        DataError: If the file is missing, empty or unreadable.
    """
    if not path.is_file():
        raise DataError(f"{path}: no such file")
    if path.stat().st_size == 0:
        raise DataError(
            f"{path}: the file is empty; expected a line of column names and one line for each row"
        )
    chosen = None if columns is None else list(columns)
    try:
        if path.suffix == ".parquet":
            return pl.read_parquet(path, columns=chosen, n_rows=n_rows)
        separator = "\t" if path.suffix == ".tsv" else ","
        try:
            return pl.read_csv(path, separator=separator, columns=chosen, n_rows=n_rows, infer_schema=False)
        except pl.exceptions.ComputeError:
            return pl.read_csv(
                path, separator=separator, columns=chosen, n_rows=n_rows, infer_schema=False, quote_char=None
            )
    except (pl.exceptions.PolarsError, OSError) as error:
        reason = str(error).strip().splitlines()[0]
        raise DataError(f"{path}: not a readable {path.suffix[1:]} table: {reason}") from None


def _present(values: pl.Series, where: str) -> None:
    missing = values.is_null().arg_true()
    if len(missing):
        raise DataError(
            f"{where}: no value in line {int(missing[0]) + FIRST_LINE} ({len(missing)} such lines); "
            "every row needs as many fields as there are columns"
        )


def read_ids(values: pl.Series, where: str, *, mixed: bool = False) -> Ids:
    """Read a column of ids: integers if all values are plain integers, else text.

    Args:
        values: The column as text (or integers, from Parquet).
        where: What to call it in an error.
        mixed: Whether text may stand among integers (some catalogue numbers are like that). If not, and most
            values are integers, the others are taken for damage.

    Raises:
        DataError: If a value is missing, negative, or text or too large a number among integers; names the
            line.
    """
    _present(values, where)
    text = values.cast(pl.String)
    integers = text.cast(pl.Int64, strict=False)
    plain = (integers.cast(pl.String) == text).fill_null(False)
    if plain.all():
        negative = (integers < 0).arg_true()
        if len(negative):
            first = int(negative[0])
            raise DataError(
                f"{where}: negative id {integers[first]} in line {first + FIRST_LINE} "
                f"({len(negative)} such lines); "
                "if it stands for a missing value, drop the line"
            )
        return integers
    faulty = (~plain & ~text.str.contains(r"^0\d+$")).arg_true()  # zero-padded numbers are text on purpose
    if not mixed and len(faulty) and int(plain.sum()) > len(faulty):
        first = int(faulty[0])
        raise DataError(
            f"{where}: expected 64-bit integers, as in most lines, found {text[first]!r} "
            f"in line {first + FIRST_LINE} ({len(faulty)} such lines)"
        )
    return text


def whole_numbers(ids: Ids, where: str) -> NDArray[np.int64]:
    """Ids that are row numbers of feature files.

    Raises:
        DataError: If they are text; names the first line.
    """
    if isinstance(ids, pl.Series) and ids.dtype == pl.Int64:
        return ids.to_numpy().astype(np.int64)
    text = pl.Series(ids)
    first = int(text.cast(pl.Int64, strict=False).is_null().arg_max() or 0)
    raise DataError(
        f"{where}: expected row numbers of the feature files, counted from 0, found {text[first]!r} "
        f"in line {first + FIRST_LINE}; to use ids of your own, list the items in items.tsv in the order "
        "of the feature rows"
    )


def numbers(table: pl.DataFrame, where: str) -> NDArray[np.float32]:
    """The columns of a feature table as a matrix. Rows without a single value become zeros.

    Raises:
        DataError: If there is no column, or a value is text or missing; names column and line.
    """
    if not table.width:
        raise DataError(f"{where}: expected numeric columns beside the item's")
    empty = table.select(pl.all_horizontal(pl.all().is_null())).to_series()
    matrix = np.empty(table.shape, dtype=np.float32)
    for place, name in enumerate(table.columns):
        values = table[name].cast(pl.Float64, strict=False)
        faulty = (values.is_null() & ~empty).arg_true()
        if len(faulty):
            first = int(faulty[0])
            raise DataError(
                f"{where}: expected numbers in column {name!r}, found {table[name][first]!r} "
                f"in line {first + FIRST_LINE} ({len(faulty)} such lines); "
                f"the columns are {shown(table.columns)}"
            )
        with np.errstate(over="ignore"):
            matrix[:, place] = values.fill_null(0.0).to_numpy()
    return matrix
