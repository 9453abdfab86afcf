"""Whether what comes keyed by item id speaks of the items that there are."""

from __future__ import annotations

from typing import TYPE_CHECKING

from magnet.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence

__all__ = ["check_overlap"]

# Below this share of keys that are met (or of items, where they are fewer), keys are of another catalogue, or written
# in another way.
LEAST = 0.05
_NAMED = 3


def check_overlap(keys: Sequence[Hashable], items: Sequence[Hashable], where: str) -> list[str]:
    """Make sure that keys are ids of items, at least some of them.

    Args:
        keys: What something comes keyed by.
        items: The ids that it should speak of.
        where: What to call it in an error.

    Returns:
        A message if some keys are no items.

    Raises:
        DataError: If hardly any key is an item: none, or less than a twentieth of the shorter list; names some of both.
    """
    known = set(items)
    met = sum(key in known for key in set(keys))
    strangers = [key for key in keys if key not in known]
    if met and met >= LEAST * min(len(known), len(keys)):
        if not strangers:
            return []
        return [
            f"{where}: {len(strangers)} keys are no item of the data and were ignored: {_first(strangers)}"
        ]
    texts = {str(item).strip(): item for item in known}
    twins = [(key, texts[str(key).strip()]) for key in strangers if str(key).strip() in texts]
    cause = f"; {twins[0][0]!r} is not {twins[0][1]!r}: give keys of the items' own type" if twins else ""
    raise DataError(
        f"{where}: {met} of its {len(keys)} keys are among the {len(known)} items; the keys are {_first(keys)}, "
        f"the items {_first(items)}{cause}"
    )


def _first(keys: Sequence[Hashable]) -> str:
    named = ", ".join(map(repr, keys[:_NAMED]))
    return named if len(keys) <= _NAMED else f"{named}, …"
