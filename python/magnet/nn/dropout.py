"""Dropout drawn by place: parallel, and with no mask to keep for the gradient."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from magnet import _core
from magnet.nn.outputs import empty
from magnet.runtime import follow_torch

__all__ = ["dropout"]


def dropout(x: Tensor, p: float, training: bool) -> Tensor:
    """Zero each number with probability ``p`` and divide the others by ``1 − p`` (Srivastava et al., 2014).

    torch draws its masks on one thread, which took as long as all else that the experts do. Here a number stays or not
    by its place and a seed, which torch's generator gives: the same for any number of threads.

    Args:
        x: Any shape, float32.
        p: In [0, 1).
        training: Whether anything is dropped at all.
    """
    if not training or p == 0:
        return x
    seed = int(torch.randint(2**62, ()))
    if x.device.type != "cpu":
        generator = torch.Generator(x.device).manual_seed(seed)
        return x * (torch.rand(x.shape, device=x.device, generator=generator) >= p) / (1 - p)
    result: Tensor = _Dropout.apply(x, p, seed)
    return result


class _Dropout(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, p: float, seed: int) -> Tensor:
        ctx.drawn = p, seed
        return _drop(x, p, seed)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None, None]:
        return _drop(grads[0], *ctx.drawn), None, None


def _drop(x: Tensor, p: float, seed: int) -> Tensor:
    follow_torch()
    out = empty(x.shape)
    _core.dropout(x.detach().contiguous().view(-1).numpy(), 1 - p, seed, out.view(-1).numpy())
    return out
