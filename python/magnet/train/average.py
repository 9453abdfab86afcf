"""The moving average of weights, which is validated and delivered in their place."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from torch import Tensor, nn


__all__ = ["WeightAverage"]

_PREFIX = "average/"


class WeightAverage:
    """``w̄ ← β w̄ + (1 − β) w`` after every step, over the parameters of one phase.

    Args:
        parameters: What is trained, by name.
        decay: β; 0 keeps no average, and everything here does nothing.
    """

    def __init__(self, parameters: dict[str, nn.Parameter], decay: float) -> None:
        self.parameters = parameters if decay else {}
        self.decay = decay
        self.averages = {name: p.detach().clone() for name, p in self.parameters.items()}

    @torch.no_grad()
    def update(self) -> None:
        """Take in the weights after a step."""
        if self.averages:
            torch._foreach_lerp_(list(self.averages.values()), list(self.parameters.values()), 1 - self.decay)

    @contextlib.contextmanager
    def applied(self) -> Iterator[None]:
        """Put the average in the weights' place, for as long as the context lasts."""
        kept = {name: p.detach().clone() for name, p in self.parameters.items()}
        self._write(self.averages)
        try:
            yield
        finally:
            self._write(kept)

    @torch.no_grad()
    def _write(self, values: dict[str, Tensor]) -> None:
        for name, value in values.items():
            self.parameters[name].copy_(value)

    def tensors(self) -> dict[str, Tensor]:
        """What a checkpoint needs."""
        return {_PREFIX + name: value.clone() for name, value in self.averages.items()}

    def restore(self, tensors: Mapping[str, Tensor]) -> None:
        """Go on from what :meth:`tensors` gave; a name that is missing keeps its average."""
        for name in self.averages:
            if _PREFIX + name in tensors:
                self.averages[name].copy_(tensors[_PREFIX + name])
