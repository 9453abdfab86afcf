"""Dropout that draws from a generator of one's own: torch's draws from one that all threads of a process share."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

__all__ = ["dropout"]


def dropout(x: Tensor, share: float, *, generator: torch.Generator | None) -> Tensor:
    """Set a random share of the numbers to zero and divide the others by ``1 − share``, as training does.

    On the CPU the result is bit for bit what :func:`torch.nn.functional.dropout` makes of a default generator in the
    same state.

    Args:
        x: Of any shape.
        share: Of the numbers that are lost, in ``[0, 1)``.
        generator: Of the device of ``x``; None takes torch's own.

    Returns:
        A new tensor of the shape of ``x``; ``x`` itself if ``share`` is 0.

    Example:
        >>> x = torch.ones(4)
        >>> dropout(x, 0.5, generator=torch.Generator().manual_seed(0)).unique().tolist()
        [0.0, 2.0]
    """
    if generator is None or share == 0:
        return F.dropout(x, share)
    return x * torch.empty_like(x).bernoulli_(1 - share, generator=generator).div_(1 - share)
