"""The behaviour encoder: one table of ID embeddings seen through two graphs, joined by a light gate."""

from __future__ import annotations

from typing import Literal, NamedTuple

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
        layers = self.config.layers
        encoded = [
            propagate_mean(graph, self.embeddings, layers)
            for graph in (views.interactions, views.augmented)
            if graph is not None
        ]
        z = encoded[0]  # (U + I, D)
        if len(encoded) == 2:
            z = z + torch.sigmoid(self.gate) * (encoded[1] - z)
        if views.items is None or self.config.content_weight == 0:
            return z
        items = self.embeddings[self.n_users :]  # (I, D)
        near = self.config.content_weight * multiply(views.items, items)
        return torch.cat([z[: self.n_users], z[self.n_users :] + near])
