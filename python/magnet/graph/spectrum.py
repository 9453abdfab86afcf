"""The lowest frequencies of the graph of items that users share."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.sparse.linalg import LinearOperator, eigsh

from magnet.errors import DataError
from magnet.memory import check_memory
from magnet.operators.walks import normalised_walks
from magnet.seeds import numpy_generator

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from scipy.sparse import csr_array

__all__ = ["low_frequencies", "no_frequencies"]

_DENSE_UP_TO = 1024
"""Items up to which the whole matrix is decomposed: a second, and no question of convergence."""
_NOTHING = 1e-6
"""Eigenvalues below are of the null space, whose vectors are arbitrary."""


def low_frequencies(train: csr_array, rank: int) -> NDArray[np.float32]:
    """Leading eigenvectors of ``P = R̃ᵀR̃``, the right singular vectors of the normalised interactions R̃.

    The search starts from the same random vector each time, so that the result does not differ between runs. Signs are
    arbitrary; where an eigenvalue at the cut occurs several times, so is the choice among its vectors.

    Args:
        train: Interactions, ``(U, I)``; only which entries there are counts.
        rank: Vectors at most, at least 1; fewer where P has a lower rank.

    Returns:
        V, ``(I, r)``, orthonormal columns, the largest eigenvalue first.

    Raises:
        DataError: If rank is below 1, or so large that a matrix of all items is decomposed that does not fit in memory.

    Example:
        >>> from scipy.sparse import csr_array
        >>> train = csr_array(np.array([[1, 1, 0], [1, 1, 0], [0, 0, 1]], dtype=np.float32))
        >>> vectors = low_frequencies(train, 3)
        >>> (vectors @ vectors.T).round(2) + 0.0
        array([[0.5, 0.5, 0. ],
               [0.5, 0.5, 0. ],
               [0. , 0. , 1. ]], dtype=float32)
    """
    if rank < 1:
        raise DataError(f"rank must be at least 1, got {rank}")
    n_items = train.shape[1]
    forth, back = (walk.astype(np.float64) for walk in normalised_walks(train))
    if n_items <= max(_DENSE_UP_TO, rank + 1):
        # The matrix, its copy that becomes the eigenvectors, and LAPACK's room for twice as much.
        check_memory(
            32.0 * n_items**2, f"a decomposition into {n_items:,} eigenvectors", "choose a smaller rank"
        )
        values, vectors = np.linalg.eigh((back @ forth).toarray())
    else:
        walk = LinearOperator(
            (n_items, n_items), matvec=lambda x: back @ (forth @ x), dtype=np.dtype(np.float64)
        )
        start = numpy_generator(0, "low frequencies").standard_normal(n_items)
        values, vectors = eigsh(walk, k=rank, which="LA", v0=start)
    order = np.argsort(-values, kind="stable")[:rank]
    order = order[values[order] > _NOTHING]
    return np.ascontiguousarray(vectors[:, order], dtype=np.float32)


def no_frequencies(train: csr_array) -> NDArray[np.float32]:
    """No vectors, ``(I, 0)``: for a filter that passes none of them whole."""
    return np.zeros((train.shape[1], 0), np.float32)
