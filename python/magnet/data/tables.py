"""Tables as they lie in a folder, and the ids and numbers in them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from magnet.data.columns import recognised, shown
from magnet.data.delimited import SEPARATORS, open_delimited
from magnet.data.spelling import settle_floats, spell
from magnet.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from magnet.data.ids import Ids

__all__ = [
    "SUFFIXES",
    "Table",
    "as_text",
    "check_header",
    "ids_of_text",
    "numbers",
    "read_ids",
    "read_table",
    "whole_numbers",
]

SUFFIXES = (".tsv", ".csv", ".parquet", ".arrow", ".feather")


ARROW = (".arrow", ".feather")


@dataclass(frozen=True)
class Table:
    """A table of a file, of which columns are read as they are needed.

    Attributes:
        path: The file.
        columns: Names of all columns.
        lines: Number of each row for a reader of the file: its line in a text, its index elsewhere.
        notes: What was odd, one sentence each.
        shape: Numbers of users and items, where the file is a matrix and its rows and columns are all there are.
    """

    path: Path
    columns: list[str]
    lines: Sequence[int]
    notes: list[str]
    _select: Callable[[Sequence[str]], pl.DataFrame]
    shape: tuple[int, int] | None = None

    def __len__(self) -> int:
        return len(self.lines)

    @property
    def is_text(self) -> bool:
        """Whether every value is text, and the column names are the first line."""
        return self.path.suffix in SEPARATORS

    def select(self, columns: Sequence[str] | None = None) -> pl.DataFrame:
        """Some columns, all by default; text where the file is one, as it is from Parquet.

        Raises:
            DataError: If they cannot be read.
        """
        try:
            return self._select(self.columns if columns is None else list(dict.fromkeys(columns)))
        except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError, DataError) as error:
            raise DataError(_unreadable(self.path, error)) from None

    def renamed(self, names: dict[str, str]) -> Table:
        """The same table with other names of columns: ``names`` has the old one of each."""

        def select(some: Sequence[str]) -> pl.DataFrame:
            found = self._select([names[name] for name in some])
            return found.rename({names[name]: name for name in some})

        return replace(self, columns=list(names), _select=select)

    def place(self, row: int) -> str:
        """Where a row stands."""
        return f"{'line' if self.is_text else 'row'} {self.lines[row]}"

    def where(self, column: str) -> str:
        """What to call a column in errors."""
        return f"{self.path}: column {column!r}"


def read_table(path: Path) -> Table:
    """Open ``.tsv`` or ``.csv`` (every column as text), or ``.parquet``, ``.arrow`` or ``.feather`` (as it is).

    Raises:
        DataError: If the file is missing, empty or unreadable, see :func:`magnet.data.delimited.open_delimited`.
    """
    if not path.is_file():
        raise DataError(f"{path}: no such file")
    try:
        if path.suffix in SEPARATORS:
            text = open_delimited(path)
            return Table(path, text.columns, text.lines, text.notes, text.select)
        if path.suffix in ARROW:
            whole = _read_arrow(path)
            return Table(path, whole.columns, range(whole.height), [], lambda some: whole.select(some))
        frame = pl.scan_parquet(path)
        columns = frame.collect_schema().names()
        height = frame.select(pl.len()).collect().item()
        return Table(path, columns, range(height), [], lambda some: pl.read_parquet(path, columns=list(some)))
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError) as error:
        raise DataError(_unreadable(path, error)) from None


def _read_arrow(path: Path) -> pl.DataFrame:
    """A file of Arrow, in the form for files or in that for streams: both bear the same endings."""
    content = path.read_bytes()  # of a path, the file would stay mapped
    try:
        return pl.read_ipc(content)
    except pl.exceptions.PolarsError as error:
        try:
            return pl.read_ipc_stream(content)
        except (pl.exceptions.PolarsError, pl.exceptions.PanicException):
            raise error from None


def _unreadable(path: Path, error: BaseException) -> str:
    reason = str(error).strip().splitlines()[:1] or [type(error).__name__]
    return f"{path}: not a readable {path.suffix[1:]} table: {reason[0]}"


def check_header(table: Table) -> None:
    """Make sure that the first line names columns, before anyone names it as a column.

    Raises:
        DataError: If no name in it is known, and it holds numbers as the lines below, or what stands there again.
    """
    names = table.columns
    if not table.is_text or recognised(names):
        return
    rows = table.select()
    numeric = [pl.Series([name]).cast(pl.Float64, strict=False).null_count() == 0 for name in names]
    alike = [
        name != "" and ((rows[name] == name).any() or (number and _all_numbers(rows[name])))
        for name, number in zip(names, numeric, strict=True)
    ]
    if all(numeric) or any(alike):
        raise DataError(
            f"{table.path}: the first line looks like data, not like column names: {shown(names[:5])}; "
            "write a header, a first line such as user_id and item_id with the file's separator between them, above it"
        )


def _all_numbers(values: pl.Series) -> bool:
    found = values.drop_nulls()
    return len(found) > 0 and found.cast(pl.Float64, strict=False).null_count() == 0


def as_text(values: pl.Series, where: str) -> pl.Series:
    """A column as text.

    Raises:
        DataError: If its values are lists or the like.
    """
    try:
        if not isinstance(values.dtype, (pl.List, pl.Array, pl.Struct)):
            return values.cast(pl.String)
    except pl.exceptions.PolarsError:
        pass
    raise DataError(f"{where}: expected numbers or text, found {values.dtype}")


def read_ids(values: pl.Series, table: Table, *, mixed: bool = False) -> tuple[Ids, list[str]]:
    """Read a column of ids, see :func:`ids_of_text`.

    Args:
        values: One of the columns of ``table``, under its name.
        table: The file.
        mixed: Whether text may stand among integers.

    Raises:
        DataError: If a value is none of an id; names the line.
    """
    where = table.where(values.name)
    return ids_of_text(as_text(values, where), where, table.place, mixed=mixed)


def ids_of_text(
    text: pl.Series, where: str, place: Callable[[int], str], *, mixed: bool = False
) -> tuple[Ids, list[str]]:
    """Ids that are written as text: integers if all of them are plain integers, else text.

    Blanks around ids, other Unicode forms than NFC and integers written as floats are corrected.

    Args:
        text: Null where there is none.
        where: What to call the ids in an error.
        place: The name of a row for a reader of the file.
        mixed: Whether text may stand among integers (some catalogue numbers are like that). If not, and most
            values are integers, the others are taken for damage.

    Returns:
        The ids, and what was corrected.

    Raises:
        DataError: If a value is missing, negative, or text or too large a number among integers; names the
            line.
    """
    missing = text.is_null().arg_true()
    if len(missing):
        raise DataError(
            f"{where}: no value in {place(int(missing[0]))} ({len(missing)} such rows); drop such rows, or give "
            "them ids"
        )
    notes: list[str] = []
    integers, plain = _integers(text)
    if not plain.all():
        text, notes = spell(text, where, place)
        text, found = settle_floats(text, where, place, whole=_integers(text)[1])
        notes += found
        integers, plain = _integers(text)
    if plain.all():
        negative = (integers < 0).arg_true()
        if len(negative):
            first = int(negative[0])
            raise DataError(
                f"{where}: negative id {integers[first]} in {place(first)} "
                f"({len(negative)} such rows); "
                "if it stands for a missing value, drop the row"
            )
        return integers, notes
    faulty = (~plain & ~text.str.contains(r"^0\d+$")).arg_true()  # zero-padded numbers are text on purpose
    if not mixed and len(faulty) and int(plain.sum()) > len(faulty):
        first = int(faulty[0])
        raise DataError(
            f"{where}: expected 64-bit integers, as in most rows, found {text[first]!r} "
            f"in {place(first)} ({len(faulty)} such rows)"
        )
    return text, notes


def _integers(text: pl.Series) -> tuple[pl.Series, pl.Series]:
    """Texts as integers, and which of them are written as such."""
    integers = text.cast(pl.Int64, strict=False)
    return integers, (integers.cast(pl.String) == text).fill_null(False)


def whole_numbers(ids: Ids, table: Table, column: str) -> NDArray[np.int64]:
    """Ids that are row numbers of feature files.

    Raises:
        DataError: If they are text; names the first line.
    """
    if isinstance(ids, pl.Series) and ids.dtype == pl.Int64:
        return ids.to_numpy().astype(np.int64)
    text = pl.Series(ids)
    first = int(text.cast(pl.Int64, strict=False).is_null().arg_max() or 0)
    raise DataError(
        f"{table.where(column)}: expected row numbers of the feature files, counted from 0, found {text[first]!r} "
        f"in {table.place(first)}; to use ids of your own, list the items in items.tsv in the order "
        "of the feature rows"
    )


def numbers(table: Table, frame: pl.DataFrame) -> NDArray[np.float32]:
    """Columns of a feature table as a matrix. Rows without a single value become zeros.

    Args:
        table: The file.
        frame: Some of its columns, as :meth:`Table.select` gives them.

    Raises:
        DataError: If there is no column, or a value is text or missing; names column and line.
    """
    if not frame.width:
        raise DataError(f"{table.path}: expected numeric columns beside the item's")
    empty = frame.select(pl.all_horizontal(pl.all().is_null())).to_series()
    matrix = np.empty(frame.shape, dtype=np.float32)
    for place, name in enumerate(frame.columns):
        try:
            if frame[name].dtype.is_temporal() or frame[name].dtype.is_nested():
                raise pl.exceptions.InvalidOperationError  # a date is no feature, though a number stands behind it
            given = frame[name].str.strip_chars() if frame[name].dtype == pl.String else frame[name]
            values = given.cast(pl.Float64, strict=False)
        except pl.exceptions.PolarsError:
            raise DataError(
                f"{table.where(name)}: expected numbers, found {frame[name].dtype}; the columns are "
                f"{shown(table.columns)}"
            ) from None
        faulty = (values.is_null() & ~empty).arg_true()
        if len(faulty):
            first = int(faulty[0])
            raise DataError(
                f"{table.path}: expected numbers in column {name!r}, found {frame[name][first]!r} "
                f"in {table.place(first)} ({len(faulty)} such rows); "
                f"the columns are {shown(table.columns)}"
            )
        with np.errstate(over="ignore"):
            matrix[:, place] = values.fill_null(0.0).to_numpy()
    return matrix
