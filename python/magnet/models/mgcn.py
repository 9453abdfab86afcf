"""MGCN: item vectors purified by behaviour before they spread, and a fuser that follows what a user prefers."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import torch
from pydantic import Field
from torch import Tensor, nn

from magnet.config import Config
from magnet.graph.build import bipartite
from magnet.models.content import content_features, nearest_items_graph
from magnet.models.registry import register
from magnet.nn.losses import ALIGNED_ROWS, LossConfig, alignment, bpr, embedding_penalty
from magnet.nn.ops.gather import distinct, take_rows
from magnet.nn.propagate import Graph, multiply, propagate_mean
from magnet.states import DotState, State
from magnet.train.config import TrainConfig
from magnet.train.one_phase import OnePhaseTask
from magnet.train.task import Batch, Terms

if TYPE_CHECKING:
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
        self.n_users, self.layers, self.item_layers = n_users, layers, item_layers
        sides = [nn.init.xavier_uniform_(torch.empty(n, dim)) for n in (n_users, n_items)]
        self.embeddings = nn.Parameter(torch.cat(sides))
        self.transforms = nn.ModuleList(nn.Linear(width, dim) for width in widths)  # W_1
        self.purifiers = nn.ModuleList(nn.Linear(dim, dim) for _ in widths)  # W_2
        self.attention = nn.Sequential(
            nn.Linear(dim, dim), nn.Tanh(), nn.Linear(dim, 1, bias=False)
        )  # W_3, q
        self.preferences = nn.ModuleList(nn.Linear(dim, dim) for _ in widths)  # W_4

    def views(
        self, interactions: Graph, pool: Graph, items: list[Graph], features: list[Tensor]
    ) -> tuple[Tensor, list[Tensor]]:
        """What behaviour says, ``(U + I, D)``, and what each modality says, ``(U + I, D)`` each, not yet fused.

        Args:
            interactions: Normalised, ``(U + I, U + I)``.
            pool: Its rows of users and columns of items, ``(U, I)``.
            items: The graph of each modality, ``(I, I)``.
            features: Unit rows of each modality, ``(I, d_m)``.
        """
        behaviour = propagate_mean(interactions, self.embeddings, self.layers)
        own = self.embeddings[self.n_users :]
        views = []
        for graph, rows, transform, purify in zip(
            items, features, self.transforms, self.purifiers, strict=True
        ):
            h = own * torch.sigmoid(purify(transform(rows)))
            for _ in range(self.item_layers):
                h = multiply(graph, h)
            views.append(torch.cat([multiply(pool, h), h]))
        return behaviour, views

    def fuse(self, behaviour: Tensor, views: list[Tensor]) -> Tensor:
        """One content vector of some users and items, ``(n, D)``; a row depends on the same rows alone.

        What modalities have in common is their mean weighed by attention; what each has of its own passes as far as
        behaviour asks for it.
        """
        attention = torch.softmax(torch.cat([self.attention(view) for view in views], 1), 1)  # (n, M)
        common = torch.stack([attention[:, m, None] * view for m, view in enumerate(views)]).sum(0)
        special = [
            torch.sigmoid(prefer(behaviour)) * (view - common)
            for prefer, view in zip(self.preferences, views, strict=True)
        ]
        return (torch.stack(special).sum(0) + common) / (len(views) + 1)

    def forward(
        self,
        interactions: Graph,
        pool: Graph,
        items: list[Graph],
        features: list[Tensor],
        nodes: Tensor,
        *,
        config: MGCNConfig,
    ) -> dict[str, Tensor]:
        """The terms of the loss of a batch: BPR, InfoNCE and the penalty.

        Args:
            interactions: See :meth:`views`; likewise what follows.
            pool: Users from items.
            items: Graphs of items.
            features: Of the items.
            nodes: The batch's users, their positives and unseen items, as nodes, ``(3 B,)``.
            config: Weights of the terms.
        """
        behaviour, views = self.views(interactions, pool, items, features)
        # The fuser costs more than all graphs: it sees the rows of the batch, each once.
        ids, place = distinct(nodes, len(behaviour))
        own = take_rows(behaviour, ids)
        content = self.fuse(own, [take_rows(view, ids) for view in views])
        z = take_rows(own + content, place)
        u, i, j = z.chunk(3)
        terms = {"ranking": bpr((u * i).sum(-1), (u * j).sum(-1))}
        if config.contrast:
            loss = LossConfig(alignment_temperature=config.temperature)
            pairs = len(nodes) // 3
            # A batch is in random order: its first pairs are a random part of it.
            sides = [place[start : start + min(pairs, ALIGNED_ROWS)] for start in (0, pairs)]
            compared = [distinct(side, len(ids))[0] for side in sides]
            parts = [alignment(take_rows(own, at), take_rows(content, at), loss) for at in compared]
            terms["contrast"] = config.contrast * torch.stack(parts).sum()
        if config.l2:
            terms["l2"] = config.l2 * embedding_penalty(z, pairs=len(nodes) // 3)
        return terms


class MGCNTask(OnePhaseTask):
    """Drives :class:`MGCN`.

    (Yu et al., *Multi-View Graph Convolutional Network for Multimedia Recommendation*, MM 2023.) Purifier, views, fuser
    and losses are those of section 3. Where we had to choose: content is the mean of the common part and of the
    modalities' own ones, as the authors compute it (their text adds the common part to the mean of the others); InfoNCE
    is Magnet's, symmetric, over at most 1,024 pairs of a batch, each user and item once (theirs goes one way, over all
    pairs).
    """

    def __init__(self, dataset: Dataset, config: MGCNConfig, *, seed: int) -> None:
        self.features = content_features(dataset, model="mgcn")
        sizes = dataset.n_users, dataset.n_items, [rows.shape[1] for rows in self.features]
        super().__init__(
            config.train, lambda: MGCN(*sizes, config.dim, config.layers, config.item_layers), seed=seed
        )
        self.config = config
        self.n_users = n = dataset.n_users
        normalised = bipartite(dataset.train)
        self.interactions = Graph.from_csr(normalised, symmetric=True)
        self.pool = Graph.from_csr(normalised[:n, n:].tocsr(), symmetric=False)
        self.items = [
            Graph.from_csr(nearest_items_graph(m, config.neighbours, weighted=True), symmetric=False)
            for m in dataset.modalities.values()
        ]

    def to(self, device: torch.device | str) -> None:
        """Move the network and all that it reads to another device; between epochs."""
        super().to(device)
        self.features = [rows.to(device) for rows in self.features]
        self.interactions, self.pool = self.interactions.to(device), self.pool.to(device)
        self.items = [graph.to(device) for graph in self.items]

    def step(self, batch: Batch) -> Terms:
        """The loss of one batch."""
        n = self.n_users
        nodes = torch.cat([batch.users, n + batch.positives, n + batch.negatives])
        return Terms.of(self.module(*self._graphs, self.features, nodes, config=self.config))

    @property
    def _graphs(self) -> tuple[Graph, Graph, list[Graph]]:
        return self.interactions, self.pool, self.items

    @torch.no_grad()
    def state(self) -> State:
        """Behaviour and content, added."""
        net = cast("MGCN", self.module)
        behaviour, views = net.views(*self._graphs, self.features)
        z = behaviour + net.fuse(behaviour, views)
        return DotState(z[: self.n_users].contiguous(), z[self.n_users :].contiguous())


register("mgcn", MGCNConfig, task=MGCNTask)
