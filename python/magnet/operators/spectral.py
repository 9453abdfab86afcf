"""A filter over the spectrum of the item–item graph: a Chebyshev series, and the lowest frequencies passed whole."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import torch

from magnet.errors import DataError
from magnet.operators.base import checked_histories, dot_rows, product
from magnet.operators.walks import COLUMNS, WHOLE_UP_TO, item_degree, normalised_walks, power, whole

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray
    from scipy.sparse import csr_array
    from torch import Tensor

__all__ = ["SpectralOperator"]


@dataclass(frozen=True, eq=False)
class SpectralOperator:
    r"""``W = D^{-a} h(P) D^{a} + w · D^{-b} V Vᵀ D^{b}`` with ``P = R̃ᵀR̃`` and ``R̃ = D_U^{-1/2} R D^{-1/2}``.

    h is a Chebyshev series, :math:`h(P) = \sum_k c_k T_k(2P - I)`: the eigenvalues of P lie in [0, 1], 1 being the
    lowest frequency of the graph, and in powers of P a steep filter would lose its digits to cancellation. Columns of V
    are eigenvectors of P, so that the second part passes those frequencies whole. See
    :class:`~magnet.operators.base.Operator`.

    Attributes:
        history: R, ``(U, I)``; only which entries there are counts.
        coefficients: c, at least one.
        exponent: a; larger favours popular items.
        vectors: V, ``(I, r)``, float32; r may be 0.
        weight: w.
        vectors_exponent: b.

    Raises:
        DataError: If there is no coefficient, a number is not finite, or a shape does not fit.
    """

    history: csr_array
    coefficients: Sequence[float]
    exponent: float
    vectors: NDArray[np.float32]
    weight: float
    vectors_exponent: float

    def __post_init__(self) -> None:
        numbers = [*self.coefficients, self.exponent, self.weight, self.vectors_exponent]
        if len(numbers) < 4 or not np.isfinite(numbers).all():
            raise DataError(
                f"a filter needs at least one coefficient, two exponents and a weight, all finite; got {numbers}"
            )
        if self.vectors.ndim != 2 or len(self.vectors) != self.n_items or self.vectors.dtype != np.float32:
            raise DataError(
                f"vectors must be ({self.n_items}, rank) in float32; "
                f"got {self.vectors.shape} in {self.vectors.dtype}"
            )
        object.__setattr__(self, "coefficients", tuple(map(float, self.coefficients)))

    @property
    def n_items(self) -> int:
        """I."""
        return int(self.history.shape[1])

    @cached_property
    def _scales(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        degree = item_degree(self.history)
        return power(degree, -self.exponent), power(degree, self.exponent)

    @cached_property
    def _walks(self) -> tuple[csr_array, csr_array]:
        """R̃ and its transpose."""
        return normalised_walks(self.history)

    @cached_property
    def _low(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Both factors of the second part."""
        degree = item_degree(self.history)
        before = power(degree, -self.vectors_exponent) * np.float32(self.weight)
        after = power(degree, self.vectors_exponent)
        left, right = (scale[:, None] * self.vectors for scale in (before, after))
        return np.ascontiguousarray(left), np.ascontiguousarray(right)

    @cached_property
    def _whole(self) -> NDArray[np.float32]:
        before, after = self._scales
        out = whole(self.n_items, self._series)
        out *= before[:, None]
        out *= after
        if self.vectors.shape[1]:
            left, right = self._low
            out += dot_rows(left, right, np.arange(self.n_items, dtype=np.int32))
        return out

    def _series(self, columns: NDArray[np.float32]) -> NDArray[np.float32]:
        """``h(P) · columns``, by Clenshaw's recurrence ``b_k = c_k x + 2 (2P − I) b_{k+1} − b_{k+2}``."""
        forth, back = self._walks
        first, *others = self.coefficients
        later, last = np.zeros_like(columns), np.zeros_like(columns)
        for coefficient in reversed(others):
            stepped = product(back, product(forth, later)) * np.float32(4) - later * np.float32(2)
            later, last = columns * np.float32(coefficient) + stepped - last, later
        stepped = product(back, product(forth, later)) * np.float32(2) - later
        return columns * np.float32(first) + stepped - last

    @property
    def sources(self) -> NDArray[np.bool_]:
        """Items that say something of others, ``(I,)``: those that anyone has."""
        return item_degree(self.history) > 0

    @property
    def targets(self) -> NDArray[np.bool_]:
        """Items of which something can be said, ``(I,)``: the same."""
        return self.sources

    @property
    def core_matrix(self) -> NDArray[np.float32] | None:
        """W as the core takes it; None for a catalogue whose whole matrix would be too large."""
        return self._whole if self.n_items**2 <= WHOLE_UP_TO else None

    def apply(self, histories: csr_array) -> NDArray[np.float32]:
        """Scores of all items, ``(B, I)``."""
        histories = checked_histories(histories, self.n_items)
        if self.core_matrix is not None:
            return product(histories, self.core_matrix)
        before, after = self._scales
        left, right = self._low
        out = np.empty(histories.shape, np.float32)
        for start in range(0, histories.shape[0], COLUMNS):
            block = histories[start : start + COLUMNS]
            rows = block.toarray().astype(np.float32, copy=False)
            found = self._series(np.ascontiguousarray((rows * before).T)).T * after
            if self.vectors.shape[1]:
                profiles = product(block, left)  # (B, r)
                found += dot_rows(profiles, right, np.arange(len(profiles), dtype=np.int32))
            out[start : start + COLUMNS] = found
        return out

    def column(self, item: int) -> NDArray[np.float32]:
        """What every item gives to this one, ``(I,)``."""
        if self.n_items**2 <= WHOLE_UP_TO:
            return self._whole[:, item].copy()
        before, after = self._scales
        left, right = self._low
        unit = np.zeros((self.n_items, 1), np.float32)
        unit[item] = after[item]
        found: NDArray[np.float32] = self._series(unit)[:, 0] * before + left @ right[item]
        return found

    def to_tensors(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Vectors and numbers; the history is kept beside."""
        return {"vectors": torch.from_numpy(self.vectors)}, {
            "coefficients": list(self.coefficients),
            "exponent": self.exponent,
            "weight": self.weight,
            "vectors_exponent": self.vectors_exponent,
        }

    @classmethod
    def from_tensors(cls, tensors: Mapping[str, Tensor], meta: Mapping[str, Any], history: csr_array) -> Self:
        """Put it together again."""
        numbers = {name: meta[name] for name in ("coefficients", "exponent", "weight", "vectors_exponent")}
        return cls(history, vectors=tensors["vectors"].numpy(), **numbers)
