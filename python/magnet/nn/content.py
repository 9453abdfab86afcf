"""Content cues: what an item's features say, and what a user's history says in the same terms."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal, NamedTuple

import torch
from pydantic import AfterValidator, Field
from torch import Tensor, nn

from magnet.config import Config
from magnet.nn.ops.unit import unit_rows
from magnet.nn.propagate import Graph, multiply, propagate_mean
from magnet.registry import Registry

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["ENCODERS", "Content", "ContentConfig", "ContentEncoder", "profiles", "register_encoder"]


ENCODERS: Registry[Callable[[int, int], nn.Module]] = Registry("content encoder")


def register_encoder(name: str, make: Callable[[int, int], nn.Module], *, replace: bool = False) -> None:
    """Add a network from features to cues, so that ``content.encoder`` may name it.

    Args:
        name: How the encoder is asked for.
        make: ``make(width, dim)`` returns a network for one modality, from unit feature rows ``(I, width)`` to
            ``(I, dim)``. What comes out is brought to unit length; rows of items without the modality are not used.
            Its weights may be drawn from torch's generator, which is seeded.
        replace: Whether an encoder of that name may be replaced, as when a notebook's cell runs again.

    Raises:
        ConfigError: If the name is taken.
    """
    ENCODERS.add(name, make, module=make.__module__, replace=replace)


def towers(width: int, dim: int) -> nn.Module:
    """Two layers."""
    return nn.Sequential(nn.Linear(width, dim), nn.LeakyReLU(0.2, inplace=True), nn.Linear(dim, dim))


register_encoder("towers", towers)


class ContentConfig(Config):
    """How features become cues.

    Attributes:
        encoder: The network of each modality: ``towers`` has two layers. Others are added by
            :func:`magnet.register_encoder`.
        max_width: Wider features pass through a fixed PCA to this width first; 0 never.
        gate: ``plain`` uses the features alone; ``features`` gates them by the item's embedding; ``embedding`` gates
            the item's embedding by its features and says nothing about cold items.
        smooth: Whether an item's cue takes in its content neighbours once.
    """

    encoder: Annotated[str, AfterValidator(ENCODERS.known)] = "towers"
    max_width: int = Field(512, ge=0)
    gate: Literal["plain", "features", "embedding"] = "plain"
    smooth: bool = True


class Content(NamedTuple):
    """The content cues of all items. Rows without features are zero and marked absent."""

    cues: Tensor  # (M, I, D), unit rows
    smoothed: Tensor  # (M, I, D), of no particular length: half of the cue and of its content neighbours
    present: Tensor  # (M, I), bool


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
        make = ENCODERS.find(config.encoder)
        self.towers = nn.ModuleList(make(width, dim) for width in widths)
        self.gates = nn.ModuleList(nn.Linear(dim, dim) for _ in widths if config.gate != "plain")

    def forward(self, features: list[Tensor], present: Tensor, embeddings: Tensor, graph: Graph) -> Content:
        """Encode the features of all items.

        Args:
            features: L2-normalised features of each modality, ``(I, d_m)``.
            present: Which rows exist, ``(M, I)``, bool.
            embeddings: ID embeddings of the items, ``(I, D)``; used by the gates only.
            graph: Normalised content graphs of all modalities, one after the other, ``(M · I, M · I)``.
        """
        rows = []
        for index, (tower, known) in enumerate(zip(self.towers, features, strict=True)):
            x = tower(known)  # (I, D)
            if self.config.gate == "features":
                x = x * torch.sigmoid(self.gates[index](embeddings))
            elif self.config.gate == "embedding":
                x = embeddings * torch.sigmoid(self.gates[index](x))
            rows.append(x)
        cues = unit_rows(torch.stack(rows), present)  # (M, I, D)
        if not self.config.smooth:
            return Content(cues, cues, present)
        # The mean of a cue and of its neighbours' sum. Only its direction is used, so its length does not matter.
        smoothed = propagate_mean(graph, cues.flatten(0, 1), 1).view_as(cues)
        return Content(cues, smoothed, present)


def profiles(cues: Tensor, interactions: Graph, present: Tensor) -> Tensor:
    """Content cues of users, from what they took: the direction of the sum of the unsmoothed cues.

    Smoothed cues of an item contain its neighbours, and through them an item that is to be left out.

    Args:
        cues: Of all items, ``(M, I, D)``.
        interactions: The items of each of B users that count, ``(B, I)``, ones: in training, without the positive,
            which would otherwise tell its own label.
        present: Whether any of them has the cue, ``(M, B)``, bool.

    Returns:
        Unit rows ``(M, B, D)``, zero where missing.
    """
    return unit_rows(multiply(interactions, cues), present)
