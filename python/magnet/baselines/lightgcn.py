"""LightGCN: embeddings averaged over the layers of the interaction graph (He et al., SIGIR 2020)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from magnet.nn.propagate import Graph, propagate_mean

__all__ = ["LightGCN"]


class LightGCN(nn.Module):
    """``Z = mean_{l ≤ L} A^l E_0``; ``score(u, i) = ⟨Z_u, Z_i⟩``.

    Args:
        n_nodes: Users and items together, U + I.
        dim: Width D.
        layers: L.
    """

    def __init__(self, n_nodes: int, dim: int, layers: int) -> None:
        super().__init__()
        self.layers = layers
        # The authors' initialisation: small enough that the first layers do not saturate the loss.
        self.embeddings = nn.Parameter(nn.init.normal_(torch.empty(n_nodes, dim), std=0.1))

    def forward(self, graph: Graph) -> Tensor:
        """Encode all users and items, ``(U + I, D)``, users first."""
        return propagate_mean(graph, self.embeddings, self.layers)
