"""Rows of unit length and their gradient, each in one pass over the numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F
from torch import Tensor

from magnet import core
from magnet.nn.ops.buffers import empty

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["unit_rows"]


def unit_rows(x: Tensor, present: Tensor | None = None) -> Tensor:
    """Divide each row by its length.

    Args:
        x: ``(..., D)``, float32.
        present: ``(...)``, bool: rows that exist; the others become zero. All rows where not given.

    Returns:
        ``(..., D)``. Rows without length are zero and have no gradient.
    """
    if x.device.type != "cpu":
        unit = F.normalize(x, dim=-1)
        return unit if present is None else unit * present[..., None]
    result: Tensor = _UnitRows.apply(x, present)
    return result


class _UnitRows(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, present: Tensor | None) -> Tensor:
        y = empty(x.shape)
        scales = torch.empty(x.shape[:-1])
        flags = None if present is None else present.contiguous().view(-1).numpy()
        core.unit_rows(_rows(x), flags, _rows(y), scales.view(-1).numpy())
        ctx.save_for_backward(y, scales)
        return y

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None]:
        y, scales = ctx.saved_tensors
        out = empty(y.shape)
        core.unit_rows_gradient(_rows(grads[0]), _rows(y), scales.view(-1).numpy(), _rows(out))
        return out, None


def _rows(x: Tensor) -> NDArray[np.float32]:
    rows: NDArray[np.float32] = x.detach().contiguous().view(-1, x.shape[-1]).numpy()
    return rows
