"""Exact full-catalogue ranking of a state, and the scores of single pairs."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from magnet import core
from magnet.errors import DataError
from magnet.states import BlendState, DotState

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray
    from scipy.sparse import csr_array

    from magnet.states import Scorer, State

__all__ = ["Ranking", "rank", "score", "score_rows"]

# Whole rows of scores are made for at most this many numbers at a time: 8 MiB of them stay near the caches, and in
# memory that the allocator keeps instead of asking for it anew.
_BLOCK = 1 << 21


class Ranking(NamedTuple):
    """The best items of some users, best first; ties go to the lower item."""

    items: NDArray[np.int32]  # (B, k), -1 where fewer than k items could be ranked
    scores: NDArray[np.float32]  # (B, k), -inf there


def rank(state: State, users: ArrayLike, seen: csr_array | None, k: int) -> Ranking:
    """Rank the whole catalogue for each of ``users`` and keep the ``k`` best unseen items.

    Exact: the order is that of :func:`score` on every pair, to the bit, for any number of threads and any
    batching. Items whose score is NaN or -inf are not ranked. Memory: ``O(B · k)`` beside one packed copy of
    the items.

    Args:
        state: What a model left behind; any object that scores, see :class:`magnet.states.Scorer`.
        users: User indices, ``(B,)``; repeats are allowed.
        seen: Items to leave out, ``(U, I)``, sorted columns; values are not looked at.
        k: Places per user, at least 1.

    Raises:
        DataError: If an index is out of range or a shape does not fit.

    Example:
        >>> import torch
        >>> state = DotState(torch.ones(1, 1), torch.tensor([[1.0], [3.0], [3.0]]))
        >>> rank(state, [0], None, 2).items.tolist()
        [[1, 2]]
    """
    rows = _index(users, "users")
    if k < 1:
        raise DataError(f"k must be at least 1, got {k}")
    if seen is not None and seen.shape != state.shape:
        raise DataError(f"seen must have the model's shape {state.shape}, got {seen.shape}")
    mask = None if seen is None else (seen.indptr, seen.indices.astype(np.int32, copy=False))
    result = Ranking(np.empty((len(rows), k), np.int32), np.empty((len(rows), k), np.float32))
    if isinstance(state, DotState):
        core.rank_dots(state.users.numpy(), state.items.numpy(), rows, mask, *result)
        return result
    _check_range(rows, state.shape[0], "users")
    if isinstance(state, BlendState):
        state.rank(rows, mask, *result)
        return result
    step = max(1, _BLOCK // max(1, state.shape[1]))
    for start in range(0, len(rows), step):
        block = rows[start : start + step]
        scores = score_rows(state, block)
        outs = result.items[start : start + step], result.scores[start : start + step]
        core.rank_scores(scores, block, mask, *outs)
    return result


def score(state: State, users: ArrayLike, items: ArrayLike) -> NDArray[np.float32]:
    """The scores of pairs, bit for bit those that :func:`rank` sorts by.

    Args:
        state: What a model left behind.
        users: User indices, ``(B,)``.
        items: Item indices, ``(B,)``.

    Returns:
        ``(B,)``, float32.

    Raises:
        DataError: If an index is out of range or the lengths differ.
    """
    rows, columns = _index(users, "users"), _index(items, "items")
    if len(rows) != len(columns):
        raise DataError(f"expected as many users as items, got {len(rows)} and {len(columns)}")
    out = np.empty(len(rows), np.float32)
    if isinstance(state, DotState):
        core.score_dots(state.users.numpy(), state.items.numpy(), rows, columns, out)
        return out
    _check_range(rows, state.shape[0], "users")
    _check_range(columns, state.shape[1], "items")
    # Each user's whole row is computed once, as in the ranking, so that the sums are the same to the bit.
    distinct, inverse = np.unique(rows, return_inverse=True)
    step = max(1, _BLOCK // max(1, state.shape[1]))
    for start in range(0, len(distinct), step):
        scores = score_rows(state, distinct[start : start + step])
        chosen = np.flatnonzero((inverse >= start) & (inverse < start + step))
        out[chosen] = scores[inverse[chosen] - start, columns[chosen]]
    return out


def score_rows(state: Scorer, users: NDArray[np.int32]) -> NDArray[np.float32]:
    """Scores of all items for some users, ``(B, I)``, as float32.

    Raises:
        DataError: If the state returns anything else.
    """
    scores = np.asarray(state.scores(users))
    wanted = (len(users), state.shape[1])
    if scores.shape != wanted or scores.dtype.kind not in "fiub":
        raise DataError(
            f"{type(state).__name__}.scores must return numbers of shape {wanted}, a row for each user; got "
            f"{scores.dtype} of shape {scores.shape}"
        )
    return np.ascontiguousarray(scores, dtype=np.float32)


def _check_range(values: NDArray[np.int32], limit: int, name: str) -> None:
    if len(values) and not 0 <= values.min() <= values.max() < limit:
        raise DataError(f"{name} must lie inside 0..{limit}, they span {values.min()} to {values.max()}")


def _index(values: ArrayLike, name: str) -> NDArray[np.int32]:
    array = np.asarray(values)
    if array.ndim != 1 or not (np.issubdtype(array.dtype, np.integer) or array.size == 0):
        raise DataError(f"{name} must be one row of integers, got {array.dtype} of shape {array.shape}")
    return np.ascontiguousarray(array, dtype=np.int32)
