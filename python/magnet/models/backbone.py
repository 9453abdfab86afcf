"""MAGNET's backbone in training: embeddings seen through the graphs of interactions and of content."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import torch
import torch.nn.functional as F
from pydantic import Field

from magnet.config import Config
from magnet.models.graphs import GraphConfig, backbone_inputs, build_graphs, full_views, thinned_views
from magnet.models.start import content_start
from magnet.nn.backbone import Backbone
from magnet.nn.behaviour import BehaviourConfig
from magnet.nn.losses import LOSSES, LossConfig
from magnet.seeds import derive
from magnet.states import DotState
from magnet.train.config import TrainConfig
from magnet.train.one_phase import OnePhaseTask
from magnet.train.task import Batch, Terms

if TYPE_CHECKING:
    from magnet.data import Dataset
    from magnet.nn.behaviour import Views

__all__ = ["BackboneConfig", "BackboneTask"]


class BackboneConfig(Config):
    """The backbone.

    Attributes:
        dim: Width D of the vectors.
        popularity: β, an exponent: the score of an item is multiplied by ``(degree / mean degree)^β``, in training and
            after it; items without users count as of degree 1.
        behaviour: Propagation and views.
        graph: Content graphs, content-induced edges and edge dropout.
        loss: What is minimised.
        train: Steps, batches and stopping.
    """

    dim: int = Field(128, ge=1, le=1024)
    popularity: float = Field(0.0, ge=-1, le=1)
    behaviour: BehaviourConfig = BehaviourConfig()
    graph: GraphConfig = GraphConfig()
    loss: LossConfig = LossConfig()
    train: TrainConfig = TrainConfig()


class BackboneTask(OnePhaseTask):
    """Drives :class:`~magnet.nn.backbone.Backbone`; see :class:`~magnet.train.task.Task`.

    Args:
        dataset: Interactions and features.
        config: Everything about the backbone.
        seed: Of the weights and of every draw.
    """

    stage = "backbone"

    def __init__(self, dataset: Dataset, config: BackboneConfig, *, seed: int) -> None:
        self.config, self.seed = config, seed
        self.graphs = build_graphs(dataset, config.graph)
        self.inputs = backbone_inputs(dataset, self.graphs)
        self.full = full_views(self.graphs, config.graph, config.behaviour)
        self.views: Views
        sizes = dataset.n_users, dataset.n_items, [rows.shape[1] for rows in self.inputs.features]
        super().__init__(
            config.train,
            lambda: Backbone(*sizes, config.dim, config.behaviour, config.popularity),
            seed=seed,
        )
        if config.behaviour.start == "content":
            rows = content_start(dataset, self.graphs, config.dim, seed=derive(seed, "content start"))
            with torch.no_grad():
                self.backbone.behaviour.embeddings.copy_(rows)

    @property
    def backbone(self) -> Backbone:
        """The network."""
        return cast("Backbone", self.module)

    @property
    def draws_by_torch(self) -> bool:  # type: ignore[override]
        """Only in a loss that somebody registered, as far as we can know: Magnet's own draw nothing."""
        return not LOSSES.owns(self.config.loss.kind)

    @property
    def negatives(self) -> int:  # type: ignore[override]
        """Shared negatives of a loss that has them; 0 draws one for each pair."""
        loss = self.config.loss
        return loss.negatives if LOSSES.find(loss.kind).shared else 0

    def to(self, device: torch.device | str) -> None:
        """Move the network and all that it reads to another device; between epochs."""
        super().to(device)
        self.inputs, self.full = self.inputs.to(device), self.full.to(device)

    def begin_epoch(self, epoch: int) -> None:
        """Draw the epoch's edges."""
        super().begin_epoch(epoch)
        views = thinned_views(
            self.graphs, self.config.graph, self.config.behaviour, seed=self.seed, epoch=epoch
        )
        self.views = views.to(self.backbone.behaviour.embeddings.device)

    def step(self, batch: Batch) -> Terms:
        """The loss of one batch."""
        return Terms.of(
            self.module(
                self.views,
                self.inputs,
                batch.users,
                batch.positives,
                batch.negatives,
                batch.seen,
                loss=self.config.loss,
            )
        )

    @torch.no_grad()
    def state(self) -> DotState:
        """What predicts: over all edges, without dropout."""
        self.module.eval()
        backbone = self.backbone
        z = backbone.behaviour(self.full, self.inputs.features).z
        users, items = z[: backbone.n_users], z[backbone.n_users :]
        if LOSSES.find(self.config.loss.kind).cosine:
            scale = self.config.loss.temperature**-0.5
            users, items = (F.normalize(side, dim=-1) * scale for side in (users, items))
        weight = backbone.popularity(self.inputs.item_degree)
        if weight is not None:
            items = items * weight[:, None]
        return DotState(users.contiguous(), items.contiguous())

    def facts(self) -> dict[str, Any]:
        """The content graphs."""
        return {
            "modalities": list(self.graphs.lifts),
            "lifts": self.graphs.lifts,
            "graph_weights": self.graphs.weights,
        }
