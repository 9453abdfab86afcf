"""GUME: items alike in all modalities are joined in the graph, and what users show and extend are drawn together."""

from __future__ import annotations

from functools import reduce
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn

from magnet.config import Config
from magnet.models.content import content_features, joined_by_content, nearest_items_graph
from magnet.models.registry import register
from magnet.models.views import Inputs, Nodes, anchored, fuse, gate, gated_views, moments_apart, of_nodes
from magnet.models.views_task import DrawingTask
from magnet.nn.anchored import anchored_info_nce
from magnet.nn.losses import bpr, embedding_penalty
from magnet.nn.ops.gather import take_rows
from magnet.nn.propagate import Graph, propagate_mean
from magnet.nn.tables import Tables
from magnet.train.config import TrainConfig

if TYPE_CHECKING:
    from magnet.data import Dataset

__all__ = ["GUME", "GUMEConfig", "GUMETask"]


class GUMEConfig(Config):
    """GUME's settings.

    Attributes:
        dim: Width D.
        layers: Propagation steps over interactions and the edges between items that were added.
        item_layers: Propagation steps over each modality's graph of items.
        neighbours: Edges of an item in each modality's graph, that to itself among them.
        contrast: Weight of InfoNCE between behaviour and content, the external alignment.
        contrast_temperature: Its τ; at least .025, under which the exponentials leave float32.
        moments: Weight of the distance between the modalities' means and variances, the internal alignment.
        user_contrast: Weight of InfoNCE of users: between content and extended interests, and of each under noise.
        user_temperature: Its τ, at least .025.
        noise: Length of the noise.
        l2: Weight of the squared norms of the batch's vectors.
        interest_l2: The same of the extended interests of its positives.
        train: Epochs, batches and stopping.
    """

    dim: int = Field(64, ge=1, le=1024)
    layers: int = Field(3, ge=0, le=8)
    item_layers: int = Field(2, ge=0, le=8)
    neighbours: int = Field(10, ge=1, le=1000)
    contrast: float = Field(0.01, ge=0)
    contrast_temperature: float = Field(0.4, ge=0.025)
    moments: float = Field(0.1, ge=0)
    user_contrast: float = Field(0.01, ge=0)
    user_temperature: float = Field(0.1, ge=0.025)
    noise: float = Field(0.1, ge=0)
    l2: float = Field(1e-5, ge=0)
    interest_l2: float = Field(0.1, ge=0)
    train: TrainConfig = TrainConfig()


class GUME(nn.Module):
    """``z = behaviour + content``, both of users and items.

    Args:
        n_users: U.
        n_items: I.
        widths: Width of each modality's features.
        config: Widths, layers and weights.
    """

    def __init__(self, n_users: int, n_items: int, widths: list[int], config: GUMEConfig) -> None:
        super().__init__()
        dim = config.dim
        self.n_users, self.config = n_users, config
        self.generator: torch.Generator | None = None  # of noise; torch's own if None
        self.embeddings = Tables(n_users, n_items, dim)
        # The paper has a table for each modality, of whose mean alone the loss depends.
        self.interests = nn.Parameter(torch.empty(n_users, dim))
        nn.init.xavier_uniform_(self.interests, gain=len(widths) ** -0.5)
        self.transforms = nn.ModuleList(nn.Linear(width, dim) for width in widths)
        self.gates = nn.ModuleList(nn.Linear(dim, dim) for _ in widths)
        self.attention = nn.Sequential(nn.Linear(dim, dim), nn.Tanh(), nn.Linear(dim, 1, bias=False))
        self.preferences = nn.ModuleList(nn.Linear(dim, dim) for _ in widths)

    def encode(
        self, inputs: Inputs, pool: Graph, users: Tensor, items: Tensor
    ) -> tuple[Tensor, Tensor, Tensor, list[Tensor], list[Tensor]]:
        """Some users and items, ``(n + m, D)``, users first; then their behaviour and content, whose sum they are.

        Then what each modality says of them, and what it says of all items, ``(I, D)`` each.

        Args:
            inputs: Graphs and features.
            pool: The rows of these users among the normalised interactions, ``(n, I)``.
            users: ``(n,)``.
            items: ``(m,)``.
        """
        gates = map(gate, inputs.features, self.transforms, self.gates)
        said = gated_views(self.embeddings.items, gates, inputs.items, layers=self.config.item_layers)
        views = of_nodes(said, pool, items)
        x = propagate_mean(inputs.interactions, self.embeddings.joined(), self.config.layers)
        own = take_rows(x, torch.cat([users, self.n_users + items]))
        content = fuse(self.attention, self.preferences, own, views)
        return own + content, own, content, views, said

    def forward(self, inputs: Inputs, pool: Graph, nodes: Nodes) -> dict[str, Tensor]:
        """The terms of the loss of a batch: BPR, both alignments, InfoNCE of users and two penalties.

        Args:
            inputs: Graphs and features.
            pool: The rows of the batch's users among the normalised interactions, ``(P, I)``.
            nodes: The users and items of the batch.
        """
        config, sides = self.config, nodes.sides()
        encoded, own, content, views, said = self.encode(inputs, pool, nodes.users, nodes.items)
        z = take_rows(encoded, nodes.triples())
        u, i, j = z.chunk(3)
        terms = {"ranking": bpr((u * i).sum(-1), (u * j).sum(-1))}
        if config.contrast:
            terms["contrast"] = config.contrast * anchored(content, own, sides, config.contrast_temperature)
        if config.moments and len(views) > 1:
            terms["moments"] = config.moments * moments_apart(views)
        if config.user_contrast or config.interest_l2:
            # Spreading is linear: of the mean over modalities it is the mean of what it is of each.
            start = torch.cat([self.interests, reduce(torch.add, said) / len(said)])
            extended = propagate_mean(inputs.interactions, start, config.layers)
            positives = nodes.items[nodes.item_places[: nodes.pairs]]
            wanted = torch.cat([nodes.users[sides[0]], self.n_users + positives])
            interests, of_items = take_rows(extended, wanted).split_with_sizes([len(sides[0]), nodes.pairs])
            if config.user_contrast:
                users = self.of_users(take_rows(content, sides[0]), interests)
                terms["users"] = config.user_contrast * users
            if config.interest_l2:
                terms["interest_l2"] = config.interest_l2 * embedding_penalty(of_items, pairs=nodes.pairs)
        if config.l2:
            terms["l2"] = config.l2 * embedding_penalty(z, pairs=nodes.pairs)
        return terms

    def of_users(self, shown: Tensor, interests: Tensor) -> Tensor:
        """InfoNCE between content and extended interests of the same users, ``(n, D)``, and of each under noise."""
        tau = self.config.user_temperature
        pairs = [(interests, shown), *((self.noisy(x), self.noisy(x)) for x in (shown, interests))]
        return torch.stack([anchored_info_nce(a, b, tau) for a, b in pairs]).sum()

    def noisy(self, x: Tensor) -> Tensor:
        """Rows ``(n, D)``, in training each moved by noise of a fixed length within its orthant."""
        if not self.training:
            return x
        drawn = torch.empty_like(x).uniform_(generator=self.generator)
        return x + self.config.noise * x.sign() * F.normalize(drawn, dim=-1)


class GUMETask(DrawingTask):
    """Drives :class:`GUME`.

    (Lin et al., *GUME: Graphs and User Modalities Enhancement for Long-Tail Multimodal Recommendation*, CIKM 2024,
    section 3.) Means and variances of modalities are those of the batch's users and items, each once. InfoNCE is
    taken over at most 1,024 pairs of a batch, each user and item once (theirs over all pairs), without those
    that lack what is compared. Of more than two modalities, moments are compared pair by pair and the mean is
    taken. Their code trains the features as well; here they stay as they are.
    """

    def __init__(self, dataset: Dataset, config: GUMEConfig, *, seed: int) -> None:
        features = content_features(dataset, model="gume")
        sizes = dataset.n_users, dataset.n_items, [rows.shape[1] for rows in features]
        near = [nearest_items_graph(m, config.neighbours, weighted=True) for m in dataset.modalities.values()]
        super().__init__(
            dataset,
            config.train,
            lambda: GUME(*sizes, config),
            graph=joined_by_content(dataset.train, near),
            items=near,
            features=features,
            seed=seed,
        )


# Around what the authors chose for four data sets, and learning rates as for every trained model.
register(
    "gume",
    GUMEConfig,
    task=GUMETask,
    space={
        "item_layers": [1, 2],
        "contrast_temperature": [0.2, 0.4],
        "moments": [1e-3, 1e-2, 1e-1],
        "user_contrast": [0.01, 0.1],
        "user_temperature": [0.1, 0.2],
        "train.learning_rate": (5e-4, 5e-3),
    },
)
