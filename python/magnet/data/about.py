"""What is known of items beside who took them: features, titles and columns, aligned with the catalogue."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import polars as pl

from magnet.data.columns import find_item
from magnet.data.feature_files import check_unique
from magnet.data.frame_features import sort_out
from magnet.data.ids import as_ids, as_list
from magnet.data.item_columns import align_table, settled
from magnet.data.matching import check_overlap
from magnet.data.tables import check_header, read_ids, read_table
from magnet.data.titles import align_titles
from magnet.forks import use_polars

if TYPE_CHECKING:
    from collections.abc import Hashable, Mapping, Sequence
    from pathlib import Path

    from narwhals.typing import IntoDataFrame

    from magnet.data.frame_features import Given
    from magnet.data.ids import Ids
    from magnet.data.records import Modality
    from magnet.data.vectors import Features

__all__ = ["AboutItems", "about_items", "align_about", "read_items"]


class AboutItems(NamedTuple):
    """What is known of some items."""

    item_ids: list[Hashable]
    titles: list[str | None] | None
    modalities: dict[str, Modality]
    item_table: pl.DataFrame | None
    messages: list[str]


def about_items(
    keys: Sequence[Hashable],
    *,
    features: Mapping[str, Features] | None,
    titles: Any,
    item_table: IntoDataFrame | None,
    name: str,
) -> AboutItems:
    """What is known of items without an interaction, checked as :meth:`magnet.Dataset.from_frame` checks it.

    Args:
        keys: Their ids, in the order of features by position.
        features: As :meth:`magnet.Dataset.from_frame` takes them; likewise the others.
        titles: Likewise.
        item_table: Likewise.
        name: What to call them in an error.

    Raises:
        DataError: If an id is missing or unhashable, or something does not fit the items.
    """
    use_polars(f"reading {name}")
    item_ids = as_ids(keys, name)
    given = sort_out(features, "item")
    for feature, (known, _) in given.keyed.items():
        if len(known):
            check_overlap(as_list(known), as_list(item_ids), f"{name}: modality '{feature}'")
    about = align_about(given, item_ids, titles, item_table, name)
    return about._replace(messages=given.messages + about.messages)


def align_about(
    given: Given, item_ids: Ids, titles: Any, item_table: IntoDataFrame | None, name: str
) -> AboutItems:
    """Features, titles and columns of the items, aligned with them.

    Args:
        given: Features.
        item_ids: The items, ``(I,)``.
        titles: As :meth:`magnet.Dataset.from_frame` takes them.
        item_table: Likewise.
        name: What to call the data in an error.

    Raises:
        DataError: If something does not fit the items.
    """
    modalities, messages = given.align(item_ids, name)
    table, named, found = align_table(item_table, item_ids, name, with_titles=titles is None)
    messages.extend(found)
    names, found = align_titles(titles if named is None else named, item_ids, name)
    messages.extend(found if named is None else [])
    names = names if named is None or any(names or ()) else None
    return AboutItems(as_list(item_ids), names, modalities, table, messages)


def read_items(path: Path, *, as_text: bool) -> tuple[pl.DataFrame, list[str]]:
    """A table of items as a frame: an id column, numbers as numbers; and what was odd.

    Args:
        path: ``.csv``, ``.tsv`` or ``.parquet``.
        as_text: Whether ids are text even if all of them are numbers.

    Raises:
        DataError: If it cannot be read, has no item column, or an item stands there twice.
    """
    table = read_table(path)
    check_header(table)
    name = find_item(table.columns, None, str(path))
    ids, notes = read_ids(table.select([name])[name], table)
    check_unique(ids, table, name)
    keys = pl.Series(name, as_list(ids))
    others = [column for column in table.columns if column not in ("", name)]
    columns = table.select(others) if others else pl.DataFrame()
    if table.is_text:
        columns = columns.select(settled(values) for values in columns)
    frame = columns.with_columns(keys.cast(pl.String) if as_text else keys)
    return frame, [*table.notes, *notes]
