"""Vectors whose inner products come close to a matrix of scores that is never whole in memory."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from magnet.operators.base import dot_rows
from magnet.seeds import numpy_generator

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from magnet.states import Scorer

__all__ = ["FIT_USERS", "factorised"]

_MORE = 16
_PASSES = 3
_BLOCK = 1 << 22
"""Scores that are held at a time: 16 MB in float32."""
FIT_USERS = 20_000
"""Users by whom the subspace is found at most; all of them are then expressed in it."""


def factorised(state: Scorer, rank: int, *, seed: int = 0) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    r"""Vectors of users and items whose inner products order the items nearly as the scores do.

    The truncated singular value decomposition of the matrix of scores, each row less its mean and divided by its norm:
    neither changes the order of a user's items, and every user counts alike. The subspace is found by randomised
    subspace iteration (Halko, Martinsson and Tropp, *Finding Structure with Randomness*, SIAM Review 2011, algorithm
    4.4): each pass applies :math:`A^\top A` to ``rank + 16`` vectors, a block of users at a time, so that memory is
    ``(U + I) · rank`` numbers. Three passes and one for the users' vectors; time is that of scoring all users four
    times and ``16 U I rank`` operations.

    Where there are more than 20,000 users, the subspace is that of 20,000, evenly spaced. Scores that are not finite
    count as the least finite one of their row.

    Args:
        state: What scores, ``(U, I)``.
        rank: D, at least 1; no more are needed than there are users or items.
        seed: Of the start.

    Returns:
        Users ``(U, D)`` and items ``(I, D)``, float32. Inner products come close to the scores less the user's mean.
    """
    n_users, n_items = state.shape
    limit = min(n_users, n_items)
    width = min(rank + _MORE, limit)
    everyone = np.arange(n_users, dtype=np.int32)
    fit = everyone[np.linspace(0, n_users - 1, min(n_users, FIT_USERS)).astype(np.int64)]
    basis = numpy_generator(seed, "export vectors").standard_normal((width, n_items)).astype(np.float32)
    for _ in range(_PASSES):
        image = np.zeros((width, n_items), np.float32)
        for _, rows, _ in _blocks(state, fit):
            along = _dots(rows, basis)  # (B, width)
            image += _dots(np.ascontiguousarray(along.T), np.ascontiguousarray(rows.T))
        orthogonal = np.linalg.qr(image.T.astype(np.float64)).Q  # (I, width)
        basis = np.ascontiguousarray(orthogonal.T, dtype=np.float32)
    users, norms = np.empty((n_users, width), np.float32), np.empty((n_users, 1), np.float32)
    for block, rows, norm in _blocks(state, everyone):
        users[block], norms[block] = _dots(rows, basis), norm
    # The singular vectors within the subspace, the largest first.
    inner = users.T.astype(np.float64) @ users.astype(np.float64)
    turn = np.linalg.eigh(inner).eigenvectors[:, ::-1][:, : min(rank, limit)]  # (width, D)
    left = users.astype(np.float64) @ turn * norms
    right = basis.T.astype(np.float64) @ turn
    return left.astype(np.float32), right.astype(np.float32)


def _blocks(
    state: Scorer, users: NDArray[np.int32]
) -> Iterator[tuple[NDArray[np.int32], NDArray[np.float32], NDArray[np.float32]]]:
    """Users, their rows of scores at mean 0 and norm 1 ``(B, I)``, and the norms they had ``(B, 1)``."""
    step = max(1, _BLOCK // state.shape[1])
    for start in range(0, len(users), step):
        block = users[start : start + step]
        rows = np.array(state.scores(block), dtype=np.float32)
        broken = ~np.isfinite(rows)
        if broken.any():
            least = np.where(broken, np.inf, rows).min(1, keepdims=True)
            rows = np.where(broken, np.where(np.isfinite(least), least, 0), rows).astype(np.float32)
        rows -= rows.mean(1, keepdims=True)
        norms = np.sqrt((rows.astype(np.float64) ** 2).sum(1, keepdims=True)).astype(np.float32)
        rows /= np.where(norms > 0, norms, 1)
        yield block, rows, norms


def _dots(left: NDArray[np.float32], right: NDArray[np.float32]) -> NDArray[np.float32]:
    """``left @ right.T`` in the core: the same bits for any number of threads."""
    return dot_rows(left, right, np.arange(len(left), dtype=np.int32))
