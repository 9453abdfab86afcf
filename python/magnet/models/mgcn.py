"""MGCN: item vectors purified by behaviour before they spread, and a fuser that follows what a user prefers."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import torch
from pydantic import Field
from scipy.sparse import csr_array
from torch import Tensor, nn

from magnet.config import Config
from magnet.graph.build import bipartite
from magnet.models.content import content_features, nearest_items_graph
from magnet.models.registry import register
from magnet.models.views import Nodes, contrast, fuse, gate, gated_views, of_nodes, pool_rows
from magnet.nn.losses import bpr, embedding_penalty
from magnet.nn.ops.gather import take_rows
from magnet.nn.propagate import Graph, multiply, propagate_mean
from magnet.nn.tables import Tables
from magnet.states import DotState, State
from magnet.train.config import TrainConfig
from magnet.train.one_phase import OnePhaseTask
from magnet.train.task import Batch, Terms

if TYPE_CHECKING:
    from collections.abc import Sequence

    from magnet.data import Dataset

__all__ = ["MGCN", "MGCNConfig", "MGCNTask"]


class MGCNConfig(Config):
    """MGCN's settings.

    Attributes:
        dim: Width D.
        layers: Propagation steps over interactions.
        item_layers: Propagation steps over each modality's graph of items.
        neighbours: Edges of an item in each modality's graph, that to itself among them.
        contrast: λ_C, the weight of InfoNCE between behaviour and content.
        temperature: τ of InfoNCE; at least .025, under which the exponentials leave float32.
        l2: λ_E, the weight of the squared norms of the batch's vectors.
        train: Epochs, batches and stopping.
    """

    dim: int = Field(64, ge=1, le=1024)
    layers: int = Field(2, ge=0, le=8)
    item_layers: int = Field(1, ge=0, le=8)
    neighbours: int = Field(10, ge=1, le=1000)
    contrast: float = Field(0.01, ge=0)
    temperature: float = Field(0.2, ge=0.025)
    l2: float = Field(1e-4, ge=0)
    train: TrainConfig = TrainConfig()


class MGCN(nn.Module):
    """``z = behaviour + content``, both of users and items.

    Args:
        n_users: U.
        n_items: I.
        widths: Width of each modality's features.
        dim: Width D.
        layers: Steps over interactions.
        item_layers: Steps over items.
    """

    def __init__(
        self, n_users: int, n_items: int, widths: list[int], dim: int, layers: int, item_layers: int
    ) -> None:
        super().__init__()
        self.layers, self.item_layers = layers, item_layers
        self.embeddings = Tables(n_users, n_items, dim)
        self.transforms = nn.ModuleList(nn.Linear(width, dim) for width in widths)  # W_1
        self.purifiers = nn.ModuleList(nn.Linear(dim, dim) for _ in widths)  # W_2
        self.attention = nn.Sequential(
            nn.Linear(dim, dim), nn.Tanh(), nn.Linear(dim, 1, bias=False)
        )  # W_3, q
        self.preferences = nn.ModuleList(nn.Linear(dim, dim) for _ in widths)  # W_4

    def behaviour(self, interactions: Graph) -> Tensor:
        """What behaviour says of all users and items, ``(U + I, D)``.

        Args:
            interactions: Normalised, ``(U + I, U + I)``.
        """
        return propagate_mean(interactions, self.embeddings.joined(), self.layers)

    def item_views(self, items: list[Graph], features: list[Tensor]) -> list[Tensor]:
        """What each modality says of all items, ``(I, D)`` each.

        Args:
            items: The graph of each modality, ``(I, I)``.
            features: Unit rows of each modality, ``(I, d_m)``.
        """
        gates = map(gate, features, self.transforms, self.purifiers)
        return gated_views(self.embeddings.items, gates, items, layers=self.item_layers)

    def fuse(self, behaviour: Tensor, views: Sequence[Tensor]) -> Tensor:
        """One content vector of some users and items, ``(n, D)``; see :func:`magnet.models.views.fuse`."""
        return fuse(self.attention, self.preferences, behaviour, views)

    def forward(
        self,
        interactions: Graph,
        pool: Graph,
        items: list[Graph],
        features: list[Tensor],
        nodes: Nodes,
        *,
        config: MGCNConfig,
    ) -> dict[str, Tensor]:
        """The terms of the loss of a batch: BPR, InfoNCE and the penalty.

        Args:
            interactions: Normalised, ``(U + I, U + I)``.
            pool: Its rows of the batch's users and its columns of items, ``(P, I)``.
            items: The graph of each modality, ``(I, I)``.
            features: Unit rows of each modality, ``(I, d_m)``.
            nodes: The users and items of the batch.
            config: Weights of the terms.
        """
        views = self.item_views(items, features)
        behaviour = self.behaviour(interactions)
        # The fuser costs more than all graphs: it sees the users and items of the batch, each once.
        n_users = len(self.embeddings.users)
        own = take_rows(behaviour, torch.cat([nodes.users, n_users + nodes.items]))
        content = self.fuse(own, of_nodes(views, pool, nodes.items))
        z = take_rows(own + content, nodes.triples())
        u, i, j = z.chunk(3)
        terms = {"ranking": bpr((u * i).sum(-1), (u * j).sum(-1))}
        if config.contrast:
            terms["contrast"] = config.contrast * contrast(own, content, nodes.sides(), config.temperature)
        if config.l2:
            terms["l2"] = config.l2 * embedding_penalty(z, pairs=nodes.pairs)
        return terms


class MGCNTask(OnePhaseTask):
    """Drives :class:`MGCN`.

    (Yu et al., *Multi-View Graph Convolutional Network for Multimedia Recommendation*, MM 2023.) Purifier, views, fuser
    and losses are those of section 3. Where we had to choose: content is the mean of the common part and of the
    modalities' own ones, as the authors compute it (their text adds the common part to the mean of the others); InfoNCE
    is Magnet's, symmetric, over at most 1,024 pairs of a batch, each user and item once (theirs goes one way, over all
    pairs).
    """

    draws_by_torch = False

    def __init__(self, dataset: Dataset, config: MGCNConfig, *, seed: int) -> None:
        self.features = content_features(dataset, model="mgcn")
        sizes = dataset.n_users, dataset.n_items, [rows.shape[1] for rows in self.features]
        super().__init__(
            config.train, lambda: MGCN(*sizes, config.dim, config.layers, config.item_layers), seed=seed
        )
        self.config = config
        self.n_users, self.n_items = dataset.n_users, dataset.n_items
        n = self.n_users
        normalised = bipartite(dataset.train)
        self.interactions = Graph.from_csr(normalised, symmetric=True)
        self.pool = csr_array(normalised[:n, n:])
        self.items = [
            Graph.from_csr(nearest_items_graph(m, config.neighbours, weighted=True), symmetric=False)
            for m in dataset.modalities.values()
        ]

    def to(self, device: torch.device | str) -> None:
        """Move the network and all that it reads to another device; between epochs."""
        super().to(device)
        self.features = [rows.to(device) for rows in self.features]
        self.interactions = self.interactions.to(device)
        self.items = [graph.to(device) for graph in self.items]

    def step(self, batch: Batch) -> Terms:
        """The loss of one batch."""
        nodes = Nodes.of(batch, self.n_users, self.n_items)
        pool = pool_rows(self.pool, nodes.users)
        return Terms.of(
            self.module(self.interactions, pool, self.items, self.features, nodes, config=self.config)
        )

    @torch.no_grad()
    def state(self) -> State:
        """Behaviour and content, added."""
        net = cast("MGCN", self.module)
        views = net.item_views(self.items, self.features)
        behaviour = net.behaviour(self.interactions)
        pool = Graph.from_csr(self.pool, symmetric=False).to(behaviour.device)
        z = behaviour + net.fuse(behaviour, [torch.cat([multiply(pool, view), view]) for view in views])
        return DotState(z[: self.n_users].contiguous(), z[self.n_users :].contiguous())


# The authors' grid, and learning rates as for every trained model.
register(
    "mgcn",
    MGCNConfig,
    task=MGCNTask,
    space={"contrast": [1e-3, 1e-2, 1e-1], "train.learning_rate": (5e-4, 5e-3)},
)
