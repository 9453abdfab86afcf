"""Products of experts that are weighted sums of a few parts, without the sums themselves.

``⟨Σ_k a_k x_k, Σ_l b_l y_l⟩ = Σ_kl a_k b_l ⟨x_k, y_l⟩``: all experts of a user and an item share the products of their
parts. A vector for each expert would be written, read, scaled and differentiated at the speed of memory.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from magnet import _core
from magnet.nn.outputs import empty
from magnet.nn.rows import take_rows
from magnet.runtime import follow_torch

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["expert_products", "paired_products", "unit_shares"]

# Squared lengths below this are rounding: the parts are of about unit length, and their products in float32.
SHORTEST = 1e-6


def unit_shares(parts: Tensor, coefficients: Tensor, which: Tensor) -> Tensor:
    """Coefficients divided by the length of the sum that they make.

    Args:
        parts: ``(n, K, D)``, float32.
        coefficients: Of each pattern of rows, ``(P, E, K)``.
        which: The pattern of each row, ``(n,)``, int64.

    Returns:
        ``(n, E, K)``. Sums shorter than a thousandth are divided by that.
    """
    if parts.device.type != "cpu":
        shares = take_rows(coefficients, which)
        squares = (torch.bmm(shares, torch.bmm(parts, parts.transpose(1, 2))) * shares).sum(-1)
        return shares / squares.clamp(min=SHORTEST).sqrt()[..., None]
    result: Tensor = _UnitShares.apply(parts, coefficients, which)
    return result


def expert_products(parts: Tensor, shares: Tensor, items: Tensor) -> Tensor:
    """Products of the experts' sums of users and items, for given pairs.

    Args:
        parts: ``(B + n, K, D)``, float32: of B users and after them of n items.
        shares: ``(B + n, E, K)``.
        items: The items that each user is paired with, from 0: ``(B, P)``, int64.

    Returns:
        ``(B, P, E)``.
    """
    n_users, n_pairs = items.shape
    if parts.device.type != "cpu":
        towers = torch.bmm(shares, parts)  # (B + n, E, D)
        return paired_products(towers[:n_users], towers[n_users:], items)
    found: Tensor = _Products.apply(parts, shares, items)
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


class _UnitShares(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, parts: Tensor, coefficients: Tensor, which: Tensor) -> Tensor:
        follow_torch()
        parts, coefficients = parts.contiguous(), coefficients.contiguous()
        shares = empty((len(parts), *coefficients.shape[1:]))
        _core.unit_shares(_array(parts), _array(coefficients), which.numpy(), SHORTEST, _array(shares))
        ctx.save_for_backward(parts, coefficients, which)
        return shares

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, Tensor, None]:
        parts, coefficients, which = ctx.saved_tensors
        follow_torch()
        of_parts, of_coefficients = empty(parts.shape), torch.empty_like(coefficients)
        arrays = map(_array, (grads[0].contiguous(), of_parts, of_coefficients))
        _core.unit_shares_gradient(_array(parts), _array(coefficients), which.numpy(), SHORTEST, *arrays)
        return of_parts, of_coefficients, None


class _Products(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, parts: Tensor, shares: Tensor, items: Tensor) -> Tensor:
        follow_torch()
        parts, shares, items = parts.contiguous(), shares.contiguous(), items.contiguous()
        out = torch.empty(items.numel(), shares.shape[1])
        _core.expert_products(_array(parts), _array(shares), items.numpy(), _array(out))
        ctx.save_for_backward(parts, shares, items)
        return out

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, Tensor, None]:
        parts, shares, items = ctx.saved_tensors
        follow_torch()
        of_parts, of_shares = empty(parts.shape), empty(shares.shape)
        arrays = map(_array, (grads[0].contiguous(), of_parts, of_shares))
        _core.expert_products_gradient(_array(parts), _array(shares), items.numpy(), *arrays)
        return of_parts, of_shares, None


def _array(tensor: Tensor) -> NDArray[np.float32]:
    array: NDArray[np.float32] = tensor.detach().numpy()
    return array
