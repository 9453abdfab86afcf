"""The cue that a model's scores of a user rest on, found by occlusion."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from magnet.errors import DataError
from magnet.synthetic.generator import CUES

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import ArrayLike, NDArray

__all__ = ["NamedCues", "name_cues"]


class NamedCues(NamedTuple):
    """What occlusion found for n users."""

    users: NDArray[np.int64]  # (n,), users who have pairs, ascending
    named: NDArray[np.int64]  # (n,), position of the cue of the largest effect; -1 where no cue has one
    effects: NDArray[np.float64]  # (n, C), mean change of the scores of the user's pairs


def name_cues(
    score_with: Callable[[str | None], NDArray[np.floating]],
    users: ArrayLike,
    *,
    cues: Sequence[str] = CUES,
) -> NamedCues:
    """Name each user's cue by occlusion.

    The effect of a cue is the mean change, in absolute value, of the scores of the user's pairs when the cue is
    marked absent. The cue of the largest effect is named, the first of equals; none where every effect is 0.
    :func:`magnet.synthetic.recovery.recovery` compares named cues with planted ones.

    Args:
        score_with: Scores of the pairs ``(n,)`` as they are, for None, or with the named cue occluded.
        users: User of each pair, ``(n,)``, such as the test pairs.
        cues: Names of the cues.

    Raises:
        DataError: If there is no pair, a shape does not fit, a user is negative or a score not finite.

    Example:
        >>> changed = {None: 0.0, "behaviour": 0.1, "image": 0.9, "text": 0.2}
        >>> found = name_cues(lambda cue: np.full(4, changed[cue]), [0, 0, 1, 1])
        >>> found.users.tolist(), [CUES[cue] for cue in found.named]
        ([0, 1], ['image', 'image'])
    """
    rows = np.asarray(users, dtype=np.int64)
    if rows.ndim != 1 or rows.size == 0 or rows.min() < 0:
        raise DataError(
            f"expected the users of at least one pair in one row, got {rows.dtype} of shape {rows.shape}"
            + (f" from {rows.min()}" if rows.size else "")
        )
    base = _scores(score_with, None, rows.size)
    present, at, counts = np.unique(rows, return_inverse=True, return_counts=True)
    effects = np.empty((present.size, len(cues)))
    for position, cue in enumerate(cues):
        change = np.abs(_scores(score_with, cue, rows.size) - base)
        effects[:, position] = np.bincount(at, weights=change, minlength=present.size) / counts
    order = np.argsort(-effects, axis=1, kind="stable")
    return NamedCues(present, np.where(effects.any(axis=1), order[:, 0], -1), effects)


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
