"""Products with a sparse matrix as torch's operators, with gradients.

Two ways lead to the same functions. torch.compile, other devices and subclasses of tensors need an operator that the
dispatcher knows; plain tensors on the CPU take an autograd function, because on a small graph the dispatcher
adds a tenth to the time of the product itself.
"""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any, TypeAlias

import torch
from torch import Tensor
from torch.nn import Parameter

from magnet import core
from magnet.nn.ops.buffers import empty

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    from numpy.typing import NDArray

__all__ = ["spmm", "spmm_mean"]

# indptr, indices and values.
Arrays: TypeAlias = tuple[Tensor, Tensor, Tensor]


def spmm(forward: Arrays, backward: Arrays, x: Tensor) -> Tensor:
    """The product of a matrix with ``x``; ``backward`` is the transpose. See `magnet.nn.propagate.multiply`."""
    result: Tensor = (
        _Plain.apply(x, _multiply, forward, backward)
        if _is_plain(x)
        else _spmm_operator(*forward, *backward, x)
    )
    return result


def spmm_mean(forward: Arrays, backward: Arrays, x: Tensor, layers: int, half: bool) -> Tensor:
    """The mean over layers; ``backward`` is the transpose. See `magnet.nn.propagate.propagate_mean`."""
    result: Tensor = (
        _Plain.apply(x, _mean, forward, backward, layers, half)
        if _is_plain(x)
        else _mean_operator(*forward, *backward, x, layers, half)
    )
    return result


def _is_plain(x: Tensor) -> bool:
    return type(x) in (Tensor, Parameter) and x.device.type == "cpu" and not torch.compiler.is_compiling()


class _Plain(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, x: Tensor, kernel: Callable[..., Tensor], forward: Arrays, backward: Arrays, *rest: Any
    ) -> Tensor:
        ctx.given = kernel, backward, forward, *rest
        return kernel(*forward, x, *rest)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        return _Plain.apply(grad, *ctx.given), *(None,) * len(ctx.given)


def _multiply(indptr: Tensor, indices: Tensor, values: Tensor, x: Tensor) -> Tensor:
    out = empty((*x.shape[:-2], indptr.shape[0] - 1, x.shape[-1]))
    x = x.detach().contiguous()
    for operand, own in zip(x, out, strict=True) if x.ndim == 3 else [(x, out)]:
        core.spmm(*_arrays(indptr, indices, values), operand.numpy(), own.numpy())
    return out


def _mean(indptr: Tensor, indices: Tensor, values: Tensor, x: Tensor, layers: int, half: bool) -> Tensor:
    out = empty(x.shape)
    operand = x.detach().contiguous().numpy()
    core.propagate_mean(*_arrays(indptr, indices, values), operand, layers, half, out.numpy())
    return out


@torch.library.custom_op("magnet::spmm", mutates_args=())
def _spmm_operator(
    indptr: Tensor,
    indices: Tensor,
    values: Tensor,
    t_indptr: Tensor,
    t_indices: Tensor,
    t_values: Tensor,
    x: Tensor,
) -> Tensor:
    by = _multiply if x.device.type == "cpu" else _multiply_by_torch
    return by(indptr, indices, values, x)


@_spmm_operator.register_fake
def _(
    indptr: Tensor,
    indices: Tensor,
    values: Tensor,
    t_indptr: Tensor,
    t_indices: Tensor,
    t_values: Tensor,
    x: Tensor,
) -> Tensor:
    return x.new_empty((*x.shape[:-2], indptr.shape[0] - 1, x.shape[-1]))


@torch.library.custom_op("magnet::propagate_mean", mutates_args=())
def _mean_operator(
    indptr: Tensor,
    indices: Tensor,
    values: Tensor,
    t_indptr: Tensor,
    t_indices: Tensor,
    t_values: Tensor,
    x: Tensor,
    layers: int,
    half: bool,
) -> Tensor:
    by = _mean if x.device.type == "cpu" else _mean_by_torch
    return by(indptr, indices, values, x, layers, half)


@_mean_operator.register_fake
def _(
    indptr: Tensor,
    indices: Tensor,
    values: Tensor,
    t_indptr: Tensor,
    t_indices: Tensor,
    t_values: Tensor,
    x: Tensor,
    layers: int,
    half: bool,
) -> Tensor:
    return x.new_empty(x.shape)


def _keep_graph(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
    ctx.save_for_backward(*inputs[:6])
    ctx.rest = inputs[7:]


def _spmm_backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
    graph = ctx.saved_tensors
    return (None,) * 6 + (_spmm_operator(*graph[3:], *graph[:3], grad),)


def _mean_backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
    graph = ctx.saved_tensors
    return (*(None,) * 6, _mean_operator(*graph[3:], *graph[:3], grad, *ctx.rest), None, None)


_spmm_operator.register_autograd(_spmm_backward, setup_context=_keep_graph)
_mean_operator.register_autograd(_mean_backward, setup_context=_keep_graph)


def _multiply_by_torch(indptr: Tensor, indices: Tensor, values: Tensor, x: Tensor) -> Tensor:
    sparse = _sparse(indptr, indices, values, x)
    return torch.mm(sparse, x) if x.ndim == 2 else torch.stack([torch.mm(sparse, plane) for plane in x])


def _mean_by_torch(
    indptr: Tensor, indices: Tensor, values: Tensor, x: Tensor, layers: int, half: bool
) -> Tensor:
    matrix = _sparse(indptr, indices, values, x)
    h = x
    for _ in range(layers):
        h = x + torch.mm(matrix, h.bfloat16().float() if half else h)
    return h / (layers + 1)


def _sparse(indptr: Tensor, indices: Tensor, values: Tensor, x: Tensor) -> Tensor:
    size = (indptr.shape[0] - 1, x.shape[-2])
    with warnings.catch_warnings():
        # torch warns once in every process that these tensors are in beta; only their products are used here.
        warnings.filterwarnings("ignore", "Sparse CSR tensor support")
        return torch.sparse_csr_tensor(
            indptr.to(indices.dtype), indices, values, size=size, check_invariants=False
        )


def _arrays(
    indptr: Tensor, indices: Tensor, values: Tensor
) -> tuple[NDArray[Any], NDArray[np.int32], NDArray[np.float32]]:
    return indptr.numpy(), indices.numpy(), values.detach().numpy()
