"""Propagation over a graph: sparse times dense, and the mean over layers, with gradients.

On the CPU the products run in Rust, on the caller's memory and with as many threads as torch has, unless a number was
set for Magnet. On any other device the same functions use torch.sparse.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import torch
from torch import Tensor

from magnet.errors import DataError
from magnet.nn.ops import sparse

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from scipy.sparse import csr_array

    from magnet.nn.ops.sparse import Arrays

__all__ = ["Graph", "multiply", "propagate_mean"]


@dataclass(frozen=True)
class Graph:
    """A sparse matrix with what its gradient needs: the transpose, itself where the matrix is symmetric.

    Attributes:
        n_rows: Rows of the matrix.
        n_cols: Columns of the matrix.
        forward: ``(indptr, indices, values)`` of the matrix: int32 or int64, int32, float32.
        backward: The same of its transpose; the very same tensors where the matrix is symmetric.
    """

    n_rows: int
    n_cols: int
    forward: Arrays
    backward: Arrays

    @classmethod
    def from_csr(cls, matrix: csr_array, symmetric: bool) -> Self:
        """Wrap a matrix, sharing its memory where it is writable and has the types named above.

        Args:
            matrix: ``(N, M)``; entries may stand in any order within a row.
            symmetric: Whether it equals its transpose. Not checked: a wrong ``True`` gives wrong gradients.

        Raises:
            DataError: If a matrix called symmetric is not square.
        """
        n_rows, n_cols = matrix.shape
        if symmetric and n_rows != n_cols:
            raise DataError(f"a symmetric graph must be square, got ({n_rows}, {n_cols})")
        forward = _tensors(matrix)
        return cls(n_rows, n_cols, forward, forward if symmetric else _tensors(matrix.T.tocsr()))

    @property
    def symmetric(self) -> bool:
        """Whether the gradient uses the matrix itself."""
        return self.forward[0] is self.backward[0]

    @property
    def transposed(self) -> Self:
        """The transpose, of the same arrays."""
        return type(self)(self.n_cols, self.n_rows, self.backward, self.forward)

    def to(self, device: torch.device | str) -> Self:
        """The graph on another device."""
        forward = _move(self.forward, device)
        backward = forward if self.symmetric else _move(self.backward, device)
        return type(self)(self.n_rows, self.n_cols, forward, backward)


def multiply(graph: Graph, x: Tensor) -> Tensor:
    """The product of the graph with ``x``, differentiable in ``x``.

    Every output is one chain of fused multiply-adds in the order of the row's entries: the same bits for any
    number of threads. The result is ``(N, D)``, or ``(P, N, D)``.

    Args:
        graph: ``(N, M)``.
        x: ``(M, D)``, or several such, ``(P, M, D)``, float32 on the CPU.

    Raises:
        DataError: If the shape or type does not fit.

    Example:
        >>> from scipy.sparse import csr_array
        >>> graph = Graph.from_csr(csr_array(np.array([[0, 2], [0, 0]], dtype=np.float32)), symmetric=False)
        >>> multiply(graph, torch.tensor([[1.0], [3.0]])).tolist()
        [[6.0], [0.0]]
    """
    _check(graph, x, planes=True)
    return sparse.spmm(graph.forward, graph.backward, x)


def propagate_mean(graph: Graph, x: Tensor, layers: int, *, storage: torch.dtype = torch.float32) -> Tensor:
    r"""The mean over propagation layers, :math:`\frac{1}{L+1}\sum_{l=0}^{L} A^l x`, as one operation.

    LightGCN's readout (He et al., SIGIR 2020), computed by Horner's form ``h ← x + A·h`` without a stack of
    layers.

    Args:
        graph: Square, ``(N, N)``.
        x: ``(N, D)``, float32 on the CPU.
        layers: L, at least 0.
        storage: ``torch.bfloat16`` rounds what each layer reads to half the bytes, for graphs whose rows do not fit
            the caches. It is off by some 5e-3 of an output's size, and never by more than
            :math:`((1 + 2^{-8})^L - 1) \cdot \frac{1}{L+1}\sum_l |A|^l |x|`; the gradient likewise.

    Returns:
        ``(N, D)``, float32.

    Raises:
        DataError: If the graph is not square, the shape or type does not fit, ``layers`` is negative, or ``storage``
            is neither float32 nor bfloat16.
    """
    _check(graph, x)
    if graph.n_rows != graph.n_cols:
        raise DataError(f"propagation needs a square graph, got ({graph.n_rows}, {graph.n_cols})")
    if layers < 0:
        raise DataError(f"the number of layers must be at least 0, got {layers}")
    if storage not in (torch.float32, torch.bfloat16):
        raise DataError(f"expected storage torch.float32 or torch.bfloat16, got {storage}")
    return sparse.spmm_mean(graph.forward, graph.backward, x, layers, storage == torch.bfloat16)


def _check(graph: Graph, x: Tensor, planes: bool = False) -> None:
    if not (x.ndim == 2 or (planes and x.ndim == 3)) or x.shape[-2] != graph.n_cols:
        raise DataError(f"expected x of shape ({graph.n_cols}, D), got {tuple(x.shape)}")
    if x.dtype != torch.float32:
        raise DataError(f"expected x in torch.float32, got {x.dtype}; convert it with x.float()")


def _tensors(matrix: csr_array) -> Arrays:
    indptr = matrix.indptr
    if indptr.dtype not in (np.int32, np.int64):
        indptr = indptr.astype(np.int64)
    return (
        _shared(indptr),
        _shared(matrix.indices.astype(np.int32, copy=False)),
        _shared(matrix.data.astype(np.float32, copy=False)),
    )


def _shared(array: NDArray[Any]) -> Tensor:
    # torch has no read-only tensors and warns of memory that must not be written.
    return torch.from_numpy(array if array.flags.writeable else array.copy())


def _move(arrays: Arrays, device: torch.device | str) -> Arrays:
    indptr, indices, values = arrays
    return indptr.to(device), indices.to(device), values.to(device)
