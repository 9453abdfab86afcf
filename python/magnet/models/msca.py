"""MSCA: what users share and what each modality says of items, cleared of what they repeat and aligned to behaviour."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from pydantic import Field
from scipy.sparse import csr_array, eye_array
from torch import Tensor, nn

from magnet.config import Config
from magnet.graph.build import bipartite, shared_items
from magnet.models.content import content_features, nearest_items_graph, normalised
from magnet.models.registry import register
from magnet.models.views import Inputs, Nodes, anchored, attend, gate, gated_views, of_nodes
from magnet.models.views_task import ViewsTask
from magnet.nn.losses import bpr
from magnet.nn.ops.gather import take_rows
from magnet.nn.propagate import Graph, multiply, propagate_mean
from magnet.nn.tables import Tables
from magnet.train.config import TrainConfig

if TYPE_CHECKING:
    from magnet.data import Dataset

__all__ = ["MSCA", "MSCAConfig", "MSCATask"]


class MSCAConfig(Config):
    """MSCA's settings.

    Attributes:
        dim: Width D.
        layers: L, the propagation steps over interactions.
        neighbours: Edges of an item in each modality's graph, that to itself among them; in the graph of shared users
            those to other items.
        fusion: α, the weight of the views beside behaviour.
        contrast: λ_1, the weight of InfoNCE between behaviour and each view.
        temperature: τ of InfoNCE; at least .025, under which the exponentials leave float32.
        l2: λ_2, the weight of the squared norms of all parameters.
        train: Epochs, batches and stopping.
    """

    dim: int = Field(64, ge=1, le=1024)
    layers: int = Field(2, ge=1, le=8)
    neighbours: int = Field(10, ge=1, le=1000)
    fusion: float = Field(0.4, ge=0)
    contrast: float = Field(5e-3, ge=0)
    temperature: float = Field(0.2, ge=0.025)
    l2: float = Field(3e-7, ge=0)
    train: TrainConfig = TrainConfig()


class MSCA(nn.Module):
    """``z = x + α (Σ_v h_v − Σ_v a_v h_v)``: behaviour x, the views h_v, and attention a_v to what they repeat.

    Args:
        n_users: U.
        n_items: I.
        widths: Width of each modality's features.
        config: Widths, layers and weights.
    """

    def __init__(self, n_users: int, n_items: int, widths: list[int], config: MSCAConfig) -> None:
        super().__init__()
        dim = config.dim
        self.n_users, self.config = n_users, config
        self.embeddings = Tables(n_users, n_items, dim)
        self.transforms = nn.ModuleList(nn.Linear(width, dim) for width in widths)  # W_1
        self.gates = nn.ModuleList(nn.Linear(dim, dim) for _ in widths)  # W_2
        self.attention = nn.Sequential(
            nn.Linear(dim, dim), nn.Tanh(), nn.Linear(dim, 1, bias=False)
        )  # W_3, W_4

    def encode(
        self, inputs: Inputs, pool: Graph, users: Tensor, items: Tensor
    ) -> tuple[Tensor, Tensor, list[Tensor]]:
        """Some users and items, ``(n + m, D)``, users first; then their behaviour, and what each view says of them.

        Args:
            inputs: Graphs and features; the graph of shared users is the last one of items.
            pool: The rows of these users among the normalised interactions, ``(n, I)``.
            users: ``(n,)``.
            items: ``(m,)``.
        """
        embedded, config = self.embeddings, self.config
        *of_content, shared = inputs.items
        # The mean of the layers from 1 to L, without the embeddings themselves.
        lower = propagate_mean(inputs.interactions, embedded.joined(), config.layers - 1)
        own = take_rows(multiply(inputs.interactions, lower), torch.cat([users, self.n_users + items]))
        gates = map(gate, inputs.features, self.transforms, self.gates)
        said = gated_views(embedded.items, gates, of_content, layers=1)
        views = of_nodes([*said, multiply(shared, embedded.items)], pool, items)
        new = torch.stack(views).sum(0) - attend(self.attention, views)
        return own + config.fusion * new, own, views

    def forward(self, inputs: Inputs, pool: Graph, nodes: Nodes) -> dict[str, Tensor]:
        """The terms of the loss of a batch: BPR, InfoNCE of each view with behaviour, and the penalty.

        Args:
            inputs: Graphs and features.
            pool: The rows of the batch's users among the normalised interactions, ``(P, I)``.
            nodes: The users and items of the batch.
        """
        config = self.config
        encoded, own, views = self.encode(inputs, pool, nodes.users, nodes.items)
        u, i, j = take_rows(encoded, nodes.triples()).chunk(3)
        terms = {"ranking": bpr((u * i).sum(-1), (u * j).sum(-1))}
        if config.contrast:
            parts = [anchored(own, view, nodes.sides(), config.temperature) for view in views]
            terms["contrast"] = config.contrast * torch.stack(parts).sum()
        if config.l2:
            terms["l2"] = (
                config.l2 * torch.stack([squares(parameter) for parameter in self.parameters()]).sum()
            )
        return terms


def squares(x: Tensor) -> Tensor:
    """The sum of the squares of all numbers, with the gradient ``2 x`` in a single pass over a large table."""
    x = x.flatten()
    half = x.detach() @ x  # its gradient is x
    return 2 * half - half.detach()


class MSCATask(ViewsTask):
    """Drives :class:`MSCA`.

    (Li & Wang, *Multi-view Semantic Contrastive Alignment for Multimodal Recommendation*, WWW 2026, section 3.) Where
    the text and what the authors compute differ, this is what they compute: attention is a softmax over the views (of
    the single number that the text names it would be 1, and leave nothing), and edges of content weigh their cosine.
    InfoNCE is taken over at most 1,024 pairs of a batch, each user and item once (theirs over all pairs), without
    those that lack what is compared. Their code trains the features as well, and penalises them; here they stay as
    they are.
    """

    def __init__(self, dataset: Dataset, config: MSCAConfig, *, seed: int) -> None:
        features = content_features(dataset, model="msca")
        sizes = dataset.n_users, dataset.n_items, [rows.shape[1] for rows in features]
        k = config.neighbours
        itself = eye_array(dataset.n_items, dtype="float32", format="csr")
        shared = normalised(csr_array(itself + shared_items(dataset.train, k)))
        super().__init__(
            dataset,
            config.train,
            lambda: MSCA(*sizes, config),
            graph=bipartite(dataset.train),
            items=[*(nearest_items_graph(m, k, weighted=True) for m in dataset.modalities.values()), shared],
            features=features,
            seed=seed,
        )


# The authors' grid, and learning rates as for every trained model.
register(
    "msca",
    MSCAConfig,
    task=MSCATask,
    space={
        "layers": [1, 2, 3, 4],
        "fusion": (0.1, 1.0),
        "contrast": (1e-3, 1e-1),
        "l2": (5e-10, 5e-6),
        "train.learning_rate": (5e-4, 5e-3),
    },
)
