"""An operator over more items than it was made of: new ones stand for the mean of those they are like."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import torch
from scipy.sparse import csr_array, hstack

from magnet.errors import DataError
from magnet.operators.base import checked_histories

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray
    from torch import Tensor

    from magnet.operators.base import Operator

__all__ = ["GrownOperator", "grown_history"]


@dataclass(frozen=True, eq=False)
class GrownOperator:
    r"""See :class:`~magnet.operators.base.Operator`; :math:`\begin{pmatrix} 1 \\ M \end{pmatrix} W (1 \; M^T)`.

    Attributes:
        operator: W, over the items it was made of, ``(I, I)``.
        means: M, what each new item is made of, ``(n, I)``, float32; rows sum to 1, or are empty.

    Raises:
        DataError: If they do not fit.
    """

    operator: Operator
    means: csr_array

    def __post_init__(self) -> None:
        if self.means.ndim != 2 or self.means.shape[1] != self.operator.n_items:
            raise DataError(f"means must be (…, {self.operator.n_items}), got {self.means.shape}")

    @property
    def n_items(self) -> int:
        """I and the new ones."""
        return int(self.operator.n_items + self.means.shape[0])

    @property
    def sources(self) -> NDArray[np.bool_]:
        """Items that say something of others."""
        return self._grown(self.operator.sources)

    @property
    def targets(self) -> NDArray[np.bool_]:
        """Items of which something can be said."""
        return self._grown(self.operator.targets)

    def _grown(self, known: NDArray[np.bool_]) -> NDArray[np.bool_]:
        return np.concatenate([known, self.means @ known.astype(np.float32) > 0])

    def apply(self, histories: csr_array) -> NDArray[np.float32]:
        """Scores of all items, ``(B, I + n)``."""
        histories = checked_histories(histories, self.n_items)
        old = self.operator.n_items
        known = csr_array(histories[:, :old] + histories[:, old:] @ self.means)
        known.sort_indices()
        known.indices, known.indptr = known.indices.astype(np.int32), known.indptr.astype(np.int32)
        scores = self.operator.apply(known.astype(np.float32))
        return np.ascontiguousarray(np.hstack([scores, (self.means @ scores.T).T]), dtype=np.float32)

    def column(self, item: int) -> NDArray[np.float32]:
        """What every item gives to this one, ``(I + n,)``."""
        old = self.operator.n_items
        if item < old:
            own = self.operator.column(item)
        else:
            row = slice(self.means.indptr[item - old], self.means.indptr[item - old + 1])
            parts = zip(self.means.indices[row], self.means.data[row], strict=True)
            own = np.zeros(old, np.float32)
            for near, weight in parts:
                own = own + weight * self.operator.column(int(near))
        return np.concatenate([own, self.means @ own]).astype(np.float32)

    def to_tensors(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """The operator's own, and the arrays of the means."""
        from magnet.operators.kinds import operator_to_tensors

        inner, meta = operator_to_tensors(self.operator)
        return {
            **{f"inner/{name}": tensor for name, tensor in inner.items()},
            "means.indptr": torch.from_numpy(self.means.indptr.astype(np.int64)),
            "means.indices": torch.from_numpy(self.means.indices.astype(np.int32)),
            "means.values": torch.from_numpy(self.means.data.astype(np.float32)),
        }, {"inner": meta}

    @classmethod
    def from_tensors(cls, tensors: Mapping[str, Tensor], meta: Mapping[str, Any], history: csr_array) -> Self:
        """Put it together again."""
        from magnet.operators.kinds import operator_from_tensors

        arrays = (tensors[f"means.{part}"].numpy() for part in ("values", "indices", "indptr"))
        n_new = len(tensors["means.indptr"]) - 1
        old = history.shape[1] - n_new
        inner = {name.removeprefix("inner/"): t for name, t in tensors.items() if name.startswith("inner/")}
        operator = operator_from_tensors(inner, meta["inner"], history[:, :old])
        return cls(operator, csr_array(tuple(arrays), shape=(n_new, old)))


def grown_history(history: csr_array, n_new: int) -> csr_array:
    """A history with as many columns more, which nobody took."""
    empty = csr_array((history.shape[0], n_new), dtype=history.dtype)
    wide = csr_array(hstack([history, empty]))
    wide.indices, wide.indptr = wide.indices.astype(np.int32), wide.indptr.astype(np.int32)
    return wide
