"""The graphs that Magnet propagates over, built by the Rust core.

Every matrix is a :class:`scipy.sparse.csr_array` with int32 indices, ascending within a row, and float32
values. No result depends on the number of threads.
"""

from __future__ import annotations

import math
import warnings
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from scipy.sparse import coo_array, csr_array

from magnet import core
from magnet.errors import DataError, MagnetWarning
from magnet.graph.arrays import from_rust, to_rust
from magnet.seeds import derive

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

__all__ = [
    "bipartite",
    "combine",
    "drop_edges",
    "interactions",
    "lift",
    "lift_weights",
    "pseudo_edges",
    "shared_items",
    "similarity",
    "union_max",
]


def interactions(
    users: NDArray[np.integer[Any]], items: NDArray[np.integer[Any]], shape: tuple[int, int]
) -> csr_array:
    """Put pairs into a matrix of ones; repeated pairs count once.

    Args:
        users: User of each pair, ``(N,)``; int32 or int64 like ``items`` is not copied.
        items: Item of each pair, ``(N,)``.
        shape: Numbers of users and items.

    Raises:
        DataError: If an index is out of range, naming the pair, or the lengths differ.

    Example:
        >>> users, items = np.array([[1, 0, 1], [2, 1, 2]], dtype=np.int32)
        >>> interactions(users, items, (2, 3)).toarray().tolist()
        [[0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]
    """
    wide = users.dtype == items.dtype == np.int64
    pairs: list[NDArray[np.int32] | NDArray[np.int64]] = [
        np.ascontiguousarray(indices, dtype=np.int64)
        if wide
        else np.ascontiguousarray(indices, dtype=np.int32)
        for indices in (users, items)
    ]
    return from_rust(core.interactions(pairs[0], pairs[1], *shape), shape)


def bipartite(weights: csr_array) -> csr_array:
    """Normalise the graph of users and items: ``D^-1/2 A D^-1/2`` with weighted degrees.

    Args:
        weights: Weight of each user–item edge, ``(U, I)``, finite and not negative.

    Returns:
        ``(U + I, U + I)``, users first, symmetric in every bit; nodes without edges have zero rows.

    Raises:
        DataError: If a weight is negative or not finite.

    Example:
        >>> from scipy.sparse import csr_array
        >>> bipartite(csr_array(np.array([[1, 3]], dtype=np.float32))).data.round(3)
        array([0.5  , 0.866, 0.5  , 0.866], dtype=float32)
    """
    n_nodes = sum(weights.shape)
    return from_rust(core.bipartite(to_rust(weights, "weights")), (n_nodes, n_nodes))


def similarity(knn: csr_array) -> csr_array:
    """Turn a kNN graph into a propagation matrix: negatives dropped, ``max(S, Sᵀ)``, ``D^-1/2 S D^-1/2``.

    Args:
        knn: Cosines, ``(I, I)``, from :func:`knn_graph`.

    Returns:
        ``(I, I)``, symmetric in every bit; items without positive neighbours have empty rows.

    Raises:
        DataError: If the matrix is not square or holds NaN or infinity.
    """
    return from_rust(core.similarity(to_rust(knn, "knn")), knn.shape)


def union_max(a: csr_array, b: csr_array) -> csr_array:
    """Unite the edges of two matrices of one shape; an edge in both takes the larger weight.

    Raises:
        DataError: If the shapes differ.
    """
    return from_rust(core.union_max(to_rust(a, "a"), to_rust(b, "b")), a.shape)


def combine(similarities: Sequence[csr_array], weights: Sequence[float] | NDArray[np.float64]) -> csr_array:
    """Add up the similarities of several modalities: ``S = Σ w_m S_m``; a weight of zero leaves no edges.

    Raises:
        DataError: If there is nothing to add, or there are not as many weights as similarities.
    """
    if not similarities or len(similarities) != len(weights):
        raise DataError(
            f"one weight is needed for each of at least one similarity; "
            f"got {len(similarities)} similarities and {len(weights)} weights"
        )
    total = similarities[0] * np.float32(weights[0])
    for matrix, weight in zip(similarities[1:], weights[1:], strict=True):
        total = total + matrix * np.float32(weight)
    total.eliminate_zeros()
    total.sort_indices()
    return total


def pseudo_edges(
    train: csr_array,
    similarity: csr_array,
    *,
    per_user: int = 10,
    per_item: int = 5,
    strength: float = 0.5,
) -> csr_array:
    """Connect users to items that resemble what they took.

    With ``s(u, j) = Σ_{i taken by u} S_ij``: the ``per_user`` items of largest s for each user, and for items
    whose degree is under the median of all items the ``per_item`` users of largest s. An edge weighs
    ``strength · s(u, j) / max_j s(u, j)``. Items already taken take part, since excluding them would make a
    pseudo edge the mark of a negative. Ties go to the lower index. Nothing dense is built.

    Args:
        train: Training interactions, ``(U, I)``; only which entries there are counts.
        similarity: ``(I, I)``, without diagonal.
        per_user: Pseudo edges of a user, at least 0.
        per_item: Pseudo edges of a rare item, at least 0.
        strength: Weight of a user's best item, above 0.

    Returns:
        Weights, ``(U, I)``, in ``(0, strength]``.

    Raises:
        DataError: If the shapes do not fit or an option is out of range.
    """
    if per_user < 0 or per_item < 0 or not 0 < strength < math.inf:
        raise DataError(
            "per_user and per_item must be at least 0 and strength above 0; "
            f"got {per_user}, {per_item}, {strength}"
        )
    found = core.pseudo_edges(
        to_rust(train, "train"), to_rust(similarity, "similarity"), per_user, per_item, strength
    )
    return from_rust(found, train.shape)


def shared_items(train: csr_array, k: int) -> csr_array:
    """For each item the k items with which it shares most users, of those that share more than one.

    Of equal numbers of users the lower item comes first. The product ``RᵀR`` is formed as a sparse matrix: its size is
    the number of pairs of items that any user took both of.

    Args:
        train: Training interactions, ``(U, I)``; only which entries there are counts.
        k: Neighbours of an item at most, at least 1.

    Returns:
        Ones, ``(I, I)``, without diagonal.

    Raises:
        DataError: If k is below 1.

    Example:
        >>> from scipy.sparse import csr_array
        >>> train = csr_array(np.array([[1, 1, 1], [1, 1, 0], [0, 0, 1]], dtype=np.float32))
        >>> shared_items(train, 10).toarray().tolist()
        [[0.0, 1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 0.0]]
    """
    if k < 1:
        raise DataError(f"k must be at least 1, got {k}")
    taken = csr_array((np.ones(train.nnz, np.float32), train.indices, train.indptr), shape=train.shape)
    counts = coo_array(taken.T @ taken)
    often = (counts.data > 1) & (counts.row != counts.col)
    row, col, count = counts.row[often], counts.col[often], counts.data[often]
    order = np.lexsort((col, -count, row))
    row, col = row[order], col[order]
    place = np.arange(len(row)) - np.searchsorted(row, row)  # within the row, the best first
    row, col = row[place < k], col[place < k]
    return interactions(row, col, counts.shape)


def drop_edges(
    train: csr_array, *, keep: float, by: Literal["degree", "uniform"] = "degree", seed: int, epoch: int
) -> csr_array:
    """Keep a random part of the edges, drawn without replacement by keyed Gumbel top-k.

    The draw of an edge depends on ``seed``, ``epoch`` and its position in ``train`` alone.

    Args:
        train: Edges, ``(U, I)``; their values are kept.
        keep: Share to keep, in ``[0, 1]``: exactly ``round(keep * train.nnz)`` edges remain.
        by: ``"degree"`` draws in proportion to ``1 / sqrt(deg_u deg_i)`` (edges of hubs go first),
            ``"uniform"`` draws all alike.
        seed: Any integer.
        epoch: Any integer; a fresh one gives a fresh draw.

    Raises:
        DataError: If ``keep`` or ``by`` is not one of the allowed values.
    """
    if not 0 <= keep <= 1:
        raise DataError(f"keep must be between 0 and 1, got {keep}")
    if by not in ("degree", "uniform"):
        raise DataError(f"by must be 'degree' or 'uniform', got {by!r}")
    n_kept = round(keep * train.nnz)
    key = derive(seed, "edge dropout", epoch)
    return from_rust(core.drop_edges(to_rust(train, "train"), n_kept, by == "degree", key), train.shape)


def lift(train: csr_array, knn: csr_array) -> float:
    """How much more often neighbours are taken by the same user than random items are.

    The mean number of users that the two ends of an edge share in training, divided by the mean over all
    pairs of items, ``Σ_u n_u (n_u − 1) / (I (I − 1))`` with ``n_u`` the number of items of user u.

    Args:
        train: Training interactions, ``(U, I)``.
        knn: Neighbours, ``(I, I)``; each stored entry is an edge, whatever its value.

    Returns:
        1 means that content says nothing; also returned where nothing is known, for want of edges or of users
        with two items.

    Raises:
        DataError: If the shapes do not fit.
    """
    shared = core.shared_users(to_rust(train, "train"), to_rust(knn, "knn"))
    n_items = train.shape[1]
    taken = np.diff(train.indptr).astype(np.float64)
    of_random_pairs = float(np.sum(taken * (taken - 1)))
    if knn.nnz == 0 or of_random_pairs == 0:
        return 1.0
    return (shared / knn.nnz) / (of_random_pairs / (n_items * (n_items - 1)))


def lift_weights(lifts: Sequence[float]) -> NDArray[np.float64]:
    """Weigh modalities by how much their neighbours say: ``w_m ∝ max(lift_m − 1, 0)``, summing to 1.

    Where no lift exceeds 1 all weights are equal and a :class:`~magnet.errors.MagnetWarning` says so.

    Args:
        lifts: At least one lift, from :func:`lift`.

    Raises:
        DataError: If there is none, or one is not finite.

    Example:
        >>> lift_weights([3.0, 7.0, 0.5]).tolist()
        [0.25, 0.75, 0.0]
    """
    gains: NDArray[np.float64] = np.maximum(np.asarray(lifts, dtype=np.float64) - 1, 0)
    if gains.size == 0 or not np.isfinite(gains).all():
        raise DataError(f"weights need at least one lift, all finite; got {list(lifts)}")
    if gains.sum() == 0:
        warnings.warn(
            f"content neighbours share no more users than random items (lifts {list(lifts)}); "
            "all modalities get the same weight",
            MagnetWarning,
            stacklevel=2,
        )
        return np.full(gains.size, 1 / gains.size)
    weights: NDArray[np.float64] = gains / gains.sum()
    return weights
