"""Rows of a table by index, with a gradient that is the same in every run."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from magnet.nn.ops.buffers import empty

__all__ = ["distinct", "gather_cues", "take_rows"]


def take_rows(table: Tensor, index: Tensor) -> Tensor:
    """``table[index]``, whose gradient sums repeated rows in a fixed order.

    The gradient of plain indexing adds with atomics on several threads, in an order that differs between runs: two
    runs with the same seed would differ after a few steps. It is also slower.

    Args:
        table: ``(N, ...)``.
        index: ``(B,)``, int64.

    Returns:
        ``(B, ...)``.
    """
    return F.embedding(index, table.flatten(1)).reshape(len(index), *table.shape[1:])


def distinct(ids: Tensor, n: int) -> tuple[Tensor, Tensor]:
    """The ids that occur, ascending, and the place of each of ``ids`` among them.

    Args:
        ids: ``(B,)``, int64, from 0 to ``n``; a table of ``n`` flags is faster than the sort of
            :func:`torch.unique`.
        n: How many ids there are.

    Returns:
        ``(P,)`` and ``(B,)``, int64.

    Example:
        >>> distinct(torch.tensor([4, 1, 4]), 5)
        (tensor([1, 4]), tensor([1, 0, 1]))
    """
    occurs = torch.zeros(n, dtype=torch.bool, device=ids.device)
    occurs[ids] = True
    return occurs.nonzero().flatten(), (occurs.cumsum(0) - 1)[ids]


def gather_cues(z: Tensor, profile: Tensor, smoothed: Tensor, rows: Tensor, ids: Tensor) -> Tensor:
    """Cues of B users and after them of n distinct items, behaviour first, each written once.

    Args:
        z: Behaviour of users and items, ``(U + I, D)``.
        profile: Content cues of the users, ``(M, B, D)``.
        smoothed: Content cues of all items, ``(M, I, D)``.
        rows: Rows of ``z``, ``(B + n,)``.
        ids: The n items, none of them twice.

    Returns:
        ``(1 + M, B + n, D)``.
    """
    cues: Tensor = _GatherCues.apply(z, profile, smoothed, rows, ids)
    return cues


class _GatherCues(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, z: Tensor, profile: Tensor, smoothed: Tensor, rows: Tensor, ids: Tensor) -> Tensor:
        n_modalities, n_users, dim = profile.shape
        cues = empty((1 + n_modalities, len(rows), dim), z.device)
        torch.index_select(z, 0, rows, out=cues[0])
        cues[1:, :n_users] = profile
        for out, table in zip(cues[1:, n_users:], smoothed, strict=True):
            torch.index_select(table, 0, ids, out=out)
        ctx.save_for_backward(rows, ids)
        ctx.sizes = len(z), n_users, smoothed.shape[1]
        return cues

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, Tensor, Tensor, None, None]:
        rows, ids = ctx.saved_tensors
        n_rows, n_users, n_items = ctx.sizes
        behaviour, content = grads[0][0], grads[0][1:]
        grad_z = None
        if ctx.needs_input_grad[0]:
            grad_z = torch.ops.aten.embedding_dense_backward(behaviour, rows, n_rows, -1, False)
        grad_smoothed = content.new_zeros((len(content), n_items, content.shape[2]))
        for out, gradient in zip(grad_smoothed, content[:, n_users:], strict=True):
            out.index_copy_(0, ids, gradient)
        return grad_z, content[:, :n_users], grad_smoothed, None, None
