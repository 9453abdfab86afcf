"""Groups of held-out pairs: by how much a user has, and by how popular an item is."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["USER_EDGES", "Group", "item_groups", "user_groups"]

# Upper ends of the groups by training interactions; the last group is open.
USER_EDGES = (4, 8, 12)


class Group(NamedTuple):
    """Some users or items."""

    name: str  # such as "5-8"
    members: NDArray[np.bool_]  # by user or item index


def user_groups(degree: NDArray[np.integer]) -> list[Group]:
    """Users by training interactions: (0, 4], (4, 8], (8, 12], (12, ∞). Users without any are in no group."""
    lows = (0, *USER_EDGES)
    groups = [
        Group(_span(low + 1, high), (degree > low) & (degree <= high))
        for low, high in zip(lows, USER_EDGES, strict=False)
    ]
    return [*groups, Group(f"{USER_EDGES[-1] + 1}+", degree > USER_EDGES[-1])]


def item_groups(degree: NDArray[np.integer]) -> list[Group]:
    """Items in quarters by training interactions, the long tail first.

    Items of one degree stay together, so that quarters are only as even as the degrees allow; with few
    distinct degrees there are fewer groups.
    """
    if degree.size == 0:
        return []
    cuts = np.unique(np.quantile(degree, (0.25, 0.5, 0.75), method="inverted_cdf"))
    quarter = np.searchsorted(cuts, degree, side="left")
    found = []
    for number in np.unique(quarter):
        members = quarter == number
        found.append(Group(_span(int(degree[members].min()), int(degree[members].max())), members))
    return found


def _span(low: int, high: int) -> str:
    return str(low) if low == high else f"{low}-{high}"
