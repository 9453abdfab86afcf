"""An operator that is kept as a whole matrix."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import torch

from magnet.errors import DataError
from magnet.operators.base import checked_histories, product

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray
    from scipy.sparse import csr_array
    from torch import Tensor

__all__ = ["DenseOperator"]


@dataclass(frozen=True, eq=False)
class DenseOperator:
    """See :class:`~magnet.operators.base.Operator`.

    Attributes:
        weights: W, ``(I, I)``, float32; stored in C order.

    Raises:
        DataError: If it is not square or not float32.
    """

    weights: NDArray[np.float32]

    def __post_init__(self) -> None:
        shape, kind = self.weights.shape, self.weights.dtype
        if len(shape) != 2 or shape[0] != shape[1] or kind != np.float32:
            raise DataError(f"weights must be a square matrix in float32, got {shape} in {kind}")
        object.__setattr__(self, "weights", np.ascontiguousarray(self.weights))

    @property
    def n_items(self) -> int:
        """I."""
        return len(self.weights)

    @property
    def sources(self) -> NDArray[np.bool_]:
        """Items that say something of others, ``(I,)``."""
        found: NDArray[np.bool_] = np.any(self.weights, axis=1)
        return found

    @property
    def targets(self) -> NDArray[np.bool_]:
        """Items of which something can be said, ``(I,)``."""
        found: NDArray[np.bool_] = np.any(self.weights, axis=0)
        return found

    @property
    def core_matrix(self) -> NDArray[np.float32]:
        """W as the core takes it."""
        return self.weights

    def apply(self, histories: csr_array) -> NDArray[np.float32]:
        """Scores of all items, ``(B, I)``."""
        return product(checked_histories(histories, self.n_items), self.weights)

    def column(self, item: int) -> NDArray[np.float32]:
        """What every item gives to this one, ``(I,)``."""
        return self.weights[:, item].copy()

    def to_tensors(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """The matrix."""
        return {"weights": torch.from_numpy(self.weights)}, {}

    @classmethod
    def from_tensors(cls, tensors: Mapping[str, Tensor], meta: Mapping[str, Any], history: csr_array) -> Self:
        """Put it together again."""
        del meta, history
        return cls(tensors["weights"].numpy())
