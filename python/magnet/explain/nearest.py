"""The items of a user's history that are nearest to an item in content, and how items are named in texts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Hashable

    from numpy.typing import NDArray

    from magnet.run.contents import RunContents

__all__ = ["NearItem", "history_of", "item_name", "json_id", "nearest_items", "title_of"]


@dataclass(frozen=True)
class NearItem:
    """An item of a user's history and how like another item it is.

    Attributes:
        item: Its index.
        item_id: The user's own key of it.
        title: None if the data have none.
        cosine: Of the two feature rows, in [-1, 1].
    """

    item: int
    item_id: Hashable
    title: str | None
    cosine: float

    @property
    def name(self) -> str:
        """The title, or else the id."""
        return item_name(self.title, self.item_id)

    def to_json(self) -> dict[str, Any]:
        """JSON-compatible data."""
        return {"item_id": json_id(self.item_id), "title": self.title, "cosine": self.cosine}


def nearest_items(contents: RunContents, user: int, item: int, *, k: int = 3) -> dict[str, list[NearItem]]:
    """Find, in each modality, the user's training items that are nearest to an item.

    The item itself and items without a feature row are left out; equal cosines go to the lower item.

    Args:
        contents: What a finished run knows.
        user: User index.
        item: Item index.
        k: Items for each modality, at most.

    Returns:
        By modality; empty where the item has no feature row, or nothing in the history has one.
    """
    history = history_of(contents, user)
    history = history[history != item]
    found: dict[str, list[NearItem]] = {}
    for name, rows in contents.content.items():
        own = rows[item].double().numpy()  # (d,)
        others = rows[history].double().numpy()  # (n, d)
        known = others.any(1)
        items, cosines = history[known], np.clip(others[known] @ own, -1.0, 1.0)
        best = np.argsort(-cosines, kind="stable")[: k if own.any() else 0]
        found[name] = [
            NearItem(
                int(items[b]), contents.item_ids[items[b]], title_of(contents, items[b]), float(cosines[b])
            )
            for b in best
        ]
    return found


def history_of(contents: RunContents, user: int) -> NDArray[np.int64]:
    """A user's training items, ascending."""
    train = contents.train
    return np.sort(train.indices[train.indptr[user] : train.indptr[user + 1]]).astype(np.int64)


def title_of(contents: RunContents, item: int) -> str | None:
    """The title of an item, if there is one."""
    return None if contents.titles is None else contents.titles[item]


def item_name(title: str | None, item_id: Hashable) -> str:
    """What to call an item in a text: its title or else its id, on one line, without control characters."""
    text = title if title and title.strip() else str(item_id)
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


def json_id(key: Hashable) -> Any:
    """An id as JSON can hold it: text, numbers and booleans as they are, anything else as text."""
    if isinstance(key, np.generic):
        key = key.item()
    return key if isinstance(key, str | int | float) or key is None else str(key)
