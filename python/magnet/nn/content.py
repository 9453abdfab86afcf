"""Content cues: what an item's features say, and what a user's history says in the same terms."""

from __future__ import annotations

from typing import Literal, NamedTuple

import torch
from pydantic import Field
from torch import Tensor, nn

from magnet.config import Config
from magnet.nn.propagate import Graph, multiply
from magnet.nn.rows import take_rows
from magnet.nn.unit import unit_rows

__all__ = ["Content", "ContentConfig", "ContentEncoder", "History", "profiles"]


class ContentConfig(Config):
    """How features become cues.

    Attributes:
        max_width: Wider features pass through a fixed PCA to this width first; 0 never.
        gate: ``plain`` uses the features alone; ``features`` gates them by the item's embedding; ``embedding`` gates
            the item's embedding by its features and says nothing about cold items.
        smooth: Whether an item's cue takes in its content neighbours once.
    """

    max_width: int = Field(512, ge=0)
    gate: Literal["plain", "features", "embedding"] = "plain"
    smooth: bool = True


class Content(NamedTuple):
    """The content cues of all items. Rows without features are zero and marked absent."""

    cues: Tensor  # (I, M, D), unit rows
    smoothed: Tensor  # (I, M, D), the same with content neighbours
    present: Tensor  # (I, M), bool


class History(NamedTuple):
    """Sums over the training items of B users, from which profiles are made."""

    sums: Tensor  # (B, M, D)
    counts: Tensor  # (B, M), items of the history that have the cue


class ContentEncoder(nn.Module):
    """One small network for each modality.

    Args:
        widths: Width of each modality's features.
        dim: Width D of a cue.
        config: Gate and smoothing.
    """

    def __init__(self, widths: list[int], dim: int, config: ContentConfig) -> None:
        super().__init__()
        self.config = config
        self.towers = nn.ModuleList(
            nn.Sequential(nn.Linear(width, dim), nn.LeakyReLU(0.2), nn.Linear(dim, dim)) for width in widths
        )
        self.gates = nn.ModuleList(nn.Linear(dim, dim) for _ in widths if config.gate != "plain")

    def forward(
        self, features: list[Tensor], present: Tensor, embeddings: Tensor, graphs: list[Graph]
    ) -> Content:
        """Encode the features of all items.

        Args:
            features: L2-normalised features of each modality, ``(I, d_m)``.
            present: Which rows exist, ``(I, M)``, bool.
            embeddings: ID embeddings of the items, ``(I, D)``; used by the gates only.
            graphs: Normalised content graph of each modality, ``(I, I)``.
        """
        cues = []
        for index, (tower, rows) in enumerate(zip(self.towers, features, strict=True)):
            x = tower(rows)  # (I, D)
            if self.config.gate == "features":
                x = x * torch.sigmoid(self.gates[index](embeddings))
            elif self.config.gate == "embedding":
                x = embeddings * torch.sigmoid(self.gates[index](x))
            cues.append(unit_rows(x, present[:, index]))
        if self.config.smooth:
            smoothed = [x + multiply(graph, x) for x, graph in zip(cues, graphs, strict=True)]
        else:
            smoothed = cues
        return Content(torch.stack(cues, 1), torch.stack(smoothed, 1), present)

    def histories(self, content: Content, interactions: Graph) -> History:
        """Sum the unsmoothed cues over the training items of some users.

        Smoothed cues of an item contain its neighbours, and through them the item that is to be left out.

        Args:
            content: Cues of all items.
            interactions: Training interactions of the users, ``(B, I)``, ones.
        """
        n_items, n_modalities, dim = content.cues.shape
        sums = multiply(interactions, content.cues.reshape(n_items, n_modalities * dim))
        with torch.no_grad():
            counts = multiply(interactions, content.present.float())
        return History(sums.reshape(-1, n_modalities, dim), counts)


def profiles(history: History, content: Content, without: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """Content cues of users, from what they took.

    Args:
        history: Sums over training items, of B users.
        content: Cues of all items.
        without: One training item of each user, ``(B,)``, left out of the profile: in training, the positive, which
            would otherwise tell its own label.

    Returns:
        Unit rows ``(B, M, D)``, zero where missing; and ``(B, M)`` bool, whether any item remained.
    """
    sums, counts = history
    if without is not None:
        sums = sums - take_rows(content.cues, without)
        counts = counts - content.present[without].float()
    present = counts > 0.5
    return unit_rows(sums, present), present
