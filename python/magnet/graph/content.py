"""Which items' features rebuild an item's features best."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.linalg import cholesky, solve_triangular
from scipy.sparse import csr_array

from magnet.errors import DataError
from magnet.graph.arrays import checked_features, checked_present

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["content_regression"]

_BLOCK = 1 << 24
"""Products that are held at a time: 128 MB in float64."""


def content_regression(
    features: NDArray[np.float32 | np.float16],
    *,
    present: NDArray[np.bool_] | None = None,
    ridge: float = 1.0,
    neighbours: int = 200,
) -> csr_array:
    r"""Regress each item's features on those of all other items, and keep the largest weights.

    These are the weights of EASE (Steck, WWW 2019) with the features in the place of users, without a matrix over all
    items: by Woodbury's identity, for :math:`i \neq j`,

    .. math:: S_{ij} = \frac{f_i^\top M f_j}{1 - f_j^\top M f_j}, \qquad M = (\lambda I + F^\top F)^{-1}

    Products are taken in float64, and weights are rounded to float32 before they are ranked. Cost: I² d
    multiply-adds; memory: 128 MB and the result.

    Args:
        features: F, ``(I, d)``, finite where present.
        present: Which rows have features, ``(I,)``; all by default. The others take no part, and their values are not
            read.
        ridge: λ, positive, in units of squared features.
        neighbours: Weights that are kept for each item j, at least 1: the largest by magnitude, the lower i first among
            equals.

    Returns:
        S, ``(I, I)``, at most ``neighbours`` entries in a *column*, none of them zero and none on the diagonal: the
        content matrix of :func:`local_ridge`.

    Raises:
        DataError: If a shape, a type or a number is wrong, or a present row holds NaN or infinity.

    Example:
        >>> content_regression(np.array([[1, 0], [1, 0], [0, 1]], dtype=np.float32)).toarray()
        array([[0. , 0.5, 0. ],
               [0.5, 0. , 0. ],
               [0. , 0. , 0. ]], dtype=float32)
    """
    features = checked_features(features)
    n_items = features.shape[0]
    if not (ridge > 0 and np.isfinite(ridge)):
        raise DataError(f"ridge must be a positive number, got {ridge}")
    if neighbours < 1:
        raise DataError(f"neighbours must be at least 1, got {neighbours}")
    numbers = np.flatnonzero(checked_present(present, n_items)).astype(np.int32)
    white = _whitened(features, numbers, ridge)  # (P, d)
    n_present = len(numbers)
    keep = min(neighbours, n_present)
    step = max(1, _BLOCK // max(1, n_present))
    rows, columns = [numbers[:0]], [numbers[:0]]
    values = [np.empty(0, dtype=np.float32)]
    for start in range(0, n_present, step):
        own = np.arange(start, min(start + step, n_present))
        products = white[own] @ white.T  # (B, P), row j holds column j of S
        leverage = products[np.arange(len(own)), own]
        weights = (products / (1 - leverage)[:, None]).astype(np.float32)
        weights[np.arange(len(own)), own] = 0
        of, items = _largest(weights, keep)
        rows.append(numbers[items])
        columns.append(numbers[own[of]])
        values.append(weights[of, items])
    entries = (np.concatenate(values), (np.concatenate(rows), np.concatenate(columns)))
    matrix = csr_array(entries, shape=(n_items, n_items))
    matrix.sort_indices()
    return matrix


def _whitened(features: NDArray[Any], numbers: NDArray[np.int32], ridge: float) -> NDArray[np.float64]:
    """Rows w with ⟨w_i, w_j⟩ = f_iᵀ M f_j, in float64."""
    own = features[numbers].astype(np.float64)
    broken = numbers[~np.isfinite(own).all(axis=1)]
    if len(broken):
        raise DataError(f"features must be finite; rows {broken[:5].tolist()} hold NaN or infinity")
    gram = own.T @ own
    gram[np.diag_indices_from(gram)] += ridge
    white: NDArray[np.float64] = solve_triangular(cholesky(gram, lower=True), own.T, lower=True).T
    return np.ascontiguousarray(white)


def _largest(weights: NDArray[np.float32], keep: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Rows and columns of the ``keep`` entries of each row that are largest by magnitude; zeros are left out."""
    magnitude = np.abs(weights)
    least = -np.partition(-magnitude, keep - 1, axis=1)[:, keep - 1 : keep]  # (B, 1)
    kept = (magnitude >= least) & (magnitude > 0)
    for row in np.flatnonzero(kept.sum(axis=1) > keep):  # ties at the border: the lower items stay
        above = magnitude[row] > least[row]
        equal = np.flatnonzero(magnitude[row] == least[row])
        kept[row] = above
        kept[row, equal[: keep - above.sum()]] = True
    of, items = np.nonzero(kept)
    return of, items
