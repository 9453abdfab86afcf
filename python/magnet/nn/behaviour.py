"""The behaviour encoder: one table of ID embeddings seen through two graphs, joined by a light gate."""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

import torch
from pydantic import Field
from torch import Tensor, nn

from magnet.config import Config
from magnet.nn.propagate import Graph, multiply, propagate_mean

__all__ = ["BehaviourConfig", "BehaviourEncoder", "Views"]


class BehaviourConfig(Config):
    """How embeddings are propagated.

    Attributes:
        layers: Propagation steps in each view.
        view: ``dual`` encodes both graphs; ``interactions`` and ``augmented`` are the single-view controls.
        gate_start: The gate's logit at the start; 0 takes both views alike.
        content_weight: γ, the weight of an item's content neighbours in its own vector.
    """

    layers: int = Field(2, ge=0, le=8)
    view: Literal["dual", "interactions", "augmented"] = "dual"
    gate_start: float = Field(0.0, ge=-10, le=10)
    content_weight: float = Field(1.0, ge=0, le=10)


class Views(NamedTuple):
    """The graphs of one epoch. What is absent is not encoded."""

    interactions: Graph | None  # (U + I, U + I)
    augmented: Graph | None  # (U + I, U + I), the same with pseudo edges
    items: Graph | None  # (I, I), content neighbours

    def to(self, device: torch.device | str) -> Views:
        """The same graphs on another device."""
        return Views(*(None if graph is None else graph.to(device) for graph in self))


class BehaviourEncoder(nn.Module):
    """Users and items from who took what (MAGNET's dual view).

    ``Z = Z_0 + σ(g) (Z_1 − Z_0)`` with ``Z_v = mean_{l ≤ L} A_v^l E_0``, and ``Z_i += γ (S E_0)_i``; with one view,
    that view alone.

    Args:
        n_users: Number of users U.
        n_items: Number of items I.
        dim: Width D.
        config: Layers, views and weights.
    """

    def __init__(self, n_users: int, n_items: int, dim: int, config: BehaviourConfig) -> None:
        super().__init__()
        self.n_users = n_users
        self.config = config
        self.embeddings = nn.Parameter(nn.init.xavier_uniform_(torch.empty(n_users + n_items, dim)))
        self.gate = nn.Parameter(torch.full((dim,), config.gate_start))

    def forward(self, views: Views) -> Tensor:
        """Encode every user and item.

        Returns:
            ``(U + I, D)``: users first.
        """
        near = views.items if self.config.content_weight else None
        both = [graph for graph in (views.interactions, views.augmented) if graph is not None]
        z: Tensor = _Encode.apply(self.embeddings, self.gate, both, near, self.n_users, self.config)
        return z


class _Encode(torch.autograd.Function):
    """Both views and the content neighbours in one operation, joined in place.

    A view and the neighbours are linear in the embeddings, so the gradient is encoded as the embeddings are. The
    gradient of the gate, ``Σ ⟨g, Z_1 − Z_0⟩`` by column, is the same sum over the encoded gradients and the embeddings:
    no view has to be kept.
    """

    @staticmethod
    def forward(
        ctx: Any,
        embeddings: Tensor,
        gate: Tensor,
        both: list[Graph],
        near: Graph | None,
        n_users: int,
        config: BehaviourConfig,
    ) -> Tensor:
        ctx.save_for_backward(embeddings, gate)
        ctx.rest = both, near, n_users, config
        first, *second = (propagate_mean(graph, embeddings, config.layers) for graph in both)
        z = torch.lerp(first, second[0], torch.sigmoid(gate), out=first) if second else first
        if near is not None:
            z[n_users:].add_(multiply(near, embeddings[n_users:]), alpha=config.content_weight)
        return z

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, Tensor | None, None, None, None, None]:
        embeddings, gate = ctx.saved_tensors
        both, near, n_users, config = ctx.rest
        g = grads[0].contiguous()
        out, *second = (propagate_mean(graph.transposed, g, config.layers) for graph in both)
        grad_gate = None
        if second:
            share = torch.sigmoid(gate)
            apart = second[0].sub_(out)
            out.addcmul_(apart, share)
            grad_gate = apart.mul_(embeddings).sum(0) * share * (1 - share)
        if near is not None:
            out[n_users:].add_(multiply(near.transposed, g[n_users:]), alpha=config.content_weight)
        return out, grad_gate, None, None, None, None
