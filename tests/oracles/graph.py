"""Slow and obviously right versions of the graph kernels, in dense float64."""

from __future__ import annotations

import numpy as np
from scipy.sparse import csr_array

_MASK = 2**64 - 1


def knn(features, k, present=None):
    """Every pair in float64, rounded to float32, sorted by score and then by row."""
    x = features.astype(np.float64)
    norms = np.sqrt((x * x).sum(1))
    alive = norms > 0 if present is None else present & (norms > 0)
    rows, columns, values = [], [], []
    numbers = np.flatnonzero(alive)
    x, norms = x[numbers], norms[numbers]
    every = (x @ x.T / np.outer(norms, norms)).astype(np.float32)
    for at, i in enumerate(numbers):
        order = np.lexsort((numbers, -every[at]))
        best = np.sort(order[order != at][:k])
        rows += [i] * len(best)
        columns += numbers[best].tolist()
        values += every[at, best].tolist()
    shape = (len(features), len(features))
    return csr_array((np.array(values, dtype=np.float32), (rows, columns)), shape=shape)


def interactions(users, items, shape):
    matrix = csr_array((np.ones(len(users), np.float32), (users, items)), shape=shape)
    matrix.sum_duplicates()
    matrix.data[:] = 1
    return matrix


def k_core(taken, per_user, per_item):
    """Cut again and again until nothing changes."""
    dense = taken.toarray() != 0
    users, items = (np.ones(n, dtype=bool) for n in dense.shape)
    while True:
        left = dense & users[:, None] & items
        smaller = users & (left.sum(1) >= per_user), items & (left.sum(0) >= per_item)
        if (smaller[0] == users).all() and (smaller[1] == items).all():
            return smaller
        users, items = smaller


def normalised(dense):
    """``D^-1/2 A D^-1/2``; rows and columns without weight stay zero."""
    dense = dense.astype(np.float64)
    degrees = dense.sum(1)
    scale = np.zeros_like(degrees)
    np.divide(1, np.sqrt(degrees, where=degrees > 0, out=scale.copy()), where=degrees > 0, out=scale)
    return dense * scale[:, None] * scale[None, :]


def bipartite(weights):
    n_users, n_items = weights.shape
    dense = np.zeros((n_users + n_items,) * 2)
    dense[:n_users, n_users:] = weights.toarray()
    dense[n_users:, :n_users] = weights.toarray().T
    return normalised(dense)


def similarity(neighbours):
    dense = np.maximum(neighbours.toarray(), 0)
    return normalised(np.maximum(dense, dense.T))


def pseudo_edges(train, similarity, per_user, per_item, strength):
    taken = (train.toarray() != 0).astype(np.float64)
    scores = (taken @ similarity.toarray().astype(np.float64)).astype(np.float32)
    kept = np.zeros(scores.shape, dtype=bool)
    n_users, n_items = scores.shape
    for user in range(n_users):
        kept[user, np.lexsort((np.arange(n_items), -scores[user]))[:per_user]] = True
    degrees = taken.sum(0)
    for item in np.flatnonzero(degrees < np.median(degrees)):
        kept[np.lexsort((np.arange(n_users), -scores[:, item]))[:per_item], item] = True
    kept &= scores > 0
    best = scores.max(1, keepdims=True).astype(np.float64)
    return np.where(kept, strength * scores.astype(np.float64) / np.where(best > 0, best, 1), 0).astype(
        np.float32
    )


def lift(train, neighbours):
    taken = (train.toarray() != 0).astype(np.float64)
    shared = taken.T @ taken
    n_items = len(shared)
    random = (shared.sum() - np.trace(shared)) / (n_items * (n_items - 1))
    edges = neighbours.toarray() != 0
    return shared[edges].mean() / random


def _split_mix(state):
    z = (state + 0x9E3779B97F4A7C15) & _MASK
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9 & _MASK
    z = (z ^ (z >> 27)) * 0x94D049BB133111EB & _MASK
    return z ^ (z >> 31)


def _turn(x, by=32):
    return ((x << by) | (x >> (64 - by))) & _MASK


def open_unit(seed, purpose, counter):
    """Draw ``counter`` of a stream: Squares with five rounds, the key made by SplitMix64."""
    key = _split_mix(_split_mix(seed) ^ _turn(purpose)) | 1
    y = counter * key & _MASK
    z = (y + key) & _MASK
    x = _turn((y * y + y) & _MASK)
    x = _turn((x * x + z) & _MASK)
    x = _turn((x * x + y) & _MASK)
    t = (x * x + z) & _MASK
    bits = t ^ (((_turn(t) * _turn(t) + y) & _MASK) >> 32)
    return ((bits >> 12) + 0.5) / 2**52


def drop_edges(train, n_kept, by, key):
    """Gumbel top-k as it is written in books: the largest of ``log w + Gumbel``."""
    matrix = train.tocoo()
    weights = np.ones(train.nnz)
    if by == "degree":
        user_degrees = np.bincount(matrix.row, minlength=train.shape[0])
        item_degrees = np.bincount(matrix.col, minlength=train.shape[1])
        weights = 1 / np.sqrt(user_degrees[matrix.row] * item_degrees[matrix.col])
    uniform = np.array([open_unit(key, 0x65646765, edge) for edge in range(train.nnz)])
    scores = np.log(weights) - np.log(-np.log(uniform)) if train.nnz else weights
    kept = np.sort(np.argsort(-scores, kind="stable")[:n_kept])
    return csr_array((matrix.data[kept], (matrix.row[kept], matrix.col[kept])), shape=train.shape)
