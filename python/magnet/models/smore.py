"""SMORE: modalities are denoised and fused as spectra, and behaviour says how much of each a user prefers."""

from __future__ import annotations

from functools import reduce
from typing import TYPE_CHECKING, Annotated

import torch
from pydantic import Field
from torch import Tensor, nn

from magnet.config import Config
from magnet.errors import ConfigError, nearest
from magnet.graph.build import bipartite, union_max
from magnet.models.content import content_features, nearest_items_graph
from magnet.models.registry import register
from magnet.models.views import Inputs, Nodes, anchored, gated_views, of_nodes
from magnet.models.views_task import DrawingTask
from magnet.nn.dropout import coarse_dropout
from magnet.nn.losses import bpr, embedding_penalty
from magnet.nn.ops.gather import take_rows
from magnet.nn.propagate import Graph, propagate_mean
from magnet.nn.spectrum import SpectralGates
from magnet.nn.tables import Tables
from magnet.train.config import TrainConfig

if TYPE_CHECKING:
    from collections.abc import Sequence

    from magnet.data import Dataset

__all__ = ["SMORE", "SMOREConfig", "SMORETask"]


class SMOREConfig(Config):
    """SMORE's settings.

    Attributes:
        dim: Width D.
        layers: Propagation steps over interactions.
        item_layers: Propagation steps over each graph of items.
        neighbours: Edges of an item in each modality's graph, that to itself among them.
        neighbours_of: The same by modality name, where they differ; the paper has 40 for the images of Baby and 15 for
            its texts.
        dropout: Share of the preferences that are lost in training.
        contrast: λ_1, the weight of InfoNCE between behaviour and content.
        temperature: τ of InfoNCE; at least .025, under which the exponentials leave float32.
        l2: λ_2, the weight of the squared norms of the batch's vectors.
        train: Epochs, batches and stopping.
    """

    dim: int = Field(64, ge=1, le=1024)
    layers: int = Field(4, ge=0, le=8)
    item_layers: int = Field(1, ge=0, le=8)
    neighbours: int = Field(15, ge=1, le=1000)
    neighbours_of: dict[str, Annotated[int, Field(ge=1, le=1000)]] = Field({})
    dropout: float = Field(0.1, ge=0, lt=1)
    contrast: float = Field(0.01, ge=0)
    temperature: float = Field(0.2, ge=0.025)
    l2: float = Field(1e-4, ge=0)
    train: TrainConfig = TrainConfig()


class SMORE(nn.Module):
    """``z = behaviour + content``, both of users and items.

    Args:
        n_users: U.
        n_items: I.
        widths: Width of each modality's features.
        config: Widths, layers and weights.
    """

    def __init__(self, n_users: int, n_items: int, widths: list[int], config: SMOREConfig) -> None:
        super().__init__()
        dim, own = config.dim, len(widths)
        self.n_users, self.config = n_users, config
        self.generator: torch.Generator | None = None  # of dropout; torch's own if None
        self.embeddings = Tables(n_users, n_items, dim)
        self.gates = SpectralGates(widths, dim)
        self.queries = nn.ModuleList(
            nn.Sequential(nn.Linear(dim, dim), nn.Tanh(), nn.Linear(dim, dim, bias=False)) for _ in widths
        )
        self.preferences = nn.Linear(dim, (own + 1) * dim)

    def encode(
        self, inputs: Inputs, pool: Graph, users: Tensor, items: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Some users and items, ``(n + m, D)``, users first; then their behaviour and content, whose sum they are.

        Args:
            inputs: Graphs and features.
            pool: The rows of these users among the normalised interactions, ``(n, I)``.
            users: ``(n,)``.
            items: ``(m,)``.
        """
        x = propagate_mean(inputs.interactions, self.embeddings.joined(), self.config.layers)
        own = take_rows(x, torch.cat([users, self.n_users + items]))
        gates = self.gates(inputs.features)
        views = gated_views(self.embeddings.items, gates, inputs.items, layers=self.config.item_layers)
        content = self.prefer(own, of_nodes(views, pool, items))
        return own + content, own, content

    def prefer(self, behaviour: Tensor, views: Sequence[Tensor]) -> Tensor:
        """One content vector of some users and items, ``(n, D)``; a row depends on the same rows alone.

        The fused view says by attention which numbers of a modality count, behaviour how much of each view does.
        """
        share = self.config.dropout if self.training else 0.0
        asked = coarse_dropout(torch.sigmoid(self.preferences(behaviour)), share, generator=self.generator)
        *own, fused = views
        seen = [torch.softmax(query(fused), -1) * view for query, view in zip(self.queries, own, strict=True)]
        parts = zip(asked.chunk(len(views), 1), [*seen, fused], strict=True)
        return torch.stack([how_much * view for how_much, view in parts]).mean(0)

    def forward(self, inputs: Inputs, pool: Graph, nodes: Nodes) -> dict[str, Tensor]:
        """The terms of the loss of a batch: BPR, InfoNCE and the penalty.

        Args:
            inputs: Graphs and features.
            pool: The rows of the batch's users among the normalised interactions, ``(P, I)``.
            nodes: The users and items of the batch.
        """
        config = self.config
        encoded, own, content = self.encode(inputs, pool, nodes.users, nodes.items)
        z = take_rows(encoded, nodes.triples())
        u, i, j = z.chunk(3)
        terms = {"ranking": bpr((u * i).sum(-1), (u * j).sum(-1))}
        if config.contrast:
            terms["contrast"] = config.contrast * anchored(content, own, nodes.sides(), config.temperature)
        if config.l2:
            terms["l2"] = config.l2 * embedding_penalty(z, pairs=nodes.pairs)
        return terms


class SMORETask(DrawingTask):
    """Drives :class:`SMORE`.

    (Ong & Khong, *Spectrum-based Modality Representation Fusion Graph Convolutional Network for Multimodal
    Recommendation*, WSDM 2025, section 3.) As the authors compute it, the fused spectrum is the product of the
    modalities' spectra before they are denoised, and attention is a softmax over the D numbers of a row. InfoNCE is
    taken over at most 1,024 pairs of a batch, each user and item once (theirs over all pairs), without those
    that lack what is compared. Their code trains the features as well; here they stay as they are.
    """

    def __init__(self, dataset: Dataset, config: SMOREConfig, *, seed: int) -> None:
        features = content_features(dataset, model="smore")
        sizes = dataset.n_users, dataset.n_items, [rows.shape[1] for rows in features]
        for name in config.neighbours_of:
            if name not in dataset.modalities:
                raise ConfigError(f"neighbours_of: no modality '{name}'{nearest(name, dataset.modalities)}")
        graphs = [
            nearest_items_graph(m, config.neighbours_of.get(name, config.neighbours), weighted=True)
            for name, m in dataset.modalities.items()
        ]
        # Max pooling: an edge of several modalities weighs what it does in the one where it weighs most.
        super().__init__(
            dataset,
            config.train,
            lambda: SMORE(*sizes, config),
            graph=bipartite(dataset.train),
            # Max pooling: an edge of several modalities weighs what it does in the one where it weighs most.
            items=[*graphs, reduce(union_max, graphs)],
            features=features,
            seed=seed,
        )


# The authors' grid, and learning rates as for every trained model.
register(
    "smore",
    SMOREConfig,
    task=SMORETask,
    space={
        "layers": [3, 4],
        "neighbours": [10, 15, 20, 40],
        "dropout": [0.0, 0.1],
        "contrast": [0.01, 0.03],
        "l2": [1e-5, 1e-4],
        "train.learning_rate": (5e-4, 5e-3),
    },
)
