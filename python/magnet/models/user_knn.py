"""Users who took the same: each user's nearest neighbours among the users vote for what they have."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import Field
from scipy.sparse import csr_array

from magnet.config import Config
from magnet.models.registry import register
from magnet.states import NeighbourState

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from magnet.data import Dataset

__all__ = ["UserKNNConfig", "fit_user_knn", "user_neighbours"]

_BLOCK = 1 << 24
"""Pairs of users that are compared at a time: 64 MB in float32."""


class UserKNNConfig(Config):
    """Settings of the votes of users.

    Attributes:
        neighbours: k, the users who vote for a user.
        shrink: Added to the product of norms: a similarity that rests on few shared items counts less.
    """

    neighbours: int = Field(100, ge=1, le=10_000)
    shrink: float = Field(10.0, ge=0)


def fit_user_knn(dataset: Dataset, config: UserKNNConfig, *, seed: int = 0) -> NeighbourState:
    """Let the nearest users vote.

    (Herlocker et al., *An Algorithmic Framework for Performing Collaborative Filtering*, SIGIR 1999.)

    Args:
        dataset: Only its training part is read.
        config: Number of neighbours and shrinkage.
        seed: Not used: nothing is drawn.
    """
    del seed
    near = user_neighbours(dataset.train, config.neighbours, shrink=config.shrink)
    return NeighbourState(near, dataset.train)


def user_neighbours(
    train: csr_array, k: int, *, shrink: float = 0.0, queries: csr_array | None = None
) -> csr_array:
    r"""For each user the k users of largest cosine, with a shrinkage.

    .. math:: s_{uv} = \frac{|I_u ∩ I_v|}{\sqrt{|I_u| |I_v|} + h}

    with the shrinkage h of Ferrari Dacrema et al. (*Are We Really Making Much Progress?*, RecSys 2019, equation 1). Of
    equals the lower user comes first; users who share nothing are no neighbours. Users are compared in blocks: time
    grows with the number of pairs who share an item, memory does not.

    Args:
        train: Interactions, ``(U, I)``; only which entries there are counts.
        k: Neighbours of a user at most, at least 1.
        shrink: h, in items, at least 0.
        queries: Histories of B others, ``(B, I)``, to find the neighbours of; by default of the users themselves.

    Returns:
        Similarities, ``(U, U)``, float32, without diagonal; of queries ``(B, U)``.

    Example:
        >>> rows = np.array([[1, 1, 0], [1, 1, 1], [0, 0, 1]], dtype=np.float32)
        >>> user_neighbours(csr_array(rows), 1).toarray().round(2)
        array([[0.  , 0.82, 0.  ],
               [0.82, 0.  , 0.  ],
               [0.  , 0.58, 0.  ]], dtype=float32)
    """
    taken = _ones(train)
    asking = taken if queries is None else _ones(queries)
    (n_users, _), n_asking = taken.shape, asking.shape[0]
    root, own = (np.sqrt(np.diff(matrix.indptr)) for matrix in (taken, asking))  # float64, √|I_u|
    columns = taken.T.tocsr()
    step = max(1, _BLOCK // max(1, n_users))
    found: list[tuple[NDArray[Any], NDArray[Any], NDArray[Any]]] = []
    for start in range(0, n_asking, step):
        shared = (asking[start : start + step] @ columns).tocoo()
        row, col = shared.row + start, shared.col
        likeness = (shared.data / (own[row] * root[col] + shrink)).astype(np.float32)
        if queries is None:
            other = row != col
            row, col, likeness = row[other], col[other], likeness[other]
        order = np.lexsort((col, -likeness, row))
        row, col, likeness = row[order], col[order], likeness[order]
        place = np.arange(len(row)) - np.searchsorted(row, row)  # within the row, the best first
        found.append((row[place < k], col[place < k], likeness[place < k]))
    rows, cols, values = (np.concatenate(parts) for parts in zip(*found, strict=True))
    near = csr_array((values, (rows, cols)), shape=(n_asking, n_users))
    near.sort_indices()
    return near


def _ones(matrix: csr_array) -> csr_array:
    return csr_array((np.ones(matrix.nnz, np.float32), matrix.indices, matrix.indptr), shape=matrix.shape)


# The ranges of Ferrari Dacrema et al., to a shrinkage of 0, which a logarithm does not reach.
register(
    "user-knn", UserKNNConfig, fit=fit_user_knn, space={"neighbours": (5, 1000), "shrink": (1.0, 1000.0)}
)
