"""VBPR: BPR-MF with a second pair of vectors, that of the item being a projection of its features."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import torch
from pydantic import Field
from torch import Tensor, nn

from magnet.config import Config
from magnet.models.content import content_features
from magnet.models.registry import register
from magnet.nn.losses import bpr, embedding_penalty
from magnet.nn.ops.gather import take_rows
from magnet.states import DotState, State
from magnet.train.config import TrainConfig
from magnet.train.one_phase import OnePhaseTask
from magnet.train.task import Batch, Terms

if TYPE_CHECKING:
    from magnet.data import Dataset

__all__ = ["VBPR", "VBPRConfig", "VBPRTask"]


class VBPRConfig(Config):
    """Settings of VBPR.

    Attributes:
        dim: Width K of the vectors that are free.
        content_dim: Width D of the vectors that meet features.
        l2: Weight of the squared norms of the batch's vectors and biases.
        l2_content: Weight of the squared norm of the projection and of the bias of features.
        train: Epochs, batches and stopping.
    """

    dim: int = Field(64, ge=1, le=1024)
    content_dim: int = Field(64, ge=1, le=1024)
    l2: float = Field(1e-2, ge=0)
    l2_content: float = Field(0.0, ge=0)
    train: TrainConfig = TrainConfig()


class VBPR(nn.Module):
    """``score(u, i) = β_i + ⟨γ_u, γ_i⟩ + ⟨θ_u, E f_i⟩ + ⟨β', f_i⟩`` (He & McAuley, AAAI 2016, equation 4).

    The offset and the user's bias of the paper are left out: they are the same for all items of a user, and cancel.

    Args:
        n_users: U.
        n_items: I.
        width: Features of an item, all modalities side by side.
        dim: K.
        content_dim: D.
    """

    def __init__(self, n_users: int, n_items: int, width: int, dim: int, content_dim: int) -> None:
        super().__init__()
        normal = nn.init.normal_
        self.users = nn.Parameter(normal(torch.empty(n_users, dim + content_dim), std=0.1))  # γ_u and θ_u
        self.items = nn.Parameter(normal(torch.empty(n_items, dim), std=0.1))
        self.item_bias = nn.Parameter(torch.zeros(n_items, 1))
        self.projection = nn.Linear(width, content_dim, bias=False)  # E
        self.content_bias = nn.Linear(width, 1, bias=False)  # β'
        nn.init.xavier_uniform_(self.projection.weight)
        nn.init.zeros_(self.content_bias.weight)

    def encode(self, items: Tensor, bias: Tensor, features: Tensor) -> Tensor:
        """Items as one vector each, ``(n, K + D + 1)``: what users' vectors meet, and the biases.

        Args:
            items: γ_i, ``(n, K)``.
            bias: β_i, ``(n, 1)``.
            features: f_i, ``(n, width)``.
        """
        return torch.cat([items, self.projection(features), bias + self.content_bias(features)], 1)

    def forward(
        self,
        features: Tensor,
        users: Tensor,
        positives: Tensor,
        negatives: Tensor,
        *,
        l2: float,
        l2_content: float,
    ) -> dict[str, Tensor]:
        """The terms of the loss of a batch: BPR and the penalties.

        Args:
            features: Of all items, ``(I, width)``.
            users: ``(B,)``.
            positives: A training item of each user, ``(B,)``.
            negatives: An unseen one, ``(B,)``.
            l2: Weight of the penalty of vectors.
            l2_content: Weight of that of the projection.
        """
        drawn = torch.cat([positives, negatives])
        own, items, bias = (
            take_rows(table, at)
            for table, at in ((self.users, users), (self.items, drawn), (self.item_bias, drawn))
        )
        i, j = self.encode(items, bias, take_rows(features, drawn)).chunk(2)
        apart = i - j
        difference = (own * apart[:, :-1]).sum(-1) + apart[:, -1]
        terms = {"ranking": bpr(difference, torch.zeros_like(difference))}
        if l2:
            rows = [own, items, bias]
            terms["l2"] = l2 * sum((embedding_penalty(r, pairs=len(users)) for r in rows), own.new_zeros(()))
        if l2_content:
            norm = self.projection.weight.square().sum() + self.content_bias.weight.square().sum()
            terms["l2_content"] = l2_content * norm / 2
        return terms


class VBPRTask(OnePhaseTask):
    """Drives :class:`VBPR`. Features are unit rows of all modalities, side by side; the paper has one, images."""

    draws_by_torch = False

    def __init__(self, dataset: Dataset, config: VBPRConfig, *, seed: int) -> None:
        self.features = torch.cat(content_features(dataset, model="vbpr"), 1)
        sizes = dataset.n_users, dataset.n_items, self.features.shape[1]
        super().__init__(config.train, lambda: VBPR(*sizes, config.dim, config.content_dim), seed=seed)
        self.config = config

    def to(self, device: torch.device | str) -> None:
        """Move the network and the features to another device; between epochs."""
        super().to(device)
        self.features = self.features.to(device)

    def step(self, batch: Batch) -> Terms:
        """BPR and the penalties."""
        return Terms.of(
            self.module(
                self.features,
                batch.users,
                batch.positives,
                batch.negatives,
                l2=self.config.l2,
                l2_content=self.config.l2_content,
            )
        )

    @torch.no_grad()
    def state(self) -> State:
        """Users with a 1 for the biases, items as they are encoded."""
        net = cast("VBPR", self.module)
        users = torch.cat([net.users, net.users.new_ones(len(net.users), 1)], 1)
        return DotState(users, net.encode(net.items, net.item_bias, self.features))


# What the authors of FREEDOM and BM3 searched for it.
register("vbpr", VBPRConfig, task=VBPRTask, space={"l2": (1e-5, 2.0), "train.learning_rate": (5e-4, 5e-3)})
