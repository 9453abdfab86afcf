"""Rows of a table by index, with a gradient that is the same in every run."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

__all__ = ["distinct", "take_rows"]


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
