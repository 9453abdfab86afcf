"""EASE: the item-item model in closed form that learned models have to beat first."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import Field
from scipy.linalg import get_lapack_funcs

from magnet.config import Config
from magnet.errors import DataError
from magnet.graph.ridge import local_ridge
from magnet.memory import check_memory
from magnet.models.signals.base import register_signal
from magnet.operators import DenseOperator, SparseOperator

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray
    from scipy.sparse import csr_array

    from magnet.data import Modality

__all__ = ["WHOLE_UP_TO", "EASEConfig", "ease_bytes", "ease_weights", "prepare_ease"]

_DOUBLE_UP_TO = 20_000
"""Items up to which the inverse is taken in float64 (12 I² bytes); above it float32 needs a third of that."""
_BLOCK = 512
WHOLE_UP_TO = 30_000
"""Items up to which a matrix of all items is solved: 3.6 GB of weights, and minutes of two cores."""
_LOCAL_SUPPORT = 200


class EASEConfig(Config):
    """Settings of EASE.

    Attributes:
        regularization: λ, added to the diagonal of the Gram matrix; larger draws the weights towards zero.
        support: Items that an item is predicted from at most; None takes all of them where a matrix of all items is
            small enough, and 200 where it is not.
    """

    regularization: float = Field(default=200.0, gt=0.0)
    support: int | None = Field(default=None, ge=1, le=32_768)


def prepare_ease(
    train: csr_array, modalities: Mapping[str, Modality], config: EASEConfig
) -> DenseOperator | SparseOperator:
    r"""Solve for the item-item weights that best rebuild the training interactions without self-weights.

    .. math:: P = (X^\top X + \lambda I)^{-1}, \qquad B = I - P \, \mathrm{diag}(1 / \mathrm{diag}(P))

    (Steck, *Embarrassingly Shallow Autoencoders for Sparse Data*, WWW 2019). The Gram matrix is sparse until
    it is factorised; factor, inverse and weights then share one dense buffer. At its peak this takes 12 I²
    bytes (0.6 GB for 7,050 items), or 4 I² bytes in single precision for more than 20,000 items. A catalogue that
    is too large for that, or a ``support`` that is asked for, is solved item by item on the items of largest counts:
    :func:`magnet.graph.ridge.local_ridge`.

    Args:
        train: Interactions, ``(U, I)``; only which entries there are counts.
        modalities: Not looked at.
        config: The regularisation.

    Returns:
        Weights ``(I, I)`` float32 with a zero diagonal; rows and columns of items without a training
        interaction are zero.

    Raises:
        DataError: If λ is too small for the Gram matrix to be factorised in floating point, or the matrix does not fit
            in memory.
    """
    del modalities
    support = config.support
    if support is None and train.shape[1] > WHOLE_UP_TO:
        support = _LOCAL_SUPPORT
    if support is not None:
        return SparseOperator(local_ridge(train, ridge=config.regularization, support=support))
    n_items = train.shape[1]
    check_memory(
        ease_bytes(n_items),
        f"ease on {n_items:,} items",
        f"take support={_LOCAL_SUPPORT}, which goes item by item",
    )
    dtype = np.dtype(np.float64 if n_items <= _DOUBLE_UP_TO else np.float32)
    binary = train.copy()
    binary.data = np.ones_like(binary.data, dtype=dtype)
    return DenseOperator(ease_weights((binary.T @ binary).toarray(order="F"), config.regularization))


def ease_bytes(n_items: int) -> float:
    """Memory of the whole matrix at its peak, in bytes: 12 I², or 4 I² in single precision."""
    return float(12 if n_items <= _DOUBLE_UP_TO else 4) * n_items**2


def ease_weights(gram: NDArray[Any], regularization: float, *, model: str = "EASE") -> NDArray[np.float32]:
    """The weights that follow from a Gram matrix, whatever it is of.

    Args:
        gram: G, ``(I, I)``, float32 or float64, in the column order that LAPACK works on without a copy; overwritten.
        regularization: λ, added to its diagonal.
        model: For the error.

    Returns:
        ``I − P diag(1 / diag(P))`` with ``P = (G + λI)⁻¹``, ``(I, I)``, its diagonal zero.

    Raises:
        DataError: If λ is too small for the matrix to be factorised.
    """
    gram[np.diag_indices_from(gram)] += regularization
    return _weights(_invert(gram, regularization, model))


def _invert(matrix: NDArray[Any], regularization: float, model: str) -> NDArray[Any]:
    """The inverse of a positive definite matrix, in its own memory, both triangles filled."""
    factorize: Any = get_lapack_funcs("potrf", (matrix,))
    invert: Any = get_lapack_funcs("potri", (matrix,))
    inverse: NDArray[Any]
    factor, failed = factorize(matrix, lower=True, overwrite_a=True, clean=False)
    if not failed:
        inverse, failed = invert(factor, lower=True, overwrite_c=True)
    if failed:
        raise DataError(
            f"{model}: with regularization = {regularization} the Gram matrix of {len(matrix)} items is "
            f"singular in {matrix.dtype}; choose a larger regularization"
        )
    for start in range(0, len(inverse), _BLOCK):
        stop = min(start + _BLOCK, len(inverse))
        inverse[start:stop, stop:] = inverse[stop:, start:stop].T
        block = np.tril(inverse[start:stop, start:stop])
        inverse[start:stop, start:stop] = block + np.tril(block, -1).T
    return inverse


def _weights(inverse: NDArray[Any]) -> NDArray[np.float32]:
    """B from P: every column divided by minus its diagonal value, and nothing on the diagonal."""
    diagonal = -inverse.diagonal()  # (I,), a copy
    weights = inverse.T  # symmetric, and in row order this way
    weights /= diagonal
    np.fill_diagonal(weights, 0.0)
    single: NDArray[np.float32] = weights.astype(np.float32, copy=False)
    single += 0.0  # no negative zeros
    return single


register_signal("ease", EASEConfig, prepare_ease, space={"regularization": (10.0, 5000.0)})
