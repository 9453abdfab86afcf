"""Negative sampling: items that a user has not seen, drawn alike or by popularity."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from magnet import core
from magnet.errors import DataError

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray
    from scipy.sparse import csr_array

__all__ = ["membership", "sample_negatives", "sample_shared"]


def sample_negatives(
    seen: csr_array,
    users: Tensor | NDArray[np.integer[Any]],
    *,
    seed: int,
    first: int = 0,
    pool: ArrayLike | None = None,
    popularity: ArrayLike | None = None,
    exponent: float = 0.0,
) -> Tensor:
    """Draw one item that each user has not seen, with probability proportional to ``popularity ** exponent``.

    Draw ``i`` depends on ``seed`` and ``first + i`` alone: a rank that handles rows ``first`` to ``first +
    B`` of an epoch draws what a single process would have drawn for them.

    Args:
        seen: Training interactions, ``(U, I)``, sorted columns.
        users: User indices, ``(B,)``, on the CPU; repeats are allowed.
        seed: Any integer in ``[0, 2**64)``; a fresh one for each epoch.
        first: Position of ``users[0]`` within the epoch.
        pool: Items that may be drawn, in any order; all where absent. What stands in no training interaction
            (strict cold items) should not be in it.
        popularity: What each item weighs, ``(I,)``, not negative; needed where ``exponent`` is not 0.
        exponent: 0 draws every item alike; .75 is word2vec's choice.

    Returns:
        Item indices, ``(B,)``, int32; no data is copied from Rust.

    Raises:
        DataError: If an index is out of range, a weight is negative, or a user has seen every item of
            positive weight; the text names such users.

    Example:
        >>> from scipy.sparse import csr_array
        >>> seen = csr_array(np.array([[1, 0, 1], [0, 1, 1]], dtype=np.float32))
        >>> sample_negatives(seen, np.array([0, 1, 0]), seed=1).tolist()
        [1, 0, 1]
    """
    pool = _pool(pool)
    weights = None
    if exponent != 0.0:
        if popularity is None:
            raise DataError(f"exponent = {exponent} needs the popularity of the items")
        weights = np.asarray(popularity, dtype=np.float64) ** exponent
        if weights.shape != (seen.shape[1],):
            raise DataError(f"expected popularity of shape ({seen.shape[1]},), got {weights.shape}")
        weights = np.ascontiguousarray(weights if pool is None else weights[_inside(pool, len(weights))])
    drawn = core.sample_negatives(
        seen.indptr, seen.indices, seen.shape[1], _index(users, "users"), seed, first, pool, weights
    )
    return torch.from_numpy(drawn)


def sample_shared(
    n_draws: int,
    *,
    seed: int,
    first: int = 0,
    pool: ArrayLike | None = None,
    weights: ArrayLike | None = None,
) -> Tensor:
    """Draw items that a whole batch shares as negatives, with replacement.

    Args:
        n_draws: How many.
        seed: Any integer in ``[0, 2**64)``.
        first: Position of the first draw in the stream of ``seed``.
        pool: Items that may be drawn; all that have a weight where absent.
        weights: What each item of the catalogue weighs, ``(I,)``; alike where absent, and then a pool is
            needed.

    Returns:
        Item indices, ``(n_draws,)``, int32.

    Raises:
        DataError: If neither pool nor weights say what to draw from, or a weight is negative.
    """
    pool = _pool(pool)
    if weights is not None:
        weights = np.ascontiguousarray(weights, dtype=np.float64)
        if weights.ndim != 1:
            raise DataError(f"expected weights of shape (I,), got {weights.shape}")
        n_items = len(weights)
        weights = weights if pool is None else weights[_inside(pool, n_items)]
    elif pool is not None:
        n_items = int(pool[-1]) + 1 if len(pool) else 0
    else:
        raise DataError("shared negatives need the items' weights, or a pool such as np.arange(n_items)")
    return torch.from_numpy(core.sample_shared(n_draws, n_items, seed, first, pool, weights))


def membership(
    seen: csr_array, users: Tensor | NDArray[np.integer[Any]], items: Tensor | NDArray[np.integer[Any]]
) -> Tensor:
    """Which of ``items`` each of ``users`` has seen.

    Args:
        seen: Interactions, ``(U, I)``, sorted columns.
        users: User indices, ``(B,)``.
        items: Item indices, ``(n,)``; repeats are allowed.

    Returns:
        ``(B, n)``, bool.

    Raises:
        DataError: If an index is out of range.
    """
    users, items = _index(users, "users"), _index(items, "items")
    out = torch.empty((len(users), len(items)), dtype=torch.bool)
    core.membership(seen.indptr, seen.indices, seen.shape[1], users, items, out.numpy())
    return out


def _index(values: Tensor | NDArray[np.integer[Any]], name: str) -> NDArray[np.int32]:
    array = values.numpy() if isinstance(values, Tensor) else np.asarray(values)
    if array.ndim != 1 or not (np.issubdtype(array.dtype, np.integer) or array.size == 0):
        raise DataError(f"{name} must be one row of integers, got {array.dtype} of shape {array.shape}")
    return np.ascontiguousarray(array, dtype=np.int32)


def _pool(pool: ArrayLike | None) -> NDArray[np.int32] | None:
    if pool is None:
        return None
    items = _index(np.asarray(pool), "pool")
    # Most pools ascend already, and finding distinct ones among millions takes seconds that Ctrl-C cannot end.
    return items if np.all(items[1:] > items[:-1]) else np.unique(items)


def _inside(pool: NDArray[np.int32], n_items: int) -> NDArray[np.int32]:
    if len(pool) and (pool[0] < 0 or pool[-1] >= n_items):
        raise DataError(f"the pool must lie inside 0..{n_items}, it spans {pool[0]} to {pool[-1]}")
    return pool
