"""Steps between users and items over their interactions, normalised by degree: what graph filters are made of."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.sparse import csr_array

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

__all__ = ["COLUMNS", "WHOLE_UP_TO", "item_degree", "normalised_walks", "power", "whole"]

# A whole matrix answers with one sparse product, instead of two for each hop. Up to this many numbers in it.
WHOLE_UP_TO = 1 << 27
COLUMNS = 64  # histories that pass through the hops at once: what they touch stays in the caches


def item_degree(history: csr_array) -> NDArray[np.int64]:
    """Users of each item, ``(I,)``, of a history ``(U, I)``."""
    degree: NDArray[np.int64] = np.bincount(history.indices, minlength=history.shape[1])
    return degree


def normalised_walks(history: csr_array) -> tuple[csr_array, csr_array]:
    """``R̃ = D_U^{-1/2} R D_I^{-1/2}``, ``(U, I)``, and its transpose, float32, for a history R, ``(U, I)``."""
    degrees = np.diff(history.indptr), item_degree(history)
    users, items = (power(degree, -0.5) for degree in degrees)
    values = users.repeat(degrees[0]) * items[history.indices]
    forth = csr_array((values, history.indices, history.indptr), shape=history.shape)
    back = forth.T.tocsr()
    for walk in (forth, back):  # as the core takes them, not at every hop
        walk.indices = walk.indices.astype(np.int32, copy=False)
    return forth, back


def power(degree: NDArray[np.int64], exponent: float) -> NDArray[np.float32]:
    """``degree^exponent``, 0 where the degree is 0."""
    out = np.zeros(len(degree))
    np.power(degree, exponent, out=out, where=degree > 0, dtype=np.float64)
    return out.astype(np.float32)


def whole(n_items: int, times: Callable[[NDArray[np.float32]], NDArray[np.float32]]) -> NDArray[np.float32]:
    """A symmetric matrix ``(I, I)`` of which only products with columns ``(I, d)`` can be had, a few at a time."""
    out = np.empty((n_items, n_items), np.float32)
    for start in range(0, n_items, COLUMNS):
        stop = min(start + COLUMNS, n_items)
        unit = np.zeros((n_items, stop - start), np.float32)
        unit[np.arange(start, stop), np.arange(stop - start)] = 1
        out[start:stop] = times(unit).T  # its columns are its rows
    return out
