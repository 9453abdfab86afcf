"""Rows of unit length, whatever the scale of the features."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

__all__ = ["unit_length", "unit_tensor"]


def unit_length(rows: NDArray[Any]) -> NDArray[np.float32]:
    """Divide every row by its Euclidean length.

    A row is first multiplied by the power of two that puts its largest magnitude between 1/2 and 1, so that no square
    overflows or vanishes. Multiplying a row by a power of two therefore changes no bit of the result, as long as its
    numbers keep all their bits.

    Args:
        rows: ``(n, d)``, finite, float32 or float16.

    Returns:
        ``(n, d)``; rows of zeros stay zero.
    """
    even = _even(rows)
    lengths = np.linalg.norm(even, axis=1, keepdims=True)
    unit: NDArray[np.float32] = np.divide(even, lengths, out=np.zeros_like(even), where=lengths > 0)
    return unit


def unit_tensor(rows: NDArray[Any]) -> Tensor:
    """The same as a tensor, its lengths summed by torch: they may differ from NumPy's in the last bit."""
    import torch  # data sets are read without it

    return torch.nn.functional.normalize(torch.from_numpy(_even(rows)), dim=1)


def _even(rows: NDArray[Any]) -> NDArray[np.float32]:
    """Rows whose largest magnitude lies in [1/2, 1), by exact steps of the exponent."""
    rows = np.asarray(rows, dtype=np.float32)
    _, exponents = np.frexp(np.abs(rows).max(axis=1, keepdims=True, initial=0))
    even: NDArray[np.float32] = np.ldexp(rows, -exponents)
    return even
