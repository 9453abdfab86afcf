"""Nearest neighbours that another library found."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from scipy.sparse import csr_array

from magnet.errors import DataError

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["neighbours_to_graph"]


def neighbours_to_graph(
    indices: NDArray[Any], scores: NDArray[Any], *, kind: Literal["cosine", "distance"] = "cosine"
) -> csr_array:
    """Make a graph of neighbours that another library found, such as faiss, cuVS or pynndescent.

    Args:
        indices: Neighbours of each row, ``(I, k)``, integers; -1 where there is none. A row's own index is
            left out, so ask the library for one more than is wanted.
        scores: ``(I, k)``: cosines (inner products of unit rows), or cosine distances, which are 1 minus the
            cosine. What stands beside -1 is not read.
        kind: What ``scores`` are.

    Returns:
        Cosines, ``(I, I)``, columns ascending within a row, as :func:`~magnet.graph.knn.knn_graph` returns.

    Raises:
        DataError: If the shapes differ, an index is out of range or repeated within its row, or a score is not
            finite or no cosine.

    Example:
        >>> ids = np.array([[0, 1], [1, 0], [2, -1]])
        >>> neighbours_to_graph(ids, np.array([[0, 0.25], [0, 0.25], [0, 9]]), kind="distance").toarray()
        array([[0.  , 0.75, 0.  ],
               [0.75, 0.  , 0.  ],
               [0.  , 0.  , 0.  ]], dtype=float32)
    """
    if indices.ndim != 2 or indices.shape != scores.shape:
        raise DataError(
            "indices and scores must be matrices of one shape, one row for each item; "
            f"got {indices.shape} and {scores.shape}"
        )
    if indices.dtype.kind not in "iu" or scores.dtype.kind != "f":
        raise DataError(
            f"indices must be integers and scores floating-point; got {indices.dtype} and {scores.dtype}"
        )
    if kind not in ("cosine", "distance"):
        raise DataError(f"kind must be 'cosine' or 'distance', got {kind!r}")
    n_rows = indices.shape[0]
    if indices.size > np.iinfo(np.int32).max:
        raise DataError(f"at most 2^31 - 1 neighbours are supported, got {indices.size}")
    indices = indices.astype(np.int64)
    rows = np.broadcast_to(np.arange(n_rows)[:, None], indices.shape)
    _refuse((indices < -1) | (indices >= n_rows), indices, f"indices must be in 0..{n_rows}, or -1 for none")
    kept = (indices >= 0) & (indices != rows)
    cosines = np.zeros(scores.shape, np.float32)
    cosines[kept] = scores[kept] if kind == "cosine" else 1 - scores[kept].astype(np.float64)
    # The library's rounding may give a little more than 1.
    wrong = ~(np.abs(cosines) <= 1 + 1e-3)
    _refuse(
        wrong,
        scores,
        "scores must be cosines of unit rows, or distances of 1 minus those; found one that is neither",
    )
    order = np.lexsort((indices[kept], rows[kept]))
    row, column = rows[kept][order], indices[kept][order]
    twice = np.flatnonzero((row[1:] == row[:-1]) & (column[1:] == column[:-1]))
    if twice.size:
        raise DataError(f"a row names each neighbour once; row {row[twice[0]]} repeats {column[twice[0]]}")
    indptr = np.concatenate(([0], np.cumsum(kept.sum(1))))
    values = cosines[kept][order]
    return csr_array((values, column.astype(np.int32), indptr.astype(np.int32)), shape=(n_rows, n_rows))


def _refuse(wrong: NDArray[np.bool_], values: NDArray[Any], rule: str) -> None:
    if wrong.any():
        row, place = np.argwhere(wrong)[0].tolist()
        raise DataError(f"{rule}; row {row}, place {place} holds {values[row, place]}")
