"""LATTICE: a graph of items that is learnt from their features, once an epoch, and feeds collaborative filtering."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, cast

import numpy as np
import torch
import torch.nn.functional as F
from pydantic import Field
from scipy.sparse import csr_array
from torch import Tensor, nn

from magnet.config import Config
from magnet.graph.build import bipartite, combine
from magnet.graph.knn import knn_graph
from magnet.models.content import content_features, nearest_items_graph
from magnet.models.registry import register
from magnet.nn.losses import bpr, embedding_penalty
from magnet.nn.ops.gather import take_rows
from magnet.nn.propagate import Graph, multiply, propagate_mean
from magnet.nn.tables import Encoded, Tables
from magnet.states import DotState, State
from magnet.train.config import TrainConfig
from magnet.train.one_phase import OnePhaseTask
from magnet.train.task import Batch, Terms

if TYPE_CHECKING:
    from collections.abc import Callable

    from magnet.data import Dataset

__all__ = ["LATTICE", "LATTICEConfig", "LATTICETask", "Near"]


class LATTICEConfig(Config):
    """LATTICE's settings.

    Attributes:
        dim: Width D of users and items.
        content_dim: Width of the projected features that the graph is learnt from.
        layers: Propagation steps over interactions.
        item_layers: Propagation steps over the graph of items.
        neighbours: Edges of an item in each modality's graph, that to itself among them.
        keep: λ, the share of the graph of the raw features; the learnt one has the rest.
        l2: Weight of the squared norms of the batch's vectors.
        train: Epochs, batches and stopping.
    """

    dim: int = Field(64, ge=1, le=1024)
    content_dim: int = Field(64, ge=1, le=1024)
    layers: int = Field(2, ge=0, le=8)
    item_layers: int = Field(1, ge=0, le=8)
    neighbours: int = Field(10, ge=1, le=1000)
    keep: float = Field(0.9, ge=0, le=1)
    l2: float = Field(1e-4, ge=0)
    train: TrainConfig = TrainConfig()


class Near(NamedTuple):
    """The edges of a learnt graph: k places for each item, some of them empty."""

    items: Tensor  # (I, k), int64, 0 where the place is empty
    there: Tensor  # (I, k), float, 1 for an edge


class LATTICE(nn.Module):
    """``z_u = x_u``, ``z_i = x_i + h_i / |h_i|`` with x propagated over interactions and h over the graph of items.

    Args:
        n_users: U.
        n_items: I.
        widths: Width of each modality's features.
        config: Widths and layers.
    """

    def __init__(self, n_users: int, n_items: int, widths: list[int], config: LATTICEConfig) -> None:
        super().__init__()
        self.config = config
        self.embeddings = Tables(n_users, n_items, config.dim)
        self.projections = nn.ModuleList(nn.Linear(width, config.content_dim) for width in widths)
        self.shares = nn.Parameter(torch.zeros(len(widths)))  # a softmax makes them the modalities' weights

    def project(self, features: list[Tensor]) -> list[Tensor]:
        """Unit rows of projected features, ``(I, D')`` for each modality; zero where it is missing."""
        return [
            F.normalize(layer(rows), dim=-1) * rows.any(1, keepdim=True)
            for layer, rows in zip(self.projections, features, strict=True)
        ]

    def learnt(self, features: list[Tensor], near: list[Near]) -> list[Tensor]:
        """The weights of the edges in ``near`` of each modality, ``(I, k)``: cosines, normalised by row sums."""
        weights = []
        for unit, (items, there) in zip(self.project(features), near, strict=True):
            others = take_rows(unit, items.flatten()).view(*items.shape, -1)  # (I, k, D')
            cosines = (unit[:, None] * others).sum(-1).clamp(min=0) * there
            sums = cosines.sum(1)
            root = torch.where(sums > 0, sums, 1).rsqrt() * (sums > 0)
            weights.append(cosines * root[:, None] * take_rows(root[:, None], items.flatten()).view_as(items))
        return weights

    def step_over_items(self, raw: list[Graph], near: list[Near], weights: list[Tensor], h: Tensor) -> Tensor:
        """One step over the graph of items as a function of everything that it is learnt from, ``(I, D)``."""
        shares = torch.softmax(self.shares, 0)
        keep = self.config.keep
        parts = []
        for m, (graph, (items, _), weight) in enumerate(zip(raw, near, weights, strict=True)):
            others = take_rows(h, items.flatten()).view(*items.shape, -1)  # (I, k, D)
            moved = (weight[..., None] * others).sum(1)
            parts.append(shares[m] * (keep * multiply(graph, h) + (1 - keep) * moved))
        return torch.stack(parts).sum(0)

    def encode(self, interactions: Graph, step: Callable[[Tensor], Tensor]) -> Encoded:
        """All users and items; ``step`` is one step over the graph of items."""
        h: Tensor = self.embeddings.items
        for _ in range(self.config.item_layers):
            h = step(h)
        x = propagate_mean(interactions, self.embeddings.joined(), self.config.layers)
        return Encoded(x, F.normalize(h, dim=-1))

    def forward(
        self,
        interactions: Graph,
        step: Callable[[Tensor], Tensor],
        users: Tensor,
        positives: Tensor,
        negatives: Tensor,
    ) -> dict[str, Tensor]:
        """The terms of the loss of a batch: BPR and the penalty.

        Args:
            interactions: Normalised, ``(U + I, U + I)``.
            step: One step over the graph of items.
            users: ``(B,)``.
            positives: A training item of each user, ``(B,)``.
            negatives: An unseen one, ``(B,)``.
        """
        u, theirs = self.encode(interactions, step).rows(users, torch.cat([positives, negatives]))
        i, j = theirs.chunk(2)
        terms = {"ranking": bpr((u * i).sum(-1), (u * j).sum(-1))}
        if self.config.l2:
            terms["l2"] = self.config.l2 * embedding_penalty(torch.cat([u, theirs]), pairs=len(users))
        return terms


class LATTICETask(OnePhaseTask):
    """Drives :class:`LATTICE` over LightGCN.

    (Zhang et al., *Mining Latent Structures for Multimedia Recommendation*, MM 2021, section 3.) As the authors do, the
    graph is made anew in each epoch, and is part of the network in the epoch's first step alone: in the other steps it
    is a constant, and what learns it rests. Before it predicts it is made once more. Their code trains the features as
    well; here they stay as they are.
    """

    draws_by_torch = False

    def __init__(self, dataset: Dataset, config: LATTICEConfig, *, seed: int) -> None:
        self.features = content_features(dataset, model="lattice")
        sizes = dataset.n_users, dataset.n_items, [rows.shape[1] for rows in self.features]
        super().__init__(config.train, lambda: LATTICE(*sizes, config), seed=seed)
        self.config = config
        self.interactions = Graph.from_csr(bipartite(dataset.train), symmetric=True)
        self.matrices = [
            nearest_items_graph(m, config.neighbours, weighted=True) for m in dataset.modalities.values()
        ]
        self.raw = [Graph.from_csr(matrix, symmetric=False) for matrix in self.matrices]
        self.learnt: Callable[[Tensor], Tensor] | None = None  # of the first step of an epoch
        self.graph: Graph  # of the others

    def to(self, device: torch.device | str) -> None:
        """Move the network and all that it reads to another device; between epochs."""
        super().to(device)
        self.features = [rows.to(device) for rows in self.features]
        self.interactions = self.interactions.to(device)
        self.raw = [graph.to(device) for graph in self.raw]

    @property
    def net(self) -> LATTICE:
        """The network."""
        return cast("LATTICE", self.module)

    @torch.no_grad()
    def near(self) -> list[Near]:
        """The nearest items by the projected features as they are now."""
        found = []
        for unit in self.net.project(self.features):
            n, k = len(unit), self.config.neighbours
            there = unit.any(1).cpu().numpy()
            items, edges = np.zeros((n, k), np.int64), np.zeros((n, k), np.float32)
            items[:, 0], edges[:, 0] = np.arange(n), there  # itself
            if k > 1:
                graph = knn_graph(unit.cpu().numpy(), k - 1, present=there)
                degree = np.diff(graph.indptr)
                rows = np.repeat(np.arange(n), degree)
                places = 1 + np.arange(len(rows)) - np.repeat(graph.indptr[:-1], degree)
                items[rows, places], edges[rows, places] = graph.indices, 1
            found.append(Near(*(torch.from_numpy(array).to(unit.device) for array in (items, edges))))
        return found

    def begin_epoch(self, epoch: int) -> None:
        """Make the graph of items anew."""
        super().begin_epoch(epoch)
        near = self.near()

        def learnt(h: Tensor) -> Tensor:
            return self.net.step_over_items(self.raw, near, self.net.learnt(self.features, near), h)

        self.graph = self.constant(near)
        self.learnt = learnt

    @torch.no_grad()
    def constant(self, near: list[Near]) -> Graph:
        """The graph as it is now, all modalities in one."""
        net = self.net
        shares = torch.softmax(net.shares, 0).tolist()
        learnt = [
            _matrix(items, weights)
            for (items, _), weights in zip(near, net.learnt(self.features, near), strict=True)
        ]
        keep = self.config.keep
        of_raw, of_learnt = ([share * part for share in shares] for part in (keep, 1 - keep))
        joined = combine([*self.matrices, *learnt], [*of_raw, *of_learnt])
        return Graph.from_csr(joined, symmetric=False).to(net.embeddings.users.device)

    def over_graph(self, h: Tensor) -> Tensor:
        """A step over the graph of this epoch."""
        return multiply(self.graph, h)

    def step(self, batch: Batch) -> Terms:
        """The loss of one batch."""
        over_items, self.learnt = self.learnt or self.over_graph, None
        return Terms.of(
            self.module(self.interactions, over_items, batch.users, batch.positives, batch.negatives)
        )

    @torch.no_grad()
    def state(self) -> State:
        """What predicts, over a graph of the weights as they are."""
        graph = self.constant(self.near())
        return DotState(*self.net.encode(self.interactions, lambda h: multiply(graph, h)).whole())


def _matrix(items: Tensor, weights: Tensor) -> csr_array:
    """Edges to ``items`` with their weights, ``(I, k)`` each, as a matrix ``(I, I)``."""
    n, k = items.shape
    rows = np.repeat(np.arange(n), k)
    entries = weights.cpu().numpy().ravel(), (rows, items.cpu().numpy().ravel())
    matrix = csr_array(entries, shape=(n, n))  # empty places add 0
    matrix.eliminate_zeros()
    return matrix


# What the authors of FREEDOM and BM3 searched for it.
register(
    "lattice",
    LATTICEConfig,
    task=LATTICETask,
    space={"l2": [0.0, 1e-5, 1e-4, 1e-3], "train.learning_rate": (1e-4, 5e-3)},
)
