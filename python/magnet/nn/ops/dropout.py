"""Dropout drawn by place: parallel, and with no mask to keep for the gradient."""

from __future__ import annotations

import torch
from torch import Tensor

from magnet import core
from magnet.nn.ops.buffers import empty

__all__ = ["draw_seed", "drop"]


def draw_seed() -> int:
    """A seed for :func:`drop`, from torch's generator of the CPU."""
    return int(torch.randint(2**62, ()))


def drop(x: Tensor, p: float, seed: int, *, out: Tensor | None = None) -> Tensor:
    """Zero each number with probability ``p`` and divide the others by ``1 − p`` (Srivastava et al., 2014).

    torch draws its masks on one thread, which took as long as the rest of the experts' work. Here a number stays or not
    by its place and the seed: the same for any number of threads. The gradient is the same function of the gradient, so
    that no mask is kept; nothing here is recorded by autograd.

    Args:
        x: Any shape, float32, on the CPU.
        p: In [0, 1); with 0 the result is ``x`` itself.
        seed: From 0.
        out: Where to write the result; a new tensor where not given.
    """
    if p == 0:
        return x if out is None else out.copy_(x)
    out = empty(x.shape) if out is None else out
    core.dropout(x.detach().contiguous().view(-1).numpy(), 1 - p, seed, out.view(-1).numpy())
    return out
