"""InfoNCE one way: each anchor is to be told from its own other description, and from those of all others."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from magnet.nn.ops.gather import take_rows

__all__ = ["anchored_info_nce"]

_ROWS = 256  # of a block: its exponentials stay in a core's cache


def anchored_info_nce(anchors: Tensor, others: Tensor, temperature: float) -> Tensor:
    r"""InfoNCE one way, :math:`-\frac1n\sum_i\log\frac{\exp(\cos(a_i, b_i)/τ)}{\sum_j\exp(\cos(a_i, b_j)/τ)}`.

    (van den Oord et al., *Representation Learning with Contrastive Predictive Coding*, 2018.) The symmetric form,
    :func:`magnet.nn.losses.info_nce`, needs an ``(n, n)`` array; this one takes its rows block by block, gradients at
    once, and keeps none of them. Rows of which a description is zero have no direction and are left out, as those of
    items that lack a modality.

    Args:
        anchors: ``(n, D)``, of any length.
        others: The same of the other description.
        temperature: τ; at least .025, under which the exponentials leave float32.

    Returns:
        A scalar; 0 of fewer than two rows that are not zero.

    Example:
        >>> rows = torch.eye(2)
        >>> round(anchored_info_nce(rows, rows, 1.0).item(), 4)  # log(1 + 1/e)
        0.3133
    """
    there = (anchors.any(1) & others.any(1)).nonzero().flatten()
    if len(there) < 2:
        return anchors.new_zeros(())
    a, b = (F.normalize(take_rows(rows, there), dim=-1) for rows in (anchors, others))
    off_target: Tensor = _LogPartition.apply(a, b, temperature)
    return off_target - (a * b).sum(-1).mean() / temperature


class _LogPartition(torch.autograd.Function):
    """Mean of the log-partitions of the rows of ``a bᵀ / τ``."""

    @staticmethod
    def forward(ctx: Any, a: Tensor, b: Tensor, temperature: float) -> Tensor:
        n = len(a)
        of_a, of_b, total = torch.empty_like(a), torch.zeros_like(b), a.new_zeros(())
        scaled = a / temperature
        for first in range(0, n, _ROWS):
            rows, out = scaled[first : first + _ROWS], of_a[first : first + _ROWS]
            e = (rows @ b.T).exp_()  # cosines over τ need no shift to stay inside float32
            sums = e.sum(1, keepdim=True)
            total += sums.log().sum()
            e.div_(sums)  # the softmax of each row
            torch.mm(e, b, out=out)
            of_b.addmm_(e.T, rows)
        ctx.save_for_backward(of_a.div_(n * temperature), of_b.div_(n))
        return total / n

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, Tensor, None]:
        of_a, of_b = ctx.saved_tensors
        return grads[0] * of_a, grads[0] * of_b, None
