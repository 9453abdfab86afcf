"""Whether a model found the cue that drives each user, on generated data where that cue is known."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from magnet.errors import DataError
from magnet.synthetic.generator import CUES, GROUPS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import ArrayLike, NDArray

__all__ = ["Recovery", "recovery"]


@dataclass(frozen=True, eq=False)
class Recovery:
    """How often occlusion names a cue that drives the user.

    Attributes:
        share: Of the users for whom a driving cue was named. Where image and text drive a user alike, either
            is right, as in :func:`magnet.synthetic.ceilings.recovery`.
        strict: Of the users whose driving cues are exactly those of the largest effect: both image and text
            must come before behaviour. The same as ``share`` for users with one driver.
        chance: What naming the one best cue for everybody reaches of ``share``.
        by_group: ``share`` among the users of each planted group; groups without users are left out.
        strict_by_group: The same for ``strict``.
        confusion: Users of each group by the cue that was named, ``(G, C + 1)``, int64; the last column
            counts users whose scores no cue changes, for whom nothing is named, which is wrong.
        named: Position of the named cue for each user of ``users``, -1 for none.
        users: User indices with test pairs, ascending.
        groups: Names of the groups, in the order of the rows.
        cues: Names of the cues, in the order of the columns.
    """

    share: float
    strict: float
    chance: float
    by_group: dict[str, float]
    strict_by_group: dict[str, float]
    confusion: NDArray[np.int64]
    named: NDArray[np.int64]
    users: NDArray[np.int64]
    groups: list[str]
    cues: list[str]

    def to_json(self) -> dict[str, Any]:
        """JSON-compatible data, without the values of single users."""
        columns = [*self.cues, "none"]
        return {
            "share": self.share,
            "strict": self.strict,
            "chance": self.chance,
            "n_users": len(self.users),
            "by_group": self.by_group,
            "strict_by_group": self.strict_by_group,
            "confusion": {
                group: dict(zip(columns, row, strict=True))
                for group, row in zip(self.groups, self.confusion.tolist(), strict=True)
            },
        }


def recovery(
    score_with: Callable[[str | None], NDArray[np.floating]],
    users: ArrayLike,
    planted: ArrayLike,
    *,
    cues: Sequence[str] = CUES,
    groups: Mapping[str, tuple[int, ...]] = GROUPS,
) -> Recovery:
    """Name each user's cue by occlusion and compare with the planted one.

    The effect of a cue is the mean change, in absolute value, of the scores of the user's test items when the
    cue is marked absent. The cue of the largest effect is named, the first of equals; none where every effect
    is 0.

    Args:
        score_with: Scores of the test pairs ``(n,)`` as they are, for None, or with the named cue occluded.
        users: User of each test pair, ``(n,)``.
        planted: Position of each user's group in ``groups``, ``(U,)``, such as ``truth.groups``.
        cues: Names of the cues, in the order that ``groups`` counts them.
        groups: The cues that drive each group.

    Raises:
        DataError: If there is no pair, a shape does not fit, an index is out of range or a score not finite.

    Example:
        >>> changed = {None: 0.0, "behaviour": 0.1, "image": 0.9, "text": 0.2}
        >>> found = recovery(lambda cue: np.full(4, changed[cue]), [0, 0, 1, 1], [1, 3])
        >>> found.share, found.strict, found.by_group
        (1.0, 1.0, {'image': 1.0, 'image+text': 1.0})
    """
    rows = np.asarray(users, dtype=np.int64)
    group_of = np.asarray(planted, dtype=np.int64)
    _check(rows, group_of, cues, groups)
    base = _scores(score_with, None, rows.size)
    present, at, counts = np.unique(rows, return_inverse=True, return_counts=True)
    effects = np.empty((present.size, len(cues)))
    for position, cue in enumerate(cues):
        change = np.abs(_scores(score_with, cue, rows.size) - base)
        effects[:, position] = np.bincount(at, weights=change, minlength=present.size) / counts

    order = np.argsort(-effects, axis=1, kind="stable")  # (n, C), the largest effect first
    moved = effects.any(axis=1)
    named = np.where(moved, order[:, 0], -1)
    table = np.array([[cue in drivers for cue in range(len(cues))] for drivers in groups.values()])  # (G, C)
    group = group_of[present]
    drives = table[group]  # (n, C)
    right = moved & np.take_along_axis(drives, order[:, :1], axis=1)[:, 0]
    # The first n of the order must be the n drivers.
    first = np.arange(len(cues)) < drives.sum(axis=1, keepdims=True)
    exact = moved & (np.take_along_axis(drives, order, axis=1) == first).all(axis=1)

    confusion = np.zeros((len(groups), len(cues) + 1), dtype=np.int64)
    np.add.at(confusion, (group, named), 1)  # -1 is the last column
    among = {name: group == position for position, name in enumerate(groups) if (group == position).any()}
    return Recovery(
        share=float(right.mean()),
        strict=float(exact.mean()),
        chance=float(drives.mean(axis=0).max()),
        by_group={name: float(right[who].mean()) for name, who in among.items()},
        strict_by_group={name: float(exact[who].mean()) for name, who in among.items()},
        confusion=confusion,
        named=named,
        users=present,
        groups=list(groups),
        cues=list(cues),
    )


def _check(
    rows: NDArray[np.int64],
    group_of: NDArray[np.int64],
    cues: Sequence[str],
    groups: Mapping[str, tuple[int, ...]],
) -> None:
    if rows.ndim != 1 or rows.size == 0:
        raise DataError(f"expected the users of at least one test pair in one row, got shape {rows.shape}")
    if group_of.ndim != 1 or not 0 <= rows.min() <= rows.max() < group_of.size:
        raise DataError(
            f"users must lie inside 0..{group_of.size}, whose groups are planted; they span {rows.min()} to "
            f"{rows.max()}"
        )
    if not 0 <= group_of.min() <= group_of.max() < len(groups):
        raise DataError(
            f"groups must lie inside 0..{len(groups)}, they span {group_of.min()} to {group_of.max()}"
        )
    if any(not 0 <= cue < len(cues) for drivers in groups.values() for cue in drivers):
        raise DataError(f"the groups name cues outside 0..{len(cues)}: {dict(groups)}")


def _scores(
    score_with: Callable[[str | None], NDArray[np.floating]], cue: str | None, n: int
) -> NDArray[np.float64]:
    what = "the scores" if cue is None else f"the scores with {cue} occluded"
    scores = np.asarray(score_with(cue), dtype=np.float64)
    if scores.shape != (n,):
        raise DataError(f"{what} have shape {scores.shape}; expected one for each of {n} pairs")
    if not np.isfinite(scores).all():
        raise DataError(f"{what} are not finite at pair {int(np.flatnonzero(~np.isfinite(scores))[0])}")
    return scores
