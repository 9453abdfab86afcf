"""Whether what comes keyed by item id speaks of the items that there are."""

from __future__ import annotations

from typing import TYPE_CHECKING

from magnet.data.spelling import clean_text
from magnet.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence

__all__ = ["check_overlap"]

# Below this share of keys that are met (or of items, where they are fewer), keys are of another catalogue, or written
# in another way.
LEAST = 0.05
_NAMED = 3


def check_overlap(
    keys: Sequence[Hashable], items: Sequence[Hashable], where: str, *, grow: bool = False
) -> list[str]:
    """Make sure that keys are ids of items, at least some of them.

    Args:
        keys: What something comes keyed by.
        items: The ids that it should speak of.
        where: What to call it in an error.
        grow: Whether the other keys become items, that nobody took so far.

    Returns:
        A message if some keys are no items; where they become items, only if they are the most.

    Raises:
        DataError: If hardly any key is an item: none, or less than a twentieth of the shorter list; names some of both.
            Where they become items also if one is an item's id in another type or with other blanks.
    """
    known = set(items)
    met = sum(key in known for key in set(keys))
    strangers = [key for key in keys if key not in known]
    texts = {clean_text(str(item)): item for item in known} if strangers else {}
    twins = [(key, texts[clean_text(str(key))]) for key in strangers if clean_text(str(key)) in texts]
    if met and met >= LEAST * min(len(known), len(keys)) and not (grow and twins):
        if not strangers or (grow and len(strangers) <= met):
            return []
        fate = "are new items, which nobody took" if grow else "are no item of the data and were ignored"
        return [f"{where}: {len(strangers)} keys {fate}: {_first(strangers)}"]
    cause = f"; {twins[0][0]!r} is not {twins[0][1]!r}: give keys of the items' own type" if twins else ""
    raise DataError(
        f"{where}: {met} of its {len(keys)} keys are among the {len(known)} items; the keys are {_first(keys)}, "
        f"the items {_first(items)}{cause}"
    )


def _first(keys: Sequence[Hashable]) -> str:
    named = ", ".join(map(repr, keys[:_NAMED]))
    return named if len(keys) <= _NAMED else f"{named}, …"
