"""Named cues compared with the planted ones: how often what drives a user was found."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from magnet.errors import DataError
from magnet.synthetic.generator import CUES, GROUPS, driver_table

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import ArrayLike, NDArray

__all__ = ["Recovery", "chance", "recovery"]


@dataclass(frozen=True, eq=False)
class Recovery:
    """How often a cue that drives the user was named.

    Attributes:
        share: Of the users for whom a driving cue was named. Where image and text drive a user alike, either is
            right.
        strict: Of the users whose driving cues are exactly those of the largest effect: both image and text must
            come before behaviour. The same as ``share`` for users with one driver. None without effects.
        chance: The ``share`` of naming the same cue, the best one, for every user.
        by_group: ``share`` among the users of each planted group; groups without users are left out.
        strict_by_group: The same for ``strict``; empty without effects.
        confusion: Users of each group by the cue that was named, ``(G, C + 1)``, int64; the last column counts
            users for whom nothing was named, which is wrong.
        groups: Names of the groups, in the order of the rows.
        cues: Names of the cues, in the order of the columns.
    """

    share: float
    strict: float | None
    chance: float
    by_group: dict[str, float]
    strict_by_group: dict[str, float]
    confusion: NDArray[np.int64]
    groups: list[str]
    cues: list[str]

    def to_json(self) -> dict[str, Any]:
        """JSON-compatible data."""
        columns = [*self.cues, "none"]
        return {
            "share": self.share,
            "strict": self.strict,
            "chance": self.chance,
            "n_users": int(self.confusion.sum()),
            "by_group": self.by_group,
            "strict_by_group": self.strict_by_group,
            "confusion": {
                group: dict(zip(columns, row, strict=True))
                for group, row in zip(self.groups, self.confusion.tolist(), strict=True)
            },
        }


def recovery(
    planted: ArrayLike,
    named: ArrayLike,
    *,
    effects: ArrayLike | None = None,
    cues: Sequence[str] = CUES,
    groups: Mapping[str, tuple[int, ...]] = GROUPS,
) -> Recovery:
    """Compare named cues with the planted ones.

    Args:
        planted: Position of each user's group in ``groups``, ``(n,)``, such as ``truth.groups``.
        named: Position of each user's named cue in ``cues``, ``(n,)``; -1 where nothing was named.
        effects: How much each cue matters to each user, ``(n, C)``, where it is known: the named cue has the
            largest effect of its row.
        cues: Names of the cues, in the order that ``groups`` counts them.
        groups: The cues that drive each group.

    Raises:
        DataError: If shapes do not fit each other, or a group or cue is unknown.

    Example:
        >>> found = recovery([1, 3, 0], [1, 2, 1])
        >>> round(found.share, 2), found.by_group
        (0.67, {'behaviour': 0.0, 'image': 1.0, 'image+text': 1.0})
    """
    group, cue = np.asarray(planted, dtype=np.int64), np.asarray(named, dtype=np.int64)
    _check(group, cue, cues, groups)
    drives = driver_table(groups, len(cues))[group]  # (n, C)
    right = (cue >= 0) & np.take_along_axis(drives, np.maximum(cue, 0)[:, None], axis=1)[:, 0]
    among = {name: group == position for position, name in enumerate(groups) if (group == position).any()}
    exact = None if effects is None else _exact(drives, cue, np.asarray(effects))
    confusion = np.zeros((len(groups), len(cues) + 1), dtype=np.int64)
    np.add.at(confusion, (group, cue), 1)  # -1 is the last column
    return Recovery(
        share=float(right.mean()),
        strict=None if exact is None else float(exact.mean()),
        chance=chance(group, cues=cues, groups=groups),
        by_group={name: float(right[who].mean()) for name, who in among.items()},
        strict_by_group={} if exact is None else {n: float(exact[who].mean()) for n, who in among.items()},
        confusion=confusion,
        groups=list(groups),
        cues=list(cues),
    )


def chance(
    planted: ArrayLike, *, cues: Sequence[str] = CUES, groups: Mapping[str, tuple[int, ...]] = GROUPS
) -> float:
    """Recovery of the best answer that does not look at the user: the same cue for everyone.

    With four groups of one size it is 1/2 (image or text are right for two groups each); drawing cues at random
    gives 5/12.

    Args:
        planted: Position of each user's group in ``groups``, ``(n,)``, such as ``truth.groups``.
        cues: Names of the cues.
        groups: The cues that drive each group.
    """
    table = driver_table(groups, len(cues))
    return float(table[np.asarray(planted, dtype=np.int64)].mean(axis=0).max())


def _exact(
    drives: NDArray[np.bool_], cue: NDArray[np.int64], effects: NDArray[np.floating]
) -> NDArray[np.bool_]:
    """Whether the n cues of the largest effect are the n drivers, for each user."""
    if effects.shape != drives.shape:
        raise DataError(f"expected effects of shape {drives.shape}, got {effects.shape}")
    order = np.argsort(-effects, axis=1, kind="stable")  # (n, C), the largest effect first
    first = np.arange(drives.shape[1]) < drives.sum(axis=1, keepdims=True)
    exact: NDArray[np.bool_] = (np.take_along_axis(drives, order, axis=1) == first).all(axis=1)
    return exact & (cue >= 0)


def _check(
    group: NDArray[np.int64],
    cue: NDArray[np.int64],
    cues: Sequence[str],
    groups: Mapping[str, tuple[int, ...]],
) -> None:
    if group.ndim != 1 or group.size == 0 or not 0 <= group.min() <= group.max() < len(groups):
        raise DataError(
            f"groups must lie inside 0..{len(groups)}, one for each user, got shape {group.shape}"
            + (f" with values from {group.min()} to {group.max()}" if group.size else "")
        )
    if cue.shape != group.shape or cue.min() < -1 or cue.max() >= len(cues):
        raise DataError(
            f"expected a cue in [-1, {len(cues)}) for each of {group.size} users, "
            f"got shape {cue.shape}" + (f" with values from {cue.min()} to {cue.max()}" if cue.size else "")
        )
    if any(not 0 <= driver < len(cues) for drivers in groups.values() for driver in drivers):
        raise DataError(f"the groups name cues outside 0..{len(cues)}: {dict(groups)}")
