"""A polynomial of the item–item graph of shared users, applied hop by hop: nothing is decomposed."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from magnet.errors import DataError
from magnet.operators.base import checked_histories, product
from magnet.operators.walks import COLUMNS, WHOLE_UP_TO, item_degree, normalised_walks, power, whole

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray
    from scipy.sparse import csr_array
    from torch import Tensor

__all__ = ["FilterOperator"]


@dataclass(frozen=True, eq=False)
class FilterOperator:
    r"""``W = D_I^{-1/4} · p(P) · D_I^{β}`` with ``P = R̃ᵀR̃`` and ``R̃ = D_U^{-1/2} R D_I^{-1/2}``.

    p is a polynomial without a constant term. ``P^l`` walks l times from items over their users to items; ``2P − P²``
    reaches less far than one hop, since ``1 − (1 − σ)²`` passes the middle of the spectrum almost whole.
    See :class:`~magnet.operators.base.Operator`.

    Attributes:
        history: R, ``(U, I)``; only which entries there are counts.
        coefficients: Of P, P², P³ …, at least one.
        exponent: β; larger favours popular items.

    Raises:
        DataError: If there is no coefficient, or a number is not finite.
    """

    history: csr_array
    coefficients: Sequence[float]
    exponent: float

    def __post_init__(self) -> None:
        numbers = [*self.coefficients, self.exponent]
        if len(numbers) < 2 or not np.isfinite(numbers).all():
            raise DataError(
                f"a filter needs at least one coefficient and an exponent, all finite; got {numbers}"
            )
        object.__setattr__(self, "coefficients", tuple(map(float, self.coefficients)))

    @property
    def n_items(self) -> int:
        """I."""
        return int(self.history.shape[1])

    @cached_property
    def _scales(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        degree = item_degree(self.history)
        return power(degree, -0.25), power(degree, self.exponent)

    @cached_property
    def _walks(self) -> tuple[csr_array, csr_array]:
        """R̃ and its transpose."""
        return normalised_walks(self.history)

    @cached_property
    def _whole(self) -> NDArray[np.float32]:
        before, after = self._scales
        out = whole(self.n_items, self._polynomial)
        out *= before[:, None]
        out *= after
        return out

    def _polynomial(
        self, columns: NDArray[np.float32], at_users: NDArray[np.float32] | None = None
    ) -> NDArray[np.float32]:
        """``p(P) · columns``, by Horner's rule: ``P(c₁ x + P(c₂ x + …))``; ``at_users`` is room for ``(U, d)``."""
        forth, back = self._walks
        *first, last = self.coefficients
        h = columns * np.float32(last)
        h = product(back, product(forth, h, at_users), h)
        for coefficient in reversed(first):
            if coefficient:
                h += columns * np.float32(coefficient)
            h = product(back, product(forth, h, at_users), h)
        return h

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
        out = np.empty(histories.shape, np.float32)
        room = np.empty(self.history.shape[0] * COLUMNS, np.float32)
        for start in range(0, histories.shape[0], COLUMNS):
            rows = histories[start : start + COLUMNS].toarray().astype(np.float32, copy=False)
            at_users = room[: self.history.shape[0] * len(rows)].reshape(-1, len(rows))
            columns = np.ascontiguousarray((rows * before).T)
            out[start : start + COLUMNS] = self._polynomial(columns, at_users).T
        out *= after
        return out

    def column(self, item: int) -> NDArray[np.float32]:
        """What every item gives to this one, ``(I,)``."""
        if self.n_items**2 <= WHOLE_UP_TO:
            return self._whole[:, item].copy()
        before, after = self._scales
        unit = np.zeros((self.n_items, 1), np.float32)
        unit[item] = after[item]
        return self._polynomial(unit)[:, 0] * before

    def to_tensors(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Coefficients and exponent; the history is kept beside."""
        return {}, {"coefficients": list(self.coefficients), "exponent": self.exponent}

    @classmethod
    def from_tensors(cls, tensors: Mapping[str, Tensor], meta: Mapping[str, Any], history: csr_array) -> Self:
        """Put it together again."""
        del tensors
        return cls(history, meta["coefficients"], meta["exponent"])
