"""Titles of items, from whatever holds them: by position or by item id, as text or missing."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from numbers import Number
from typing import TYPE_CHECKING, Any

from magnet.data.columns import find_item, find_title, shown
from magnet.data.given import as_frame, as_values
from magnet.data.ids import as_list, is_missing, plain_key
from magnet.data.matching import check_overlap
from magnet.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Hashable

    from magnet.data.ids import Ids

__all__ = ["align_titles"]


def align_titles(titles: Any, item_ids: Ids, where: str) -> tuple[list[str | None] | None, list[str]]:
    """Give every item its title.

    Args:
        titles: As :meth:`magnet.Dataset.from_frame` takes them, or None.
        item_ids: The catalogue, ``(I,)``.
        where: What to call the data in an error.

    Returns:
        A text for each item, None where it has none, or None for no titles at all; and what was odd.

    Raises:
        DataError: If a title is neither text nor a number or a date, titles do not fit the items by number, or hardly
            any key is an item.
    """
    if titles is None:
        return None, []
    where = f"{where}: titles"
    keys = as_list(item_ids)
    named, messages = _by_id(titles, keys, where), []
    if named is not None:
        messages = check_overlap(list(named), keys, where)
        values = [named.get(key) for key in keys]
    else:
        if isinstance(titles, str):
            raise DataError(f"{where}: expected a list or a mapping from item id to title, found {titles!r}")
        values = as_values(titles, where)
        if len(values) != len(keys):
            raise DataError(
                f"{where}: {len(values)} titles do not fit {len(keys)} items; "
                "give a mapping from item id to title"
            )
    return [_text(value, key, where) for key, value in zip(keys, values, strict=True)], messages


def _by_id(titles: Any, keys: list[Hashable], where: str) -> dict[Hashable, Any] | None:
    """Titles with the ids that they bring along; None where they come by position."""
    if isinstance(titles, Mapping):
        return {plain_key(key): title for key, title in titles.items()}
    table = as_frame(titles)
    if table is not None:
        columns = table.columns
        item = find_item(columns, None, where)
        title = find_title([column for column in columns if column != item])
        if title is None:
            raise DataError(f"{where}: expected a column named title or name, found {shown(columns)}")
        return dict(zip(as_values(table[item], where), as_values(table[title], where), strict=True))
    index = getattr(titles, "index", None)
    if index is None or callable(index):  # of lists, index is a method
        return None
    labels = as_values(index, where)
    if labels == list(range(len(labels))):
        return None
    # Rows that were filtered or sorted keep their labels, which then are row numbers and no ids.
    known = set(keys)
    met = sum(label in known for label in labels)
    if met == 0 and len(labels) == len(keys):
        return None
    if met < len(labels):
        raise DataError(
            f"{where}: {met} of the {len(labels)} labels of their index are item ids, so that it is not clear whether "
            "they come by id or by position; give a mapping from item id to title, or a list in the order of the items"
        )
    return dict(zip(labels, as_values(titles, where), strict=True))


def _text(value: Any, key: Hashable, where: str) -> str | None:
    if is_missing(value):
        return None
    value = plain_key(value)
    if not isinstance(value, (str, Number, date)):
        raise DataError(
            f"{where}: expected text, found {value!r} of type {type(value).__name__} for item {key!r}"
        )
    return str(value).strip() or None
