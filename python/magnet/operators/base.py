"""What every item–item operator does, and the sparse product that most of them are made of."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from magnet import core
from magnet.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray
    from scipy.sparse import csr_array
    from torch import Tensor

    Triple = tuple[NDArray[Any], NDArray[np.int32], NDArray[np.float32]]

__all__ = ["Operator", "arrays", "checked_histories", "dot_rows", "product"]


class Operator(Protocol):
    """A matrix W, ``(I, I)``, that need not exist as one: ``W_ji`` is what item j of a history adds to item i.

    A user's scores are ``Σ_j h_j W_ji``, linear in the history h. So the part that each item of a history had in a
    score is known exactly, and whoever has a history has scores, whether a model was trained with it or not.

    An operator that keeps W may hand it to the core, which then ranks without :meth:`apply`. Its attribute
    ``core_matrix`` is what :func:`arrays` makes of W, where ``apply`` multiplies by ``core.sparse_rows``, or W whole,
    ``(I, I)`` float32 in C order, where it multiplies by :func:`product`. Where it is None or missing, rows come from
    ``apply``.
    """

    @property
    def n_items(self) -> int:
        """I."""

    @property
    def sources(self) -> NDArray[np.bool_]:
        """Items that say something of others, ``(I,)``: a history without any of them leaves all scores at 0."""

    @property
    def targets(self) -> NDArray[np.bool_]:
        """Items of which something can be said, ``(I,)``; the score of all others is always 0."""

    def apply(self, histories: csr_array) -> NDArray[np.float32]:
        """Scores of all items, ``(B, I)`` float32, for histories ``(B, I)``.

        A row depends on its history alone: to the bit, it is the same in any batch and for any number of threads.
        """

    def column(self, item: int) -> NDArray[np.float32]:
        """``W_ji`` for every j, ``(I,)`` float32."""

    def to_tensors(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Tensors by name and JSON-compatible data, for a run folder."""

    @classmethod
    def from_tensors(
        cls, tensors: Mapping[str, Tensor], meta: Mapping[str, Any], history: csr_array
    ) -> Operator:
        """Put it together again; ``history``, ``(U, I)``, is what the operator was made from."""


def checked_histories(histories: csr_array, n_items: int) -> csr_array:
    """The histories, if they are a CSR matrix of that many items.

    Raises:
        DataError: If they are not.
    """
    if getattr(histories, "format", None) != "csr" or histories.ndim != 2 or histories.shape[1] != n_items:
        found = getattr(histories, "shape", type(histories).__name__)
        raise DataError(f"histories must be a csr_array of {n_items} columns, one for each item; got {found}")
    return histories


def arrays(matrix: csr_array) -> Triple:
    """Row pointers, columns and values, as the core takes them."""
    return (
        matrix.indptr,
        matrix.indices.astype(np.int32, copy=False),
        matrix.data.astype(np.float32, copy=False),
    )


def product(
    matrix: csr_array, dense: NDArray[np.float32], out: NDArray[np.float32] | None = None
) -> NDArray[np.float32]:
    """``matrix @ dense`` in the core: a row of the result depends on that row of the matrix alone.

    Args:
        matrix: ``(B, I)``.
        dense: ``(I, d)``.
        out: Where to write it; a new array if not given. Fresh memory costs more than a small product.
    """
    if out is None:
        out = np.empty((matrix.shape[0], dense.shape[1]), np.float32)
    core.spmm(*arrays(matrix), dense, out)
    return out


def dot_rows(
    users: NDArray[np.float32], items: NDArray[np.float32], rows: NDArray[np.int32]
) -> NDArray[np.float32]:
    """Inner products of some users with every item, ``(B, I)``, for tables ``(U, d)`` and ``(I, d)``."""
    out = np.empty((len(rows), len(items)), np.float32)
    core.dot_rows(users, items, np.ascontiguousarray(rows, dtype=np.int32), out)
    return out
