"""BM3: two views of the same user, item or feature are drawn together; nothing is ranked and no negative is drawn."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn

from magnet.config import Config
from magnet.graph.build import bipartite
from magnet.models.content import content_features
from magnet.models.registry import register
from magnet.nn.dropout import dropout
from magnet.nn.ops.gather import take_rows
from magnet.nn.propagate import Graph, propagate_mean
from magnet.nn.tables import Encoded, Tables
from magnet.seeds import torch_generator
from magnet.states import DotState, State
from magnet.train.config import TrainConfig
from magnet.train.one_phase import OnePhaseTask
from magnet.train.task import Batch, Terms

if TYPE_CHECKING:
    from magnet.data import Dataset

__all__ = ["BM3", "BM3Config", "BM3Task", "apart"]


class BM3Config(Config):
    """BM3's settings.

    Attributes:
        dim: Width D.
        layers: Propagation steps over interactions.
        dropout: Share of the numbers that a target view lacks.
        content_weight: Weight of the terms of the features.
        penalty: λ, the weight of the norms of all users' and all items' vectors.
        train: Epochs, batches and stopping.
    """

    dim: int = Field(64, ge=1, le=1024)
    layers: int = Field(1, ge=0, le=8)
    dropout: float = Field(0.5, ge=0, lt=1)
    content_weight: float = Field(2.0, ge=0)
    penalty: float = Field(0.1, ge=0)
    train: TrainConfig = TrainConfig()


class BM3(nn.Module):
    """``score(u, i) = ⟨f(h_u), f(h_i)⟩`` with the predictor f, ``h_u = x_u`` and ``h_i = x_i + e_i``.

    Args:
        n_users: U.
        n_items: I.
        widths: Width of each modality's features.
        dim: Width D.
        layers: L.
    """

    def __init__(self, n_users: int, n_items: int, widths: list[int], dim: int, layers: int) -> None:
        super().__init__()
        self.layers = layers
        self.generator: torch.Generator | None = None  # of dropout; torch's own if None
        self.embeddings = Tables(n_users, n_items, dim)
        self.projections = nn.ModuleList(nn.Linear(width, dim) for width in widths)
        self.predictor = nn.Linear(dim, dim)
        for layer in [*self.projections, self.predictor]:
            nn.init.xavier_normal_(layer.weight)

    def encode(self, graph: Graph) -> Encoded:
        """All users and items: the mean over layers, with the items' own embeddings once more."""
        x = propagate_mean(graph, self.embeddings.joined(), self.layers)
        return Encoded(x, self.embeddings.items)

    def forward(
        self, graph: Graph, features: list[Tensor], users: Tensor, items: Tensor, *, config: BM3Config
    ) -> dict[str, Tensor]:
        """The terms of the loss of a batch.

        Args:
            graph: Normalised interactions, ``(U + I, U + I)``.
            features: Unit rows of each modality, ``(I, d_m)``; zero where it is missing.
            users: ``(B,)``.
            items: A training item of each, ``(B,)``.
            config: Dropout and weights.
        """
        encoded = self.encode(graph)
        rows = torch.cat(encoded.rows(users, items))
        share = config.dropout if self.training else 0.0
        target_u, target_i = dropout(rows.detach(), share, generator=self.generator).chunk(2)
        online_u, online_i = self.predictor(rows).chunk(2)
        everyone = rows.new_ones(len(users))
        terms = {"interaction": apart(online_u, target_i, everyone) + apart(online_i, target_u, everyone)}
        if config.content_weight:
            parts = []
            for layer, table in zip(self.projections, features, strict=True):
                given = take_rows(table, items)
                there = (given.square().sum(1) > 0).to(rows.dtype)
                h = layer(given)
                online = self.predictor(h)
                within = dropout(h.detach(), share, generator=self.generator)
                parts += [apart(online, target_i, there), apart(online, within, there)]
            terms["content"] = config.content_weight * torch.stack(parts).sum()
        if config.penalty:
            every_user, every_item = encoded.whole()
            terms["penalty"] = config.penalty * (every_user.norm() + every_item.norm()) / len(every_item)
        return terms


def apart(online: Tensor, target: Tensor, weight: Tensor) -> Tensor:
    """The mean of ``1 − cos`` over the rows of weight 1; 0 where there is none.

    Args:
        online: ``(B, D)``.
        target: ``(B, D)``; no gradient reaches it.
        weight: ``(B,)``, 0 or 1.
    """
    distance = 1 - F.cosine_similarity(online, target.detach(), dim=-1)
    return (distance * weight).sum() / weight.sum().clamp(min=1)


class BM3Task(OnePhaseTask):
    """Drives :class:`BM3`.

    (Zhou et al., *Bootstrap Latent Representations for Multi-modal Recommendation*, WWW 2023.) The loss is that of
    section 3: reconstruction of interactions, alignment between modalities and masking within each. Distances are
    ``1 − cos``, as the authors compute them, and the paper's ``−cos`` up to a constant. So is the penalty: the norm of
    all vectors over the number of items, where the paper has squares; the λ of its tables belongs to the former.
    Items that lack a modality take no part in its terms.
    """

    def __init__(self, dataset: Dataset, config: BM3Config, *, seed: int) -> None:
        self.features = content_features(dataset, model="bm3")
        sizes = dataset.n_users, dataset.n_items, [rows.shape[1] for rows in self.features]
        super().__init__(config.train, lambda: BM3(*sizes, config.dim, config.layers), seed=seed)
        self.config, self.seed = config, seed
        self.graph = Graph.from_csr(bipartite(dataset.train), symmetric=True)

    def to(self, device: torch.device | str) -> None:
        """Move the network and all that it reads to another device; between epochs."""
        super().to(device)
        self.features = [rows.to(device) for rows in self.features]
        self.graph = self.graph.to(device)

    @property
    def draws_by_torch(self) -> bool:  # type: ignore[override]
        """Only where the network is not on the CPU: its masks come from a generator of its own there."""
        return next(self.module.parameters()).device.type != "cpu"

    def begin_epoch(self, epoch: int) -> None:
        """Seed the epoch's dropout."""
        super().begin_epoch(epoch)
        own = None if self.draws_by_torch else torch_generator(self.seed, "dropout", epoch)
        cast("BM3", self.module).generator = own

    def step(self, batch: Batch) -> Terms:
        """The loss of one batch; its negatives are not looked at."""
        terms = self.module(self.graph, self.features, batch.users, batch.positives, config=self.config)
        return Terms.of(terms)

    @torch.no_grad()
    def state(self) -> State:
        """What the predictor makes of users and items."""
        net = cast("BM3", self.module)
        return DotState(*(net.predictor(rows) for rows in net.encode(self.graph).whole()))


# The authors' grid, and learning rates as for every trained model.
register(
    "bm3",
    BM3Config,
    task=BM3Task,
    space={
        "layers": [1, 2],
        "dropout": [0.3, 0.5],
        "penalty": [0.01, 0.1],
        "train.learning_rate": (5e-4, 5e-3),
    },
)
