"""What goes into a side of the router, and what becomes of it when scores are folded into one product."""

from __future__ import annotations

import torch
from torch import Tensor

from magnet.nn.router import Side

__all__ = ["folded", "indifferent", "router_inputs"]


def router_inputs(
    embeddings: Tensor, cues: Tensor, present: Tensor, degree: Tensor, *, left_out: Tensor | int
) -> Tensor:
    """What the router reads of one side, ``(n, D)``, ``(M, n, D)``, ``(M, n)``, ``(n,)``: it must not shape it."""
    embeddings, cues = embeddings.detach(), cues.detach()
    known = (degree > 0).float()[:, None]  # an embedding without interactions is noise
    # The third brings log-degrees to the scale of the rest.
    log_degree = torch.log1p((degree - left_out).clamp(min=0))[:, None] / 3
    return torch.cat([embeddings * known, *cues, present.T.float(), log_degree], 1)


def indifferent(side: Side) -> Side:
    """A side that leaves nothing but which experts are on."""
    return Side(torch.zeros_like(side.rows), side.on)


def folded(side: Side, *, bias_first: bool) -> Tensor:
    """Append the biases as two columns, so that one product gives the logit: ``(n, E, R + 2)``."""
    bias = side.bias.masked_fill(side.bias < -1e20, -torch.inf)[..., None]
    one = torch.ones_like(bias)
    return torch.cat([side.vectors, *((bias, one) if bias_first else (one, bias))], -1).contiguous()
