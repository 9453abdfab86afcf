"""An operator of low rank: two tables of vectors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import torch

from magnet.errors import DataError
from magnet.operators.base import checked_histories, dot_rows, product

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray
    from scipy.sparse import csr_array
    from torch import Tensor

__all__ = ["FactorOperator"]


@dataclass(frozen=True, eq=False)
class FactorOperator:
    """``W = left · rightᵀ``; see :class:`~magnet.operators.base.Operator`.

    Attributes:
        left: What an item of a history brings, ``(I, d)``, float32.
        right: What it meets in every item, ``(I, d)``, float32.

    Raises:
        DataError: If the shapes differ or a type is another.
    """

    left: NDArray[np.float32]
    right: NDArray[np.float32]

    def __post_init__(self) -> None:
        for name in ("left", "right"):
            array = getattr(self, name)
            if array.ndim != 2 or array.dtype != np.float32 or array.shape != self.left.shape:
                raise DataError(
                    f"{name} must be (items, width) in float32, alike on both sides; "
                    f"got {array.shape} in {array.dtype}"
                )
            object.__setattr__(self, name, np.ascontiguousarray(array))

    @property
    def n_items(self) -> int:
        """I."""
        return len(self.left)

    @property
    def sources(self) -> NDArray[np.bool_]:
        """Items that say something of others, ``(I,)``."""
        found: NDArray[np.bool_] = np.any(self.left, axis=1)
        return found

    @property
    def targets(self) -> NDArray[np.bool_]:
        """Items of which something can be said, ``(I,)``."""
        found: NDArray[np.bool_] = np.any(self.right, axis=1)
        return found

    def apply(self, histories: csr_array) -> NDArray[np.float32]:
        """Scores of all items, ``(B, I)``."""
        profiles = product(checked_histories(histories, self.n_items), self.left)  # (B, d)
        return dot_rows(profiles, self.right, np.arange(len(profiles), dtype=np.int32))

    def column(self, item: int) -> NDArray[np.float32]:
        """What every item gives to this one, ``(I,)``."""
        found: NDArray[np.float32] = self.left @ self.right[item]
        return found

    def to_tensors(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Both tables; one, where they are the same."""
        tensors = {"left": torch.from_numpy(self.left)}
        return tensors | ({} if self.right is self.left else {"right": torch.from_numpy(self.right)}), {}

    @classmethod
    def from_tensors(cls, tensors: Mapping[str, Tensor], meta: Mapping[str, Any], history: csr_array) -> Self:
        """Put it together again."""
        del meta, history
        left = tensors["left"].numpy()
        return cls(left, tensors["right"].numpy() if "right" in tensors else left)
