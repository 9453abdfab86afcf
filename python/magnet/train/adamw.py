"""AdamW without the import that torch's own class brings along."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import torch
from torch import Tensor
from torch.optim.adamw import adamw

from magnet.errors import ConfigError, nearest

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

__all__ = ["AdamW"]

_DEFAULTS: Final = {"lr": 1e-3, "betas": (0.9, 0.999), "eps": 1e-8, "weight_decay": 0.01}
_PREFIX: Final = "optimizer/"
_MOMENTS: Final = ("step", "exp_avg", "exp_avg_sq")


class AdamW:
    """Adam with decoupled weight decay (Loshchilov and Hutter, ICLR 2019), by torch's fused kernel.

    The steps are those of ``torch.optim.AdamW(groups, fused=True)`` to the bit. Its first step, however, imports
    torch's compiler: two seconds, longer than a small shop takes to train.

    Args:
        groups: Parameters under ``params`` beside any of ``lr``, ``betas``, ``eps`` and ``weight_decay``.

    Raises:
        ConfigError: If a group has another option.
    """

    def __init__(self, groups: Iterable[Mapping[str, Any]]) -> None:
        self.groups = [_checked(group) for group in groups]
        self.parameters: list[Tensor] = [p for group in self.groups for p in group["params"]]
        self._moments: dict[
            int, dict[str, Tensor]
        ] = {}  # by the parameter's position, once it had a gradient

    def zero_grad(self) -> None:
        """Forget the gradients of the last step."""
        for parameter in self.parameters:
            parameter.grad = None

    @torch.no_grad()
    def step(self) -> None:
        """Move every parameter that has a gradient."""
        first = 0
        for group in self.groups:
            there = [(first + i, p) for i, p in enumerate(group["params"]) if p.grad is not None]
            first += len(group["params"])
            moments = [self._of(index, p) for index, p in there]
            adamw(
                [p for _, p in there],
                [p.grad for _, p in there],
                [own["exp_avg"] for own in moments],
                [own["exp_avg_sq"] for own in moments],
                [],
                [own["step"] for own in moments],
                fused=True,
                amsgrad=False,
                beta1=group["betas"][0],
                beta2=group["betas"][1],
                lr=group["lr"],
                weight_decay=group["weight_decay"],
                eps=group["eps"],
                maximize=False,
            )

    def tensors(self) -> dict[str, Tensor]:
        """What a checkpoint needs: copies of the moments, named by the parameter's position and the moment."""
        return {
            f"{_PREFIX}{index}/{name}": value.clone()
            for index, own in self._moments.items()
            for name, value in own.items()
        }

    def restore(self, tensors: Mapping[str, Tensor]) -> None:
        """Go on from what :meth:`tensors` gave; names of others are passed over."""
        self._moments = {}
        for key, value in tensors.items():
            if key.startswith(_PREFIX):
                index, name = key.removeprefix(_PREFIX).split("/")
                device = self.parameters[int(index)].device
                self._moments.setdefault(int(index), {})[name] = value.to(device, copy=True)

    def _of(self, index: int, parameter: Tensor) -> dict[str, Tensor]:
        if index not in self._moments:
            count = torch.zeros((), dtype=torch.float32, device=parameter.device)
            averages = (torch.zeros_like(parameter) for _ in range(2))
            self._moments[index] = dict(zip(_MOMENTS, (count, *averages), strict=True))
        return self._moments[index]


def _checked(group: Mapping[str, Any]) -> dict[str, Any]:
    for option in group.keys() - _DEFAULTS.keys() - {"params"}:
        raise ConfigError(f"a group of parameters has no option {option!r}{nearest(option, _DEFAULTS)}")
    return {**_DEFAULTS, **group, "params": list(group["params"])}
