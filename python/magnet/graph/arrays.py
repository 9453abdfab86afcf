"""Sparse matrices and features on their way to Rust and back, uncopied where the type is right."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.sparse import csr_array

from magnet.errors import DataError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from magnet._core import _Matrix, _Triple

__all__ = ["checked_features", "checked_present", "from_rust", "to_rust"]


def to_rust(matrix: csr_array, name: str) -> _Matrix:
    """The arrays of a matrix as the kernels take them: int32 columns, ascending within a row, float32 values.

    Raises:
        DataError: If ``matrix`` is no CSR matrix, or has more columns than int32 can number.
    """
    if getattr(matrix, "format", None) != "csr" or matrix.ndim != 2:
        raise DataError(
            f"{name} must be a scipy csr_array; got {type(matrix).__name__}; convert with .tocsr()"
        )
    n_cols = matrix.shape[1]
    if n_cols > np.iinfo(np.int32).max:
        raise DataError(f"{name} has {n_cols} columns; at most 2^31 - 1 are supported")
    if not matrix.has_sorted_indices:
        matrix = matrix.sorted_indices()
    return (
        np.ascontiguousarray(matrix.indptr),
        np.ascontiguousarray(matrix.indices, dtype=np.int32),
        np.ascontiguousarray(matrix.data, dtype=np.float32),
        n_cols,
    )


def from_rust(triple: _Triple, shape: tuple[int, int]) -> csr_array:
    """A matrix over the arrays that a kernel gave away, which are sorted and free of repeats."""
    indptr, indices, values = triple
    matrix = csr_array((values, indices, indptr), shape=shape, copy=False)
    matrix.has_sorted_indices = True
    matrix.has_canonical_format = True
    return matrix


def checked_features(features: NDArray[Any]) -> NDArray[np.float32 | np.float16]:
    """The features, if they are a matrix of float32 or float16.

    Raises:
        DataError: If they are anything else.
    """
    if features.ndim != 2 or features.dtype not in (np.dtype(np.float32), np.dtype(np.float16)):
        raise DataError(
            f"features must be a matrix of float32 or float16, one row for each item; "
            f"got {features.dtype} of shape {features.shape}"
        )
    return features


def checked_present(present: NDArray[np.bool_] | None, n_rows: int) -> NDArray[np.bool_]:
    """Which rows have features: all of them where nothing is said.

    Raises:
        DataError: If it is not one boolean for each row.
    """
    if present is None:
        return np.ones(n_rows, dtype=np.bool_)
    if present.dtype != np.bool_ or present.shape != (n_rows,):
        raise DataError(
            f"present must hold one bool for each of the {n_rows} rows; "
            f"got {present.dtype} of shape {present.shape}"
        )
    return np.ascontiguousarray(present)
