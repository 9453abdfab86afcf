"""An operator of few entries: votes of neighbours, a local ridge."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import torch
from scipy.sparse import csr_array

from magnet import core
from magnet.errors import DataError
from magnet.operators.base import arrays, checked_histories

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray
    from torch import Tensor

    from magnet.operators.base import Triple

__all__ = ["SparseOperator"]


@dataclass(frozen=True, eq=False)
class SparseOperator:
    """See :class:`~magnet.operators.base.Operator`.

    Attributes:
        weights: W, ``(I, I)``, float32; row j is what item j gives to others.

    Raises:
        DataError: If it is no square CSR matrix.
    """

    weights: csr_array

    def __post_init__(self) -> None:
        weights = self.weights
        if (
            getattr(weights, "format", None) != "csr"
            or weights.ndim != 2
            or weights.shape[0] != weights.shape[1]
        ):
            found = getattr(weights, "shape", type(weights).__name__)
            raise DataError(f"weights must be a square csr_array, got {found}")
        tidy = weights.astype(np.float32)
        tidy.sum_duplicates()
        tidy.eliminate_zeros()
        object.__setattr__(self, "weights", tidy)

    @property
    def n_items(self) -> int:
        """I."""
        return int(self.weights.shape[0])

    @property
    def sources(self) -> NDArray[np.bool_]:
        """Items that say something of others, ``(I,)``."""
        return np.diff(self.weights.indptr) > 0

    @property
    def targets(self) -> NDArray[np.bool_]:
        """Items of which something can be said, ``(I,)``."""
        return np.bincount(self.weights.indices, minlength=self.n_items) > 0

    def apply(self, histories: csr_array) -> NDArray[np.float32]:
        """Scores of all items, ``(B, I)``."""
        out = np.empty(checked_histories(histories, self.n_items).shape, np.float32)
        core.sparse_rows(*arrays(histories), *self.core_matrix, out)
        return out

    @cached_property
    def core_matrix(self) -> Triple:
        """W as the core takes it: row pointers, columns and values."""
        return arrays(self.weights)

    @cached_property
    def _columns(self) -> csr_array:
        return self.weights.T.tocsr()

    def column(self, item: int) -> NDArray[np.float32]:
        """What every item gives to this one, ``(I,)``."""
        columns = self._columns
        out = np.zeros(self.n_items, np.float32)
        entries = slice(columns.indptr[item], columns.indptr[item + 1])
        out[columns.indices[entries]] = columns.data[entries]
        return out

    def to_tensors(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """The three arrays of the matrix."""
        return {
            "indptr": torch.from_numpy(self.weights.indptr.astype(np.int64)),
            "indices": torch.from_numpy(self.weights.indices.astype(np.int32)),
            "values": torch.from_numpy(self.weights.data),
        }, {}

    @classmethod
    def from_tensors(cls, tensors: Mapping[str, Tensor], meta: Mapping[str, Any], history: csr_array) -> Self:
        """Put it together again."""
        del meta
        entries = (tensors["values"].numpy(), tensors["indices"].numpy(), tensors["indptr"].numpy())
        n_items = history.shape[1]
        return cls(csr_array(entries, shape=(n_items, n_items)))
