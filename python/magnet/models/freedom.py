"""FREEDOM: a frozen graph of items beside the graph of interactions, whose edges are thinned in each epoch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, cast

import torch
from pydantic import Field
from torch import Tensor, nn

from magnet.config import Config
from magnet.graph.build import bipartite, combine, drop_edges
from magnet.models.content import content_features, graph_weights, nearest_items_graph
from magnet.models.registry import register
from magnet.nn.losses import bpr
from magnet.nn.ops.gather import take_rows
from magnet.nn.propagate import Graph, multiply, propagate_mean
from magnet.nn.tables import Encoded, Tables
from magnet.states import DotState, State
from magnet.train.config import TrainConfig
from magnet.train.one_phase import OnePhaseTask
from magnet.train.task import Batch, Terms

if TYPE_CHECKING:
    from magnet.data import Dataset

__all__ = ["FREEDOM", "FREEDOMConfig", "FREEDOMTask"]


class FREEDOMConfig(Config):
    """FREEDOM's settings.

    Attributes:
        dim: Width D.
        layers: Propagation steps over interactions.
        item_layers: Propagation steps over the graph of items.
        neighbours: Edges of an item in each modality's graph, that to itself among them.
        weights: How the modalities' graphs are summed: by ``lift``, ``equal``, or fixed weights by modality name; the
            paper has .1 for images and .9 for texts.
        drop: ρ, the share of interactions that are left out in each epoch.
        content_weight: λ, the weight of BPR on projected features.
        train: Epochs, batches and stopping.
    """

    dim: int = Field(64, ge=1, le=1024)
    layers: int = Field(2, ge=0, le=8)
    item_layers: int = Field(1, ge=0, le=8)
    neighbours: int = Field(10, ge=1, le=1000)
    weights: Literal["lift", "equal"] | dict[str, float] = "lift"
    drop: float = Field(0.8, ge=0, lt=1)
    content_weight: float = Field(1e-3, ge=0)
    train: TrainConfig = TrainConfig()


class FREEDOM(nn.Module):
    """``z_u = x_u``, ``z_i = x_i + S^L' e_i`` with ``x`` the mean over layers of the interactions' graph.

    Args:
        n_users: U.
        n_items: I.
        widths: Width of each modality's features.
        dim: Width D.
        layers: L.
        item_layers: L'.
    """

    def __init__(
        self, n_users: int, n_items: int, widths: list[int], dim: int, layers: int, item_layers: int
    ) -> None:
        super().__init__()
        self.layers, self.item_layers = layers, item_layers
        self.embeddings = Tables(n_users, n_items, dim)
        # Without biases: they cancel in a difference of two items.
        self.projections = nn.ModuleList(nn.Linear(width, dim, bias=False) for width in widths)

    def encode(self, interactions: Graph, items: Graph) -> Encoded:
        """All users and items."""
        h: Tensor = self.embeddings.items
        for _ in range(self.item_layers):
            h = multiply(items, h)
        return Encoded(propagate_mean(interactions, self.embeddings.joined(), self.layers), h)

    def forward(
        self,
        interactions: Graph,
        items: Graph,
        features: list[Tensor],
        users: Tensor,
        positives: Tensor,
        negatives: Tensor,
        *,
        content_weight: float,
    ) -> dict[str, Tensor]:
        """The terms of the loss of a batch: BPR on what scores, and on the projected features of each modality.

        Args:
            interactions: Normalised, ``(U + I, U + I)``.
            items: The frozen graph, ``(I, I)``.
            features: Unit rows of each modality, ``(I, d_m)``; zero where it is missing.
            users: ``(B,)``.
            positives: A training item of each user, ``(B,)``.
            negatives: An unseen one, ``(B,)``.
            content_weight: λ.
        """
        drawn = torch.cat([positives, negatives])
        u, theirs = self.encode(interactions, items).rows(users, drawn)
        i, j = theirs.chunk(2)
        terms = {"ranking": bpr((u * i).sum(-1), (u * j).sum(-1))}
        if content_weight:
            parts = [
                content_bpr(u, cast("nn.Linear", layer).weight, *take_rows(rows, drawn).chunk(2))
                for layer, rows in zip(self.projections, features, strict=True)
            ]
            terms["content"] = content_weight * torch.stack(parts).sum()
        return terms


def content_bpr(users: Tensor, weight: Tensor, positives: Tensor, negatives: Tensor) -> Tensor:
    """BPR on projected features alone; pairs of which an item lacks them count as ranked by chance.

    ``⟨u, W f_i⟩ − ⟨u, W f_j⟩`` is ``⟨Wᵀu, f_i − f_j⟩``: one product for a pair instead of two.

    Args:
        users: ``(B, D)``.
        weight: W, ``(D, d)``.
        positives: Features of the positives, ``(B, d)``; zero where missing.
        negatives: Those of the negatives, ``(B, d)``.
    """
    # A row has length 1 or 0; the sum of squares is faster than asking for any number.
    there = (positives.square().sum(1) > 0) & (negatives.square().sum(1) > 0)
    difference = ((users @ weight) * (positives - negatives)).sum(-1)
    zero = torch.zeros_like(difference)
    # A difference of 0 has a loss of log 2 and no gradient.
    return bpr(torch.where(there, difference, zero), zero)


class FREEDOMTask(OnePhaseTask):
    """Drives :class:`FREEDOM` (Zhou & Shen, *A Tale of Two Graphs*, MM 2023).

    The graph of items is that of equations 1 to 5, without weights on its edges; the interactions of an epoch are drawn
    by their ends' degrees (equations 6 and 7); the loss is equation 13. The authors' code trains the features as well,
    which their paper does not say; here they stay as they are. Graphs are summed by lift unless weights are given.
    """

    draws_by_torch = False

    def __init__(self, dataset: Dataset, config: FREEDOMConfig, *, seed: int) -> None:
        self.features = content_features(dataset, model="freedom")
        sizes = dataset.n_users, dataset.n_items, [rows.shape[1] for rows in self.features]
        super().__init__(
            config.train, lambda: FREEDOM(*sizes, config.dim, config.layers, config.item_layers), seed=seed
        )
        self.config, self.seed = config, seed
        self.interactions = dataset.train
        graphs = [
            nearest_items_graph(m, config.neighbours, weighted=False) for m in dataset.modalities.values()
        ]
        weights = graph_weights(dataset, graphs, config.weights)
        self.weights = dict(zip(dataset.modalities, map(float, weights), strict=True))
        self.items = Graph.from_csr(combine(graphs, weights), symmetric=False)
        self.full = Graph.from_csr(bipartite(dataset.train), symmetric=True)
        self.thinned = self.full

    def to(self, device: torch.device | str) -> None:
        """Move the network and all that it reads to another device; between epochs."""
        super().to(device)
        self.features = [rows.to(device) for rows in self.features]
        self.items, self.full = self.items.to(device), self.full.to(device)

    def begin_epoch(self, epoch: int) -> None:
        """Draw the epoch's edges."""
        super().begin_epoch(epoch)
        self.thinned = self.full
        if self.config.drop:
            kept = drop_edges(self.interactions, keep=1 - self.config.drop, seed=self.seed, epoch=epoch)
            device = cast("FREEDOM", self.module).embeddings.users.device
            self.thinned = Graph.from_csr(bipartite(kept), symmetric=True).to(device)

    def step(self, batch: Batch) -> Terms:
        """The loss of one batch."""
        return Terms.of(
            self.module(
                self.thinned,
                self.items,
                self.features,
                batch.users,
                batch.positives,
                batch.negatives,
                content_weight=self.config.content_weight,
            )
        )

    @torch.no_grad()
    def state(self) -> State:
        """What predicts: over all edges."""
        return DotState(*cast("FREEDOM", self.module).encode(self.full, self.items).whole())

    def facts(self) -> dict[str, Any]:
        """Weights of the modalities' graphs."""
        return {"graph_weights": self.weights}


# The authors' grid, and learning rates as for every trained model.
register(
    "freedom",
    FREEDOMConfig,
    task=FREEDOMTask,
    space={
        "drop": [0.8, 0.9],
        "content_weight": [0.0, 1e-5, 1e-4, 1e-3],
        "train.learning_rate": (5e-4, 5e-3),
    },
)
