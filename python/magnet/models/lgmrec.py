"""LGMRec: behaviour and content over the graph of interactions, and a few hyperedges that all items share."""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING, NamedTuple, cast

import numpy as np
import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn

from magnet.config import Config
from magnet.graph.build import bipartite
from magnet.models.content import content_features
from magnet.models.registry import register
from magnet.nn.dropout import dropout
from magnet.nn.losses import ALIGNED_ROWS, LossConfig, alignment, bpr, embedding_penalty
from magnet.nn.ops.gather import distinct, take_rows
from magnet.nn.propagate import Graph, multiply, propagate_mean
from magnet.nn.tables import Tables
from magnet.seeds import torch_generator
from magnet.states import DotState, State
from magnet.train.config import TrainConfig
from magnet.train.one_phase import OnePhaseTask
from magnet.train.task import Batch, Terms

if TYPE_CHECKING:
    from collections.abc import Sequence

    from magnet.data import Dataset

__all__ = ["LGMRec", "LGMRecConfig", "LGMRecTask"]


class LGMRecConfig(Config):
    """LGMRec's settings.

    Attributes:
        dim: Width D.
        layers: Propagation steps of embeddings over interactions.
        content_layers: Propagation steps of features over interactions.
        hyperedges: A, the hyperedges of each modality.
        hyper_layers: Steps over hyperedges.
        temperature: τ of the softmax over hyperedges.
        keep: Share of the incidences that are kept in training.
        hyper_weight: α, the weight of what passes over hyperedges.
        contrast: λ_1, the weight of InfoNCE between modalities.
        contrast_temperature: τ of InfoNCE; at least .025, under which the exponentials leave float32.
        l2: λ_2, the weight of the squared norms of the batch's embeddings.
        train: Epochs, batches and stopping.
    """

    dim: int = Field(64, ge=1, le=1024)
    layers: int = Field(2, ge=0, le=8)
    content_layers: int = Field(2, ge=0, le=8)
    hyperedges: int = Field(4, ge=1, le=1024)
    hyper_layers: int = Field(1, ge=1, le=8)
    temperature: float = Field(0.2, gt=0)
    keep: float = Field(0.5, gt=0, le=1)
    hyper_weight: float = Field(0.3, ge=0)
    contrast: float = Field(1e-4, ge=0)
    contrast_temperature: float = Field(0.2, ge=0.025)
    l2: float = Field(1e-6, ge=0)
    train: TrainConfig = TrainConfig()


class Content(NamedTuple):
    """What is known of one modality and never changes."""

    features: Tensor  # (I, d), unit rows
    taken: Tensor  # (U, d), the sum of the features of what each user took
    spread: Tensor  # (U + I, d), features after propagation, users beginning as the mean of what they took


class LGMRec(nn.Module):
    """``z = x + Σ_m c_m / |c_m| + α g / |g|``: behaviour x, content c_m of each modality, and g over hyperedges.

    Args:
        n_users: U.
        n_items: I.
        widths: Width of each modality's features.
        config: Widths, layers and weights.
    """

    def __init__(self, n_users: int, n_items: int, widths: list[int], config: LGMRecConfig) -> None:
        super().__init__()
        self.n_users, self.config = n_users, config
        self.generator: torch.Generator | None = None  # of noise and dropout; torch's own if None
        self.embeddings = Tables(n_users, n_items, config.dim)
        self.transforms = nn.ModuleList(nn.Linear(width, config.dim, bias=False) for width in widths)
        self.hyperedges = nn.ModuleList(nn.Linear(width, config.hyperedges, bias=False) for width in widths)
        for layer in [*self.transforms, *self.hyperedges]:
            nn.init.xavier_uniform_(cast("nn.Linear", layer).weight)

    def encode(
        self, graph: Graph, content: list[Content], users: Tensor, items: Tensor
    ) -> tuple[Tensor, list[Tensor]]:
        """Some users and items, ``(n + m, D)``, users first, and what passes over each modality's hyperedges.

        Args:
            graph: Normalised interactions, ``(U + I, U + I)``.
            content: Of each modality.
            users: ``(n,)``.
            items: ``(m,)``.
        """
        x = propagate_mean(graph, self.embeddings.joined(), self.config.layers)
        nodes = torch.cat([users, self.n_users + items])
        z = take_rows(x, nodes)
        parts, passed = [z], []
        for known, transform, edges in zip(content, self.transforms, self.hyperedges, strict=True):
            parts.append(F.normalize(transform(take_rows(known.spread, nodes)), dim=-1))
            passed.append(self.over_hyperedges(known, edges, x[self.n_users :], users, items))
        hyper = F.normalize(torch.stack(passed).sum(0), dim=-1)
        return torch.stack(parts).sum(0) + self.config.hyper_weight * hyper, passed

    def over_hyperedges(
        self, known: Content, edges: nn.Module, x: Tensor, users: Tensor, items: Tensor
    ) -> Tensor:
        """What some users and items receive over the hyperedges of one modality, ``(n + m, D)``.

        Args:
            known: The modality.
            edges: From features to hyperedges.
            x: What items bring, ``(I, D)``.
            users: ``(n,)``.
            items: ``(m,)``.
        """
        of_items = self.incidence(edges(known.features))  # (I, A)
        of_users = self.incidence(edges(take_rows(known.taken, users)))  # (n, A)
        for _ in range(self.config.hyper_layers - 1):
            x = of_items @ (of_items.T @ x)
        carried = of_items.T @ x  # (A, D)
        return torch.cat([of_users @ carried, take_rows(of_items, items) @ carried])

    def incidence(self, logits: Tensor) -> Tensor:
        """How much each row belongs to each hyperedge, ``(n, A)``: a softmax, with noise and dropout in training."""
        if self.training:
            # Gumbel noise
            logits = logits - torch.empty_like(logits).exponential_(generator=self.generator).log()
        soft = torch.softmax(logits / self.config.temperature, 1)
        return dropout(soft, 1 - self.config.keep if self.training else 0.0, generator=self.generator)

    def forward(
        self,
        graph: Graph,
        content: list[Content],
        users: tuple[Tensor, Tensor],
        items: tuple[Tensor, Tensor],
    ) -> dict[str, Tensor]:
        """The terms of the loss of a batch: BPR, InfoNCE between modalities and the penalty.

        Args:
            graph: Normalised interactions, ``(U + I, U + I)``.
            content: Of each modality.
            users: Those of the batch, each once, ``(P,)``, and the place of each pair's among them, ``(B,)``.
            items: The same of items, ``(Q,)`` and ``(2 B,)``, positives first.
        """
        (own, user_places), (theirs, item_places) = users, items
        n, pairs = len(own), len(user_places)
        encoded, passed = self.encode(graph, content, own, theirs)
        u, i, j = take_rows(encoded, torch.cat([user_places, n + item_places])).chunk(3)
        terms = {"ranking": bpr((u * i).sum(-1), (u * j).sum(-1))}
        config = self.config
        if config.contrast and len(content) > 1:
            rows = min(pairs, ALIGNED_ROWS)
            sides = distinct(user_places[:rows], n)[0], n + distinct(item_places[:rows], len(theirs))[0]
            terms["contrast"] = config.contrast * self.contrast(passed, sides)
        if config.l2:
            rows_of_batch = torch.cat(
                [
                    take_rows(self.embeddings.users, own[user_places]),
                    take_rows(self.embeddings.items, theirs[item_places]),
                ]
            )
            terms["l2"] = config.l2 * embedding_penalty(rows_of_batch, pairs=pairs)
        return terms

    def contrast(self, passed: list[Tensor], sides: Sequence[Tensor]) -> Tensor:
        """InfoNCE between what passes over the hyperedges of two modalities: the mean over all pairs of them."""
        loss = LossConfig(alignment_temperature=self.config.contrast_temperature)
        parts = [
            torch.stack([alignment(take_rows(a, at), take_rows(b, at), loss) for at in sides]).sum()
            for a, b in combinations(passed, 2)
        ]
        return torch.stack(parts).mean()


class LGMRecTask(OnePhaseTask):
    """Drives :class:`LGMRec`.

    (Guo et al., *LGMRec: Local and Global Graph Learning for Multimodal Recommendation*, AAAI 2024.) Content is linear
    in the features until it is normalised, so that features are propagated once, before training, instead of their
    projections in every step: the result is the same. Noise of hyperedges is Gumbel's, and there is none where the
    model predicts. InfoNCE is Magnet's, symmetric, over at most 1,024 pairs of a batch, each user and item once; the
    paper has two modalities, of more we take the mean over their pairs.
    """

    def __init__(self, dataset: Dataset, config: LGMRecConfig, *, seed: int) -> None:
        features = content_features(dataset, model="lgmrec")
        sizes = dataset.n_users, dataset.n_items, [rows.shape[1] for rows in features]
        super().__init__(config.train, lambda: LGMRec(*sizes, config), seed=seed)
        self.n_users, self.n_items, self.seed = dataset.n_users, dataset.n_items, seed
        self.graph = Graph.from_csr(bipartite(dataset.train), symmetric=True)
        taken = Graph.from_csr(dataset.train, symmetric=False)
        degree = torch.from_numpy(np.diff(dataset.train.indptr)).clamp(min=1)[:, None]
        self.content = []
        for rows in features:
            sums = multiply(taken, rows)
            spread = torch.cat([sums / degree, rows])
            for _ in range(config.content_layers):
                spread = multiply(self.graph, spread)
            self.content.append(Content(rows, sums, spread))

    def to(self, device: torch.device | str) -> None:
        """Move the network and all that it reads to another device; between epochs."""
        super().to(device)
        self.graph = self.graph.to(device)
        self.content = [Content(*(part.to(device) for part in known)) for known in self.content]

    @property
    def draws_by_torch(self) -> bool:  # type: ignore[override]
        """Only where the network is not on the CPU: noise and masks come from a generator of its own there."""
        return next(self.module.parameters()).device.type != "cpu"

    def begin_epoch(self, epoch: int) -> None:
        """Seed the epoch's noise and dropout."""
        super().begin_epoch(epoch)
        own = None if self.draws_by_torch else torch_generator(self.seed, "dropout", epoch)
        cast("LGMRec", self.module).generator = own

    def step(self, batch: Batch) -> Terms:
        """The loss of one batch."""
        users = distinct(batch.users, self.n_users)
        items = distinct(torch.cat([batch.positives, batch.negatives]), self.n_items)
        return Terms.of(self.module(self.graph, self.content, users, items))

    @torch.no_grad()
    def state(self) -> State:
        """All users and items, without noise and dropout."""
        net = cast("LGMRec", self.module).eval()
        device = net.embeddings.users.device
        users, items = (torch.arange(n, device=device) for n in (self.n_users, self.n_items))
        z, _ = net.encode(self.graph, self.content, users, items)
        return DotState(z[: self.n_users].contiguous(), z[self.n_users :].contiguous())


# Around what the authors chose for three data sets, and learning rates as for every trained model.
register(
    "lgmrec",
    LGMRecConfig,
    task=LGMRecTask,
    space={
        "hyperedges": [4, 8, 16, 32, 64],
        "hyper_layers": [1, 2],
        "keep": (0.2, 0.5),
        "hyper_weight": (0.2, 0.6),
        "train.learning_rate": (5e-4, 5e-3),
    },
)
