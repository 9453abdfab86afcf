"""Holding training pairs out, so that experts are judged on pairs that none of them has seen."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from scipy.sparse import csr_array

from magnet.seeds import numpy_generator

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from magnet.data import Dataset

__all__ = ["Fold", "can_teach", "hold_out", "without"]


class Fold(NamedTuple):
    """The training part in two."""

    rest: csr_array  # (U, I), what everything is fitted to
    held: csr_array  # (U, I), what it is judged by


def hold_out(train: csr_array, share: float, *, seed: int) -> Fold:
    """Hold out a share of each user's training pairs.

    A user of n pairs loses ``share · n`` of them, rounded up or down at random in such a way that this is the mean, and
    always keeps one.

    Args:
        train: Training interactions, ``(U, I)``.
        share: Above 0 and below 1.
        seed: Of the draw.
    """
    rng = numpy_generator(seed, "hold out")
    degree = np.diff(train.indptr)
    n_held = np.floor(degree * share + rng.random(len(degree))).astype(np.int64)
    n_held = np.minimum(n_held, np.maximum(degree - 1, 0))
    user = np.repeat(np.arange(len(degree)), degree)
    order = np.lexsort((rng.random(train.nnz), user))  # within each user, at random
    place = np.arange(train.nnz) - np.repeat(train.indptr[:-1], degree)
    held = np.zeros(train.nnz, dtype=bool)
    held[order] = place < n_held[user]
    return Fold(_entries(train, ~held), _entries(train, held))


def can_teach(fold: Fold) -> bool:
    """Whether both parts have a user with something to rank a pair above; a shop of ten rows may have none."""

    def ranks(part: csr_array) -> bool:
        degree = np.diff(part.indptr)
        return bool(((degree > 0) & (degree < len(np.unique(part.indices)))).any())

    return ranks(fold.rest) and ranks(fold.held)


def without(dataset: Dataset, fold: Fold) -> Dataset:
    """The data set as if the held-out pairs had never been: they are in no part of it."""
    parts = dataset.parts
    n_items = np.int64(dataset.n_items)
    of_rows = dataset.users * n_items + dataset.items
    coo = fold.held.tocoo()
    gone = (parts == 0) & np.isin(of_rows, coo.row * n_items + coo.col)
    return dataset.only(~gone)


def _entries(matrix: csr_array, kept: NDArray[np.bool_]) -> csr_array:
    indptr = np.concatenate([[0], np.cumsum(kept)])[matrix.indptr]
    return csr_array((matrix.data[kept], matrix.indices[kept], indptr), shape=matrix.shape)
