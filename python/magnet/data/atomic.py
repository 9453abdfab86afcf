"""Atomic files of RecBole, ``NAME.inter`` and ``NAME.item``, whose header names the type of each column.

https://recbole.io/docs/user_guide/data/atomic_files.html. The interactions of MMRec bear the same ending and no types.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from magnet.data.columns import find_item, find_title, shown
from magnet.data.feature_files import check_unique
from magnet.data.ids import catalogue
from magnet.data.item_columns import align_rows, settled
from magnet.data.tables import Table, as_text, read_ids, read_table
from magnet.errors import DataError

if TYPE_CHECKING:
    from pathlib import Path

    from magnet.data.catalogue import Catalogue
    from magnet.data.ids import Ids

__all__ = ["AboutItems", "open_atomic", "read_item_file"]

_KINDS = ("token", "token_seq", "float", "float_seq")


class AboutItems:
    """What a file says about items, in an order and a selection of its own.

    Attributes:
        keys: The items, ``(n,)``, unique.
        titles: A title for each, None where no column has any.
        columns: All else, ``(n, c)``.
        notes: What was odd.
    """

    def __init__(
        self, keys: Ids, titles: list[str | None] | None, columns: pl.DataFrame, notes: list[str]
    ) -> None:
        self.keys, self.titles, self.columns, self.notes = keys, titles, columns, notes

    def grown(self, known: Catalogue) -> Catalogue:
        """A catalogue and the items of the file that are not in it, which nobody took; in one kind of key."""
        listed, keys, items = (pl.Series(ids) for ids in (known.item_ids, self.keys, known.items))
        if listed.dtype != keys.dtype:
            listed, keys, items = (ids.cast(pl.String) for ids in (listed, keys, items))
        return known._replace(item_ids=catalogue(listed, keys), items=items)

    def align(self, item_ids: Ids) -> tuple[list[str | None] | None, pl.DataFrame | None]:
        """Titles and columns in the order of a catalogue, nothing for items that are not there."""
        of_text = pl.Series(self.keys).cast(pl.String)
        ids = pl.Series(item_ids).cast(pl.String)
        table = align_rows(self.columns, of_text, ids)
        if self.titles is None:
            return None, table
        titles = align_rows(pl.DataFrame({"title": self.titles}), of_text, ids)
        return (None if titles is None else titles["title"].to_list()), table


def open_atomic(path: Path) -> tuple[Table, dict[str, str]]:
    """Open an atomic file.

    Returns:
        The table, its columns without their types; and the type of each column that has one.

    Raises:
        DataError: If it cannot be read, see :func:`magnet.data.tables.read_table`, or two columns differ by type alone.
    """
    table = read_table(path)
    kinds: dict[str, str] = {}
    names: dict[str, str] = {}
    for full in table.columns:
        name, _, kind = full.rpartition(":")
        short = name.strip() if name and kind.strip() in _KINDS else full
        if short in names:
            raise DataError(
                f"{path}: the columns {shown([names[short], full])} differ by their type alone; rename one of them"
            )
        names[short] = full
        if short != full:
            kinds[short] = kind.strip()
    return (table.renamed(names) if kinds else table), kinds


def read_item_file(path: Path) -> AboutItems:
    """What a ``.item`` file says about items: sequences become lists, numbers are numbers.

    Raises:
        DataError: If it has no item column, or an item stands there twice.
    """
    table, kinds = open_atomic(path)
    item = find_item(table.columns, None, str(path))
    keys, notes = read_ids(table.select([item])[item], table, mixed=True)
    check_unique(keys, table, item)
    title = find_title([name for name in table.columns if name != item])
    others = [name for name in table.columns if name not in ("", item, title)]
    frame = table.select(others) if others else pl.DataFrame()
    columns = pl.DataFrame([_typed(frame[name], kinds.get(name), table) for name in others])
    titles = None
    if title is not None:
        texts = as_text(table.select([title])[title], table.where(title)).str.strip_chars().to_list()
        titles = [text or None for text in texts]
    return AboutItems(keys, titles, columns, [*table.notes, *notes])


def _typed(values: pl.Series, kind: str | None, table: Table) -> pl.Series:
    if kind is None or not kind.endswith("_seq"):
        return settled(values)
    words = values.str.strip_chars().replace("", None).str.split(" ")
    if kind == "token_seq":
        return words
    numbers = words.cast(pl.List(pl.Float64), strict=False)
    faulty = (words.list.len() != numbers.list.drop_nulls().list.len()).fill_null(False).arg_true()
    if len(faulty):
        first = int(faulty[0])
        raise DataError(
            f"{table.where(values.name)}: expected numbers with blanks between them (float_seq), found "
            f"{values[first]!r} in {table.place(first)} ({len(faulty)} such rows)"
        )
    return numbers
