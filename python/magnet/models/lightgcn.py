"""LightGCN (He et al., SIGIR 2020): embeddings averaged over the layers of the interaction graph, trained by BPR."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import torch
from pydantic import Field
from torch import Tensor, nn

from magnet.config import Config
from magnet.graph.build import bipartite
from magnet.models.registry import register
from magnet.nn.losses import bpr, embedding_penalty
from magnet.nn.ops.gather import take_rows
from magnet.nn.propagate import Graph, propagate_mean
from magnet.states import DotState, State
from magnet.train.config import TrainConfig
from magnet.train.one_phase import OnePhaseTask
from magnet.train.task import Batch, Terms

if TYPE_CHECKING:
    from magnet.data import Dataset

__all__ = ["LightGCN", "LightGCNConfig", "LightGCNTask"]


class LightGCNConfig(Config):
    """LightGCN's settings.

    Attributes:
        dim: Width D.
        layers: Propagation steps L.
        l2: Weight of the squared norms of the batch's embeddings; the one value its authors tune.
        train: Epochs, batches and stopping.
    """

    dim: int = Field(64, ge=1, le=1024)
    layers: int = Field(3, ge=0, le=8)
    l2: float = Field(1e-4, ge=0)
    train: TrainConfig = TrainConfig()


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

    def encode(self, graph: Graph) -> Tensor:
        """All users and items, ``(U + I, D)``, users first."""
        return propagate_mean(graph, self.embeddings, self.layers)

    def forward(
        self, graph: Graph, users: Tensor, positives: Tensor, negatives: Tensor, *, l2: float
    ) -> dict[str, Tensor]:
        """The terms of the loss of a batch: BPR and the penalty. Training enters the network here, once a step.

        Args:
            graph: Normalised interactions, ``(U + I, U + I)``.
            users: Their nodes, ``(B,)``.
            positives: The node of a training item of each user, ``(B,)``.
            negatives: That of an unseen item, ``(B,)``.
            l2: Weight of the penalty.
        """
        at = torch.cat([users, positives, negatives])
        u, i, j = take_rows(self.encode(graph), at).chunk(3)
        terms = {"ranking": bpr((u * i).sum(-1), (u * j).sum(-1))}
        if l2:
            terms["l2"] = l2 * embedding_penalty(take_rows(self.embeddings, at), pairs=len(users))
        return terms


class LightGCNTask(OnePhaseTask):
    """Drives :class:`LightGCN`."""

    draws_by_torch = False

    def __init__(self, dataset: Dataset, config: LightGCNConfig, *, seed: int) -> None:
        n_nodes = dataset.n_users + dataset.n_items
        super().__init__(config.train, lambda: LightGCN(n_nodes, config.dim, config.layers), seed=seed)
        self.config = config
        self.n_users = dataset.n_users
        self.graph = Graph.from_csr(bipartite(dataset.train), symmetric=True)  # every edge, in every epoch

    def to(self, device: torch.device | str) -> None:
        """Move the network and its graph to another device; between epochs."""
        super().to(device)
        self.graph = self.graph.to(device)

    def step(self, batch: Batch) -> Terms:
        """BPR and the penalty."""
        n = self.n_users
        return Terms.of(
            self.module(self.graph, batch.users, n + batch.positives, n + batch.negatives, l2=self.config.l2)
        )

    @torch.no_grad()
    def state(self) -> State:
        """Propagated embeddings."""
        z = cast("LightGCN", self.module).encode(self.graph)
        return DotState(z[: self.n_users].contiguous(), z[self.n_users :].contiguous())


# Section 4.1.2 of the paper.
register(
    "lightgcn",
    LightGCNConfig,
    task=LightGCNTask,
    space={"layers": [1, 2, 3, 4], "l2": (1e-6, 1e-2), "train.learning_rate": (5e-4, 5e-3)},
)
