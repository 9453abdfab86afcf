"""Which items there are, in which order: those of an item table, of feature rows, of a matrix, or of what occurs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import polars as pl

from magnet.data.columns import find_item, find_title
from magnet.data.feature_files import check_unique
from magnet.data.ids import positions
from magnet.data.item_columns import align_rows, settled
from magnet.data.tables import as_text, check_header, read_ids, read_table, whole_numbers
from magnet.errors import DataError

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from magnet.data.ids import Ids
    from magnet.data.interactions import Interactions

__all__ = ["Catalogue", "listed_items", "matrix_items", "numbered_items"]


class Catalogue(NamedTuple):
    """All items, and the interactions' items in the same kind of key."""

    item_ids: Ids  # (I,)
    items: Ids  # (N,)
    why: str = ""  # where their number comes from, for an error
    titles: list[str | None] | None = None  # (I,)
    item_table: pl.DataFrame | None = None  # (I, c)


def listed_items(path: Path, inter: Interactions, messages: list[str]) -> Catalogue:
    """The items of an item table, with their titles and whatever else it says.

    Args:
        path: The table.
        inter: The interactions; of a matrix, column j is the item of row j.
        messages: What is odd is appended.

    Raises:
        DataError: If an item stands there twice, or one of the interactions does not.
    """
    table = read_table(path)
    check_header(table)
    name = find_item(table.columns, None, str(path))
    item_ids, found = read_ids(table.select([name])[name], table, mixed=True)
    messages += [*table.notes, *found]
    check_unique(item_ids, table, name)
    items = inter.items
    shape = inter.table.shape
    if shape is not None:
        if len(item_ids) != shape[1]:
            raise DataError(
                f"{inter.table.path}: its {shape[1]} columns do not fit the {len(item_ids)} items of {path.name}; "
                "column j of the matrix is the item in row j there"
            )
        items = pl.Series(item_ids).gather(pl.Series(items))
    elif pl.Series(item_ids).dtype != pl.Series(items).dtype:  # a column may have integers only by chance
        item_ids, items = pl.Series(item_ids).cast(pl.String), pl.Series(items).cast(pl.String)
    unknown = np.flatnonzero(positions(items, item_ids) < 0)
    if unknown.size:
        first = int(unknown[0])
        raise DataError(
            f"{inter.table.where(inter.item_column)}: item {pl.Series(items)[first]!r} in {inter.place(first)} is not "
            f"in {path.name} ({unknown.size} such rows); list every item there, in the order of the feature rows"
        )
    title = find_title([other for other in table.columns if other != name])
    others = [other for other in table.columns if other not in ("", name, title)]
    columns = table.select(others) if others else pl.DataFrame()
    if table.is_text:
        columns = columns.select(settled(values) for values in columns)
    titles: list[str | None] | None = None
    if title is not None:
        texts = as_text(table.select([title])[title], table.where(title)).str.strip_chars().to_list()
        titles = [text or None for text in texts] if any(texts) else None
    return Catalogue(item_ids, items, f" of {path.name}", titles, align_rows(columns, item_ids, item_ids))


def numbered_items(files: dict[str, Path], arrays: dict[str, NDArray[Any]], inter: Interactions) -> Catalogue:
    """The items by row number of the feature files.

    Raises:
        DataError: If an item is no row number, or has no row.
    """
    table, column = inter.table, inter.item_column
    numbered = whole_numbers(inter.items, table, column)
    longest = max(arrays, key=lambda name: arrays[name].shape[:1])
    rows = arrays[longest].shape[0] if arrays[longest].ndim else 0
    highest = int(numbered.argmax())
    if numbered[highest] >= rows:
        raise DataError(
            f"{table.where(column)}: item {numbered[highest]} in {inter.place(highest)} has no row in "
            f"{files[longest].name}, whose {rows} feature rows are fewer than the items; add the missing rows "
            "(zeros where there is no feature), or list the items in items.tsv"
        )
    return Catalogue(pl.Series(np.arange(rows)), inter.items, f" (as many as {files[longest].name} has rows)")


def matrix_items(inter: Interactions, shape: tuple[int, int]) -> Catalogue:
    """The items by the columns of a matrix."""
    why = f" (as many as {inter.table.path.name} has columns)"
    return Catalogue(pl.Series(np.arange(shape[1])), inter.items, why)
