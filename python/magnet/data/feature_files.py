"""Feature files of a folder: arrays whose rows belong to items by number, tables that bring item ids along."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import polars as pl

from magnet.data.columns import find_item
from magnet.data.ids import as_list
from magnet.data.matching import check_overlap
from magnet.data.tables import SUFFIXES, Table, check_header, numbers, read_ids, read_table
from magnet.errors import DataError, nearest

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path
    from typing import Any

    from numpy.typing import NDArray

    from magnet.data.ids import Ids

__all__ = [
    "FeatureTable",
    "array_files",
    "check_tables",
    "check_unique",
    "feature_files",
    "in_one_kind",
    "open_array",
    "table_files",
]


class FeatureTable(NamedTuple):
    """Features that bring their item ids along."""

    path: Path
    keys: Ids
    matrix: NDArray[np.float32]
    lines: Sequence[int]


def feature_files(
    folder: Path, chosen: Sequence[str] | None, messages: list[str]
) -> tuple[dict[str, NDArray[Any]], dict[str, FeatureTable]]:
    """The chosen arrays, mapped into memory, and the chosen tables."""
    arrays = array_files(folder)
    tables = table_files(folder)
    names = list(arrays) if chosen is None else list(chosen)
    for place, name in enumerate(names):
        if name not in arrays and name not in tables:
            raise DataError(f"{folder}: there is no modality {name!r}{nearest(name, [*arrays, *tables])}")
        if name in names[:place]:
            raise DataError(f"{folder}: modality {name!r} is asked for twice")
    return (
        {name: open_array(arrays[name]) for name in names if name in arrays},
        {name: _feature_table(tables[name], messages) for name in names if name in tables},
    )


def array_files(folder: Path) -> dict[str, Path]:
    """The arrays of a folder, by modality."""
    return {path.stem: path for path in sorted(folder.glob("*.npy")) if not path.name.startswith(".")}


def open_array(path: Path) -> NDArray[Any]:
    """Map an array into memory.

    Raises:
        DataError: If it is none, or holds Python objects.
    """
    try:
        array: NDArray[Any] = np.load(path, mmap_mode="r", allow_pickle=False)
    except (ValueError, OSError, EOFError) as error:
        raise DataError(f"{path}: not a readable array of numbers: {error}") from None
    return array


def table_files(folder: Path) -> dict[str, Path]:
    """The tables of a folder that may hold features, by modality."""
    arrays = array_files(folder)
    return {
        path.stem: path
        for suffix in SUFFIXES
        for path in sorted(folder.glob(f"*{suffix}"))
        if path.stem not in ("inter", "items") and path.stem not in arrays and not path.name.startswith(".")
    }


def _feature_table(path: Path, messages: list[str]) -> FeatureTable:
    table = read_table(path)
    check_header(table)
    column = find_item(table.columns, None, str(path))
    keys, found = read_ids(table.select([column])[column], table, mixed=True)
    messages += [*table.notes, *found]
    check_unique(keys, table, column)
    matrix = numbers(table, [name for name in table.columns if name != column])
    return FeatureTable(path, keys, matrix, table.lines)


def check_unique(keys: Ids, table: Table, column: str) -> None:
    """Refuse a table in which an item stands twice.

    Raises:
        DataError: If one does; names the line.
    """
    again = pl.Series(keys)
    repeated = (~again.is_first_distinct()).arg_true()
    if len(repeated):
        first = int(repeated[0])
        raise DataError(
            f"{table.where(column)}: item {again[first]!r} in {table.place(first)} stands there a second time"
        )


def in_one_kind(items: Ids, tables: dict[str, FeatureTable]) -> Ids:
    """The items as text where a feature table has text among its integers; both have integers only by chance."""
    kinds = {pl.Series(table.keys).dtype for table in tables.values()} | {pl.Series(items).dtype}
    if kinds != {pl.Int64, pl.String}:
        return items
    for name, table in tables.items():
        tables[name] = table._replace(keys=pl.Series(table.keys).cast(pl.String))
    return pl.Series(items).cast(pl.String)


def check_tables(tables: dict[str, FeatureTable], item_ids: Ids, *, grow: bool) -> list[str]:
    """Make sure that feature tables speak of the items.

    Args:
        tables: By modality.
        item_ids: The items that are known.
        grow: Whether the tables' other ids become items; they are left out otherwise.

    Raises:
        DataError: If hardly any row of a table is about an item.
    """
    known, messages = as_list(item_ids), []
    for table in tables.values():
        found = check_overlap(as_list(table.keys), known, str(table.path), grow=grow)
        messages += found if grow else []
    return messages
