"""Products of experts that are weighted sums of a few components, without the sums themselves.

``⟨Σ_k a_k x_k, Σ_l b_l y_l⟩ = Σ_kl a_k b_l ⟨x_k, y_l⟩``: all experts of a user and an item share the products of their
components. A vector for each expert would be written, read, scaled and differentiated at the speed of memory.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F
from torch import Tensor

from magnet import core
from magnet.nn.ops.buffers import empty
from magnet.nn.ops.dropout import draw_seed, drop
from magnet.nn.ops.gather import take_rows

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = [
    "LANES",
    "components_of",
    "expert_products",
    "paired_logits",
    "paired_products",
    "project",
    "unit_shares",
]

# Expert counts are padded to a multiple of this.
LANES = 16

# Squared lengths below this are rounding: the components are of about unit length, and their products in float32.
SHORTEST = 1e-6


def components_of(cues: Tensor, explained: Tensor, *, p: float, seed: int | None = None) -> Tensor:
    """Cues after dropout, and what each of them explains of the others.

    Args:
        cues: ``(C, n, D)``, float32.
        explained: ``(C, D, D)``; has no gradient.
        p: The share of numbers that are dropped.
        seed: Of dropout on the CPU, drawn from torch's generator where not given. Another device draws from its own
            generator.

    Returns:
        ``(2C, n, D)``.
    """
    if cues.device.type != "cpu":
        kept = F.dropout(cues, p) if p else cues
        return torch.cat([kept, torch.bmm(kept, explained)])
    if p and seed is None:
        seed = draw_seed()
    components: Tensor = _Components.apply(cues, explained, p, seed or 0)
    return components


def project(cues: Tensor, matrices: Tensor) -> Tensor:
    """The product of each cue, ``(C, n, D)``, with its own matrix, ``(C, D, D)``."""
    rows: Tensor = _Project.apply(cues, matrices)
    return rows


def unit_shares(components: Tensor, coefficients: Tensor, pattern: Tensor) -> Tensor:
    """Coefficients divided by the length of the sum that they make.

    Args:
        components: ``(K, n, D)``, float32.
        coefficients: Of each pattern of rows, ``(P, K, S)``: of each part, what the experts take of it side by side.
        pattern: The pattern of each row, ``(n,)``, int64.

    Returns:
        ``(n, K, S)``. Sums shorter than a thousandth are divided by that.
    """
    if components.device.type != "cpu":
        shares, rows = take_rows(coefficients, pattern), components.transpose(0, 1)
        squares = (torch.bmm(torch.bmm(rows, rows.transpose(1, 2)), shares) * shares).sum(1)
        return shares / squares.clamp(min=SHORTEST).sqrt()[:, None]
    result: Tensor = _UnitShares.apply(components, coefficients, pattern)
    return result


def expert_products(
    components: Tensor, coefficients: Tensor, pattern: Tensor, items: Tensor, n_experts: int, *, unit: bool
) -> Tensor:
    """Products of the experts' sums of users and items, for given pairs.

    Args:
        components: ``(K, B + n, D)``, float32: of B users and after them of n items.
        coefficients: As :func:`unit_shares` takes them, ``(P, K, S)``; on the CPU, S is the next multiple of
            :data:`LANES` from the number of experts on.
        pattern: The pattern of each row, ``(B + n,)``, int64.
        items: The items that each user is paired with, from 0: ``(B, P)``, int64.
        n_experts: E.
        unit: Whether the sums are divided by their lengths.

    Returns:
        ``(B, P, E)``.
    """
    n_users, n_pairs = items.shape
    if components.device.type != "cpu":
        shares = unit_shares(components, coefficients, pattern) if unit else take_rows(coefficients, pattern)
        towers = torch.bmm(
            shares[..., :n_experts].transpose(1, 2), components.transpose(0, 1)
        )  # (B + n, E, D)
        return paired_products(towers[:n_users], towers[n_users:], items)
    products: Tensor = _Products.apply(components, coefficients, pattern, items, n_experts, unit)
    return products.view(n_users, n_pairs, -1)


def paired_products(users: Tensor, items: Tensor, pairs: Tensor) -> Tensor:
    """The same products, of vectors that were computed.

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


class _Components(torch.autograd.Function):
    """Both halves are written where they will be read: joining them afterwards would be a pass of its own."""

    @staticmethod
    def forward(ctx: Any, cues: Tensor, explained: Tensor, p: float, seed: int) -> Tensor:
        n = len(cues)
        components = empty((2 * n, *cues.shape[1:]))
        drop(cues, p, seed, out=components[:n])
        _multiply_each(components[:n], explained, components[n:])
        ctx.save_for_backward(explained)
        ctx.drawn = p, seed
        return components

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None, None, None]:
        (explained,) = ctx.saved_tensors
        n = len(explained)
        slope = empty(grads[0][:n].shape)
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
        grad_cues = None
        if ctx.needs_input_grad[0]:
            grad_cues = _multiply_each(grads[0], matrices.transpose(1, 2), empty(cues.shape, cues.device))
        return grad_cues, _multiply_each(cues.transpose(1, 2), grads[0], torch.empty_like(matrices))


def _multiply_each(a: Tensor, b: Tensor, out: Tensor) -> Tensor:
    """Products one after the other, each on all threads: torch.bmm leaves a thread idle where their number is odd."""
    for x, y, own in zip(a, b, out, strict=True):
        torch.mm(x, y, out=own)
    return out


class _UnitShares(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, components: Tensor, coefficients: Tensor, pattern: Tensor) -> Tensor:
        components, coefficients = components.contiguous(), coefficients.contiguous()
        shares, grams = _shares(components, coefficients, pattern)
        ctx.save_for_backward(components, coefficients, pattern, grams)
        return shares

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, Tensor, None]:
        components, coefficients, pattern, grams = ctx.saved_tensors
        grad_components = torch.zeros_like(components)
        return (
            grad_components,
            _add_shares_gradient(components, coefficients, pattern, grams, grads[0], grad_components),
            None,
        )


class _Products(torch.autograd.Function):
    """Shares and products in one: both add to one gradient of the components, which is larger than all else."""

    @staticmethod
    def forward(
        ctx: Any,
        components: Tensor,
        coefficients: Tensor,
        pattern: Tensor,
        items: Tensor,
        n_experts: int,
        unit: bool,
    ) -> Tensor:
        components, coefficients, items = (
            components.contiguous(),
            coefficients.contiguous(),
            items.contiguous(),
        )
        shares, grams = _shares(components, coefficients, pattern) if unit else (coefficients[pattern], None)
        out = torch.empty(items.numel(), n_experts)
        pair_grams = empty((items.numel(), len(components), len(components)))
        core.expert_products(
            _array(components), _array(shares), items.numpy(), _array(out), _array(pair_grams)
        )
        ctx.save_for_backward(components, coefficients, pattern, grams, shares, items, pair_grams)
        return out

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, Tensor, None, None, None, None]:
        components, coefficients, pattern, grams, shares, items, pair_grams = ctx.saved_tensors
        grad_components, grad_shares = empty(components.shape), empty(shares.shape)
        arrays = map(_array, (pair_grams, grads[0].contiguous(), grad_components, grad_shares))
        core.expert_products_gradient(_array(components), _array(shares), items.numpy(), *arrays)
        if grams is None:
            flat = grad_shares.flatten(1)
            grad_coefficients = torch.ops.aten.embedding_dense_backward(
                flat, pattern, len(coefficients), -1, False
            )
            grad_coefficients = grad_coefficients.view_as(coefficients)
        else:
            grad_coefficients = _add_shares_gradient(
                components, coefficients, pattern, grams, grad_shares, grad_components
            )
        return grad_components, grad_coefficients, None, None, None, None


class _PairedLogits(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, users: Tensor, items: Tensor, pairs: Tensor, n_experts: int) -> Tensor:
        users, items, pairs = users.contiguous(), items.contiguous(), pairs.contiguous()
        out = torch.empty(pairs.numel(), n_experts)
        core.pair_logits(_array(users), _array(items), pairs.numpy(), _array(out))
        ctx.save_for_backward(users, items, pairs)
        return out

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, Tensor, None, None]:
        users, items, pairs = ctx.saved_tensors
        grad_users, grad_items = empty(users.shape), empty(items.shape)
        gradients = map(_array, (grads[0].contiguous(), grad_users, grad_items))
        core.pair_logits_gradient(_array(users), _array(items), pairs.numpy(), *gradients)
        return grad_users, grad_items, None, None


def _shares(components: Tensor, coefficients: Tensor, pattern: Tensor) -> tuple[Tensor, Tensor]:
    """Shares, and products of the components of each row."""
    shares = empty((len(pattern), *coefficients.shape[1:]))
    grams = empty((len(pattern), len(components), len(components)))
    inputs = (_array(components), _array(coefficients), pattern.numpy())
    core.unit_shares(*inputs, SHORTEST, _array(shares), _array(grams))
    return shares, grams


def _add_shares_gradient(
    components: Tensor,
    coefficients: Tensor,
    pattern: Tensor,
    grams: Tensor,
    gradient: Tensor,
    grad_components: Tensor,
) -> Tensor:
    """Adds the gradient of the components to ``grad_components``, and returns that of the coefficients."""
    grad_coefficients = torch.empty_like(coefficients)
    arrays = map(_array, (grams, gradient.contiguous(), grad_components, grad_coefficients))
    core.unit_shares_gradient(_array(components), _array(coefficients), pattern.numpy(), SHORTEST, *arrays)
    return grad_coefficients


def _array(tensor: Tensor) -> NDArray[np.float32]:
    array: NDArray[np.float32] = tensor.detach().numpy()
    return array
