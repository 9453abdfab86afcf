"""Products of experts that are weighted sums of a few parts, without the sums themselves.

``⟨Σ_k a_k x_k, Σ_l b_l y_l⟩ = Σ_kl a_k b_l ⟨x_k, y_l⟩``: all experts of a user and an item share the products of their
parts. A vector for each expert would be written, read, scaled and differentiated at the speed of memory.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from magnet import _core
from magnet.nn.ops.buffers import empty
from magnet.nn.ops.dropout import drop
from magnet.nn.ops.gather import take_rows
from magnet.runtime import follow_torch

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = [
    "LANES",
    "expert_products",
    "paired_logits",
    "paired_products",
    "parts_of",
    "project",
    "unit_shares",
]

# Numbers of experts stand in vectors of so many.
LANES = 16

# Squared lengths below this are rounding: the parts are of about unit length, and their products in float32.
SHORTEST = 1e-6


def parts_of(cues: Tensor, explained: Tensor, *, p: float, seed: int) -> Tensor:
    """Cues after dropout, and what each of them explains of the others.

    Args:
        cues: ``(C, n, D)``, float32.
        explained: ``(C, D, D)``; has no gradient.
        p: The share of numbers that are dropped.
        seed: Of dropout.

    Returns:
        ``(2C, n, D)``.
    """
    parts: Tensor = _Parts.apply(cues, explained, p, seed)
    return parts


def project(cues: Tensor, matrices: Tensor) -> Tensor:
    """The product of each cue, ``(C, n, D)``, with its own matrix, ``(C, D, D)``."""
    rows: Tensor = _Project.apply(cues, matrices)
    return rows


def unit_shares(parts: Tensor, coefficients: Tensor, which: Tensor) -> Tensor:
    """Coefficients divided by the length of the sum that they make.

    Args:
        parts: ``(K, n, D)``, float32.
        coefficients: Of each pattern of rows, ``(P, K, S)``: of each part, what the experts take of it side by side.
        which: The pattern of each row, ``(n,)``, int64.

    Returns:
        ``(n, K, S)``. Sums shorter than a thousandth are divided by that.
    """
    if parts.device.type != "cpu":
        shares, rows = take_rows(coefficients, which), parts.transpose(0, 1)
        squares = (torch.bmm(torch.bmm(rows, rows.transpose(1, 2)), shares) * shares).sum(1)
        return shares / squares.clamp(min=SHORTEST).sqrt()[:, None]
    result: Tensor = _UnitShares.apply(parts, coefficients, which)
    return result


def expert_products(
    parts: Tensor, coefficients: Tensor, which: Tensor, items: Tensor, n_experts: int, *, unit: bool
) -> Tensor:
    """Products of the experts' sums of users and items, for given pairs.

    Args:
        parts: ``(K, B + n, D)``, float32: of B users and after them of n items.
        coefficients: As :func:`unit_shares` takes them, ``(P, K, S)``; on the CPU, S is the next multiple of
            :data:`LANES` from the number of experts on.
        which: The pattern of each row, ``(B + n,)``, int64.
        items: The items that each user is paired with, from 0: ``(B, P)``, int64.
        n_experts: E.
        unit: Whether the sums are divided by their lengths.

    Returns:
        ``(B, P, E)``.
    """
    n_users, n_pairs = items.shape
    if parts.device.type != "cpu":
        shares = unit_shares(parts, coefficients, which) if unit else take_rows(coefficients, which)
        towers = torch.bmm(shares[..., :n_experts].transpose(1, 2), parts.transpose(0, 1))  # (B + n, E, D)
        return paired_products(towers[:n_users], towers[n_users:], items)
    found: Tensor = _Products.apply(parts, coefficients, which, items, n_experts, unit)
    return found.view(n_users, n_pairs, -1)


def paired_products(users: Tensor, items: Tensor, pairs: Tensor) -> Tensor:
    """The same of sums that are written out.

    Args:
        users: ``(B, E, D)``.
        items: ``(n, E, D)``.
        pairs: The items that each user is paired with, ``(B, P)``.

    Returns:
        ``(B, P, E)``.
    """
    taken = take_rows(items, pairs.flatten()).view(*pairs.shape, *items.shape[1:])
    products: Tensor = (users[:, None] * taken).sum(-1)
    return products


def paired_logits(users: Tensor, items: Tensor, pairs: Tensor, n_experts: int) -> Tensor:
    """A bilinear router's logits ``⟨q_ue, k_ie⟩ + a_ue + b_ie`` of given pairs.

    Args:
        users: Of each user a vector for each expert and after them a bias for each, ``(B, E · R + E)``, float32.
        items: The same of n items.
        pairs: The items that each user is paired with, ``(B, P)``, int64.
        n_experts: E.

    Returns:
        ``(B, P, E)``.
    """
    if users.device.type != "cpu":
        q, k = users[:, None], take_rows(items, pairs.flatten()).view(*pairs.shape, -1)
        products = (q[..., :-n_experts] * k[..., :-n_experts]).view(*pairs.shape, n_experts, -1)
        return products.sum(-1) + q[..., -n_experts:] + k[..., -n_experts:]
    logits: Tensor = _PairedLogits.apply(users, items, pairs, n_experts)
    return logits.view(*pairs.shape, n_experts)


class _Parts(torch.autograd.Function):
    """Both halves are written where they will be read: joining them afterwards would be a pass of its own."""

    @staticmethod
    def forward(ctx: Any, cues: Tensor, explained: Tensor, p: float, seed: int) -> Tensor:
        n = len(cues)
        parts = empty((2 * n, *cues.shape[1:]), cues.device)
        drop(cues, p, seed, out=parts[:n])
        _multiply_each(parts[:n], explained, parts[n:])
        ctx.save_for_backward(explained)
        ctx.drawn = p, seed
        return parts

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None, None, None]:
        (explained,) = ctx.saved_tensors
        n = len(explained)
        slope = empty(grads[0][:n].shape, explained.device)
        for own, own_too, matrix, out in zip(grads[0][:n], grads[0][n:], explained, slope, strict=True):
            torch.addmm(own, own_too, matrix.T, out=out)
        return drop(slope, *ctx.drawn), None, None, None


class _Project(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, cues: Tensor, matrices: Tensor) -> Tensor:
        ctx.save_for_backward(cues, matrices)
        return _multiply_each(cues, matrices, empty(cues.shape, cues.device))

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, Tensor]:
        cues, matrices = ctx.saved_tensors
        of_cues = None
        if ctx.needs_input_grad[0]:
            of_cues = _multiply_each(grads[0], matrices.transpose(1, 2), empty(cues.shape, cues.device))
        return of_cues, _multiply_each(cues.transpose(1, 2), grads[0], torch.empty_like(matrices))


def _multiply_each(a: Tensor, b: Tensor, out: Tensor) -> Tensor:
    """A batch of products one by one: each on all threads, where torch.bmm leaves a thread idle if they are odd."""
    for x, y, own in zip(a, b, out, strict=True):
        torch.mm(x, y, out=own)
    return out


class _UnitShares(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, parts: Tensor, coefficients: Tensor, which: Tensor) -> Tensor:
        parts, coefficients = parts.contiguous(), coefficients.contiguous()
        shares, grams = _shares(parts, coefficients, which)
        ctx.save_for_backward(parts, coefficients, which, grams)
        return shares

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, Tensor, None]:
        parts, coefficients, which, grams = ctx.saved_tensors
        of_parts = torch.zeros_like(parts)
        return of_parts, _add_shares_gradient(parts, coefficients, which, grams, grads[0], of_parts), None


class _Products(torch.autograd.Function):
    """Shares and products in one: both add to one gradient of the parts, which is larger than all else."""

    @staticmethod
    def forward(
        ctx: Any,
        parts: Tensor,
        coefficients: Tensor,
        which: Tensor,
        items: Tensor,
        n_experts: int,
        unit: bool,
    ) -> Tensor:
        parts, coefficients, items = parts.contiguous(), coefficients.contiguous(), items.contiguous()
        shares, grams = _shares(parts, coefficients, which) if unit else (coefficients[which], None)
        out = torch.empty(items.numel(), n_experts)
        of_pairs = empty((items.numel(), len(parts), len(parts)))
        _core.expert_products(_array(parts), _array(shares), items.numpy(), _array(out), _array(of_pairs))
        ctx.save_for_backward(parts, coefficients, which, grams, shares, items, of_pairs)
        return out

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, Tensor, None, None, None, None]:
        parts, coefficients, which, grams, shares, items, of_pairs = ctx.saved_tensors
        follow_torch()
        of_parts, of_shares = empty(parts.shape), empty(shares.shape)
        arrays = map(_array, (of_pairs, grads[0].contiguous(), of_parts, of_shares))
        _core.expert_products_gradient(_array(parts), _array(shares), items.numpy(), *arrays)
        if grams is None:
            flat = of_shares.flatten(1)
            of_coefficients = torch.ops.aten.embedding_dense_backward(
                flat, which, len(coefficients), -1, False
            )
            of_coefficients = of_coefficients.view_as(coefficients)
        else:
            of_coefficients = _add_shares_gradient(parts, coefficients, which, grams, of_shares, of_parts)
        return of_parts, of_coefficients, None, None, None, None


class _PairedLogits(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, users: Tensor, items: Tensor, pairs: Tensor, n_experts: int) -> Tensor:
        follow_torch()
        users, items, pairs = users.contiguous(), items.contiguous(), pairs.contiguous()
        out = torch.empty(pairs.numel(), n_experts)
        _core.pair_logits(_array(users), _array(items), pairs.numpy(), _array(out))
        ctx.save_for_backward(users, items, pairs)
        return out

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, Tensor, None, None]:
        users, items, pairs = ctx.saved_tensors
        follow_torch()
        of_users, of_items = empty(users.shape), empty(items.shape)
        gradients = map(_array, (grads[0].contiguous(), of_users, of_items))
        _core.pair_logits_gradient(_array(users), _array(items), pairs.numpy(), *gradients)
        return of_users, of_items, None, None


def _shares(parts: Tensor, coefficients: Tensor, which: Tensor) -> tuple[Tensor, Tensor]:
    """Shares, and products of the parts of each row."""
    follow_torch()
    shares = empty((len(which), *coefficients.shape[1:]))
    grams = empty((len(which), len(parts), len(parts)))
    inputs = (_array(parts), _array(coefficients), which.numpy())
    _core.unit_shares(*inputs, SHORTEST, _array(shares), _array(grams))
    return shares, grams


def _add_shares_gradient(
    parts: Tensor, coefficients: Tensor, which: Tensor, grams: Tensor, gradient: Tensor, of_parts: Tensor
) -> Tensor:
    """Adds the gradient of the parts to ``of_parts``, and returns that of the coefficients."""
    follow_torch()
    of_coefficients = torch.empty_like(coefficients)
    arrays = map(_array, (grams, gradient.contiguous(), of_parts, of_coefficients))
    _core.unit_shares_gradient(_array(parts), _array(coefficients), which.numpy(), SHORTEST, *arrays)
    return of_coefficients


def _array(tensor: Tensor) -> NDArray[np.float32]:
    array: NDArray[np.float32] = tensor.detach().numpy()
    return array
