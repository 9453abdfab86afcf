"""Exact full-catalogue ranking of a state, and the scores of single pairs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from magnet import core
from magnet.errors import DataError
from magnet.states import DotState, MixtureState

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray
    from scipy.sparse import csr_array

    from magnet.states import Scorer, State

__all__ = ["ExpertScores", "Ranking", "rank", "score", "score_experts"]

# Whole rows of scores are made for at most this many numbers at a time: 64 MiB.
_BLOCK = 1 << 24


class Ranking(NamedTuple):
    """The best items of some users, best first; ties go to the lower item."""

    items: NDArray[np.int32]  # (B, k), -1 where fewer than k items could be ranked
    scores: NDArray[np.float32]  # (B, k), -inf there


@dataclass(frozen=True)
class ExpertScores:
    """How the score of one pair comes about.

    Attributes:
        score: The score that the ranking sorts by.
        base: ``⟨z_u, z_i⟩``.
        values: s_e, ``(E,)``.
        logits: r_e, ``(E,)``; -inf where the expert is off.
        dense: Softmax of the logits, ``(E,)``; zeros where no expert is on.
        weights: The same restricted to the best ``top_experts`` and renormalised, ``(E,)``; what is used.
        experts: Names, E of them.
    """

    score: float
    base: float
    values: NDArray[np.float64]
    logits: NDArray[np.float32]
    dense: NDArray[np.float64]
    weights: NDArray[np.float64]
    experts: list[str]


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
    mask = None if seen is None else (seen.indptr, seen.indices)
    result = Ranking(np.empty((len(rows), k), np.int32), np.empty((len(rows), k), np.float32))
    if isinstance(state, DotState | MixtureState):
        vectors, mixture = _parts(state)
        core.rank_towers(*vectors, mixture, rows, mask, *result)
        return result
    _check_range(rows, state.shape[0], "users")
    step = max(1, _BLOCK // max(1, state.shape[1]))
    for start in range(0, len(rows), step):
        block = rows[start : start + step]
        scores = _rows(state, block)
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
    if isinstance(state, DotState | MixtureState):
        vectors, mixture = _parts(state)
        core.score_towers(*vectors, mixture, rows, columns, out, np.empty((0, 0), np.float32))
        return out
    _check_range(rows, state.shape[0], "users")
    _check_range(columns, state.shape[1], "items")
    # Each user's whole row is computed once, as in the ranking, so that the sums are the same to the bit.
    distinct, inverse = np.unique(rows, return_inverse=True)
    step = max(1, _BLOCK // max(1, state.shape[1]))
    for start in range(0, len(distinct), step):
        scores = _rows(state, distinct[start : start + step])
        chosen = np.flatnonzero((inverse >= start) & (inverse < start + step))
        out[chosen] = scores[inverse[chosen] - start, columns[chosen]]
    return out


def score_experts(state: MixtureState, user: int, item: int) -> ExpertScores:
    """Take the score of one pair apart.

    Raises:
        DataError: If the user or the item is out of range.
    """
    vectors, mixture = _parts(state)
    out, logits = np.empty(1, np.float32), np.empty((1, len(state.experts)), np.float32)
    rows, columns = _index([user], "user"), _index([item], "item")
    core.score_towers(*vectors, mixture, rows, columns, out, logits)
    r = logits[0]
    values = np.einsum(
        "ed,ed->e", state.user_towers[user].numpy(), state.item_towers[item].numpy(), dtype=np.float64
    )
    base = float(state.users[user].double() @ state.items[item].double())
    on = r > -np.inf
    dense = np.zeros(len(r))
    if on.any():
        dense[on] = np.exp(r[on].astype(np.float64) - float(r[on].max()))
        dense /= dense.sum()
    # The order of the router: by logit, ties in the order of the experts.
    best = np.argsort(np.where(on, -r, np.inf), kind="stable")[: state.top_experts]
    weights = np.zeros(len(r))
    weights[best] = dense[best]
    if on.any():
        weights /= weights.sum()
    return ExpertScores(float(out[0]), base, values, r, dense, weights, list(state.experts))


def _parts(state: DotState | MixtureState) -> tuple[tuple[NDArray[np.float32], NDArray[np.float32]], Any]:
    vectors = state.users.numpy(), state.items.numpy()
    if isinstance(state, DotState):
        return vectors, None
    towers = state.user_towers.numpy(), state.item_towers.numpy()
    keys = state.user_keys.numpy(), state.item_keys.numpy()
    return vectors, (*towers, *keys, float(state.weight), int(state.top_experts))


def _rows(state: Scorer, users: NDArray[np.int32]) -> NDArray[np.float32]:
    """Scores of all items for some users, ``(B, I)``."""
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
