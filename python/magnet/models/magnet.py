"""MAGNET in training: backbone first, then the mixture in its two stages."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import torch
import torch.nn.functional as F
from pydantic import Field

from magnet.config import Config
from magnet.models.graphs import GraphConfig, build_graphs, full_views, model_inputs, thinned_views
from magnet.models.mixing.config import MixingConfig
from magnet.models.registry import register
from magnet.models.start import content_start
from magnet.nn.controller import Controller, ControllerConfig, statistics
from magnet.nn.losses import LOSSES, LossConfig
from magnet.nn.model import BatchLoss, MagnetModel, ModelConfig
from magnet.nn.router import RoutingSums
from magnet.seeds import derive, seeded
from magnet.states import DotState, State
from magnet.train.config import TrainConfig
from magnet.train.task import Batch, Task, Terms

if TYPE_CHECKING:
    from torch import Tensor, nn

    from magnet.data import Dataset
    from magnet.nn.behaviour import Views

__all__ = ["MagnetConfig", "MagnetTask", "ScheduleConfig"]


class ScheduleConfig(Config):
    """When and how the mixture is trained beside the backbone.

    Attributes:
        start: ``plateau`` begins when the backbone has stopped improving, from its best weights; ``epoch`` after
            ``start_epoch`` epochs; ``together`` at once.
        start_epoch: For ``epoch``.
        freeze: Whether the backbone rests while the mixture learns; the mixture memorises training pairs faster than
            the backbone learns.
        backbone_rate: Factor on the backbone's learning rate while it does not rest.
        epochs: Epochs of the mixture at most.
        learning_rate: Of the mixture.
        router_rate: Factor on it for the router.
        weight_decay: Decoupled weight decay of the mixture.
    """

    start: Literal["plateau", "epoch", "together"] = "plateau"
    start_epoch: int = Field(18, ge=1)
    freeze: bool = True
    backbone_rate: float = Field(0.1, ge=0)
    epochs: int = Field(80, ge=1)
    learning_rate: float = Field(1e-3, gt=0)
    router_rate: float = Field(0.3, ge=0)
    weight_decay: float = Field(0.1, ge=0)


class MagnetConfig(ModelConfig):
    """Everything about MAGNET."""

    graph: GraphConfig = GraphConfig()
    loss: LossConfig = LossConfig()
    mixing: MixingConfig = MixingConfig()
    controller: ControllerConfig = ControllerConfig()
    schedule: ScheduleConfig = ScheduleConfig()
    train: TrainConfig = TrainConfig()


class MagnetTask:
    """Drives :class:`~magnet.nn.model.MagnetModel`; see :class:`~magnet.train.task.Task`.

    Args:
        dataset: Interactions and features.
        config: Everything about the model.
        seed: Of the weights and of every draw.
    """

    validate_every: int | None = None
    data: Dataset | None = None
    batch_size: int | None = None

    def __init__(self, dataset: Dataset, config: MagnetConfig, *, seed: int) -> None:
        self.config, self.seed = config, seed
        self.graphs = build_graphs(dataset, config.graph)
        self.inputs = model_inputs(dataset, self.graphs, config.content.max_width)
        widths = {
            name: rows.shape[1] for name, rows in zip(dataset.modalities, self.inputs.features, strict=True)
        }
        with seeded(derive(seed, "weights")):
            self.model = MagnetModel(dataset.n_users, dataset.n_items, widths, config, seed=seed)
        n_experts = len(self.model.expert_names)
        self.controller = Controller(config.controller, n_experts, config.router.top_k)
        self.mixing = config.mixture and config.schedule.start == "together"
        self.top_k = 0  # of the epoch at hand
        self.views: Views
        self.rest: Tensor | None = None  # Z of the epoch, while the backbone rests
        self.sums: list[RoutingSums] = []
        self.full = full_views(self.graphs, config.graph, config.behaviour)
        if config.behaviour.start == "content":
            rows = content_start(dataset, self.graphs, config.dim, seed=derive(seed, "content start"))
            with torch.no_grad():
                self.model.behaviour.embeddings.copy_(rows)

    def to(self, device: torch.device | str) -> None:
        """Move the network and all that it reads to another device; between epochs."""
        self.model.to(device)
        self.inputs, self.full = self.inputs.to(device), self.full.to(device)

    @property
    def module(self) -> nn.Module:
        """The network."""
        return self.model

    @property
    def cues(self) -> list[str]:
        """Names of the cues, behaviour first."""
        return ["behaviour", *self.graphs.lifts]

    @property
    def stage(self) -> str:
        """``backbone``, ``coverage`` or ``specialisation``."""
        return self.controller.stage if self.mixing else "backbone"

    @property
    def delivers(self) -> bool:
        """The backbone alone is delivered only where no mixture was asked for."""
        return self.mixing or not self.config.mixture

    @property
    def may_stop(self) -> bool:
        """The mixture stops only after it has specialised."""
        return not self.mixing or self.controller.settled

    @property
    def max_epochs(self) -> int | None:
        """The mixture has a limit of its own, and a start by epoch ends the backbone's."""
        schedule = self.config.schedule
        if self.mixing:
            return schedule.epochs if schedule.start != "together" else None
        return schedule.start_epoch if self.config.mixture and schedule.start == "epoch" else None

    @property
    def negatives(self) -> int:
        """Shared negatives of a loss that has them; 0 draws one for each pair."""
        loss = self.config.loss
        if not LOSSES.find(loss.kind).shared:
            return 0
        return loss.mixture_negatives if self.mixing else loss.negatives

    @property
    def resting(self) -> bool:
        """Whether the backbone keeps its weights."""
        return self.mixing and self.config.schedule.freeze and self.config.schedule.start != "together"

    def parameter_groups(self) -> list[dict[str, Any]]:
        """Backbone, mixture and router, each at its own rate."""
        rate, schedule = self.config.train.learning_rate, self.config.schedule
        backbone = list(self.model.behaviour.parameters())
        if not self.mixing:
            return [{"params": backbone, "lr": rate, "weight_decay": 0.0}]
        router = list(self.model.router.parameters())
        mixture = [*self.model.content.parameters(), *self.model.experts.parameters()]
        groups: list[dict[str, Any]] = [
            {"params": mixture, "lr": schedule.learning_rate, "weight_decay": schedule.weight_decay},
            {
                "params": router,
                "lr": schedule.learning_rate * schedule.router_rate,
                "weight_decay": schedule.weight_decay,
            },
        ]
        if not self.resting:
            together = schedule.start == "together"
            groups.insert(0, {"params": backbone, "lr": rate * (1 if together else schedule.backbone_rate)})
            groups[0]["weight_decay"] = 0.0
        return groups

    def begin_epoch(self, epoch: int) -> None:
        """Draw the epoch's edges; refresh what complementary experts leave out."""
        views = thinned_views(
            self.graphs, self.config.graph, self.config.behaviour, seed=self.seed, epoch=epoch
        )
        self.views = views.to(self.model.behaviour.embeddings.device)
        self.sums = []
        self.model.train()
        if not self.mixing:
            return
        self.top_k = self.controller.weights().top_k
        with torch.no_grad():
            z: Tensor = self.model.behaviour(self.views, self.inputs.features).z
        self.rest = z if self.resting else None
        self.model.refresh(z, self.inputs)

    def step(self, batch: Batch) -> Terms:
        """The loss of one batch."""
        loss: BatchLoss = self.model(
            self.views,
            self.inputs,
            batch.users,
            batch.positives,
            batch.negatives,
            batch.seen,
            loss=self.config.loss,
            stage=self.controller.weights() if self.mixing else None,
            top_k=self.top_k,
            entries=batch.entries,
            resting=self.rest,
        )
        if loss.routing is not None:
            self.sums.append(loss.routing)
        return Terms.of(loss.terms)

    def end_epoch(self) -> dict[str, Any]:
        """Feed the controller; report the stage and the routing."""
        record: dict[str, Any] = {"stage": self.stage}
        if self.sums:
            now = statistics(RoutingSums(*(torch.stack(s).sum(0) for s in zip(*self.sums, strict=True))))
            self.controller.update(now)
            record |= now._asdict() | {
                "mutual_information": now.mutual_information,
                "smoothed_load_entropy": self.controller.smoothed,
                "top_k": self.top_k or self.controller.n_experts,
                "fired_by": self.controller.fired_by if self.controller.since == 0 else None,
            }
        return record

    @torch.no_grad()
    def state(self, *, without: str | None = None) -> State:
        """What predicts: over all edges, without dropout.

        Args:
            without: A cue to occlude in experts and router, to see what it was good for.
        """
        self.model.eval()
        z: Tensor = self.model.behaviour(self.full, self.inputs.features).z
        n = self.model.n_users
        vectors = (z[:n].contiguous(), z[n:].contiguous())
        if LOSSES.find(self.config.loss.kind).cosine:
            scale = self.config.loss.temperature**-0.5
            vectors = (F.normalize(vectors[0], dim=-1) * scale, F.normalize(vectors[1], dim=-1) * scale)
        weight = self.model.popularity(self.inputs.item_degree)
        if weight is not None:
            vectors = (vectors[0], vectors[1] * weight[:, None])
        if not self.mixing:
            return DotState(*vectors)
        return self.model.mixture_state(z, self.inputs, vectors, top_k=self.top_k, without=without)

    def facts(self) -> dict[str, Any]:
        """Content graphs, templates and the trigger."""
        return {
            "modalities": list(self.graphs.lifts),
            "lifts": self.graphs.lifts,
            "graph_weights": self.graphs.weights,
            "experts": self.model.experts.roles_and_weights(self.cues),
            "top_k": self.top_k or self.controller.n_experts,
            "router": self.config.router.kind,
        }

    def advance(self, epochs: int = 0) -> bool:
        """From the backbone to the mixture."""
        if self.mixing or not self.config.mixture:
            return False
        self.mixing = True
        return True

    def progress(self) -> dict[str, Any]:
        """Phase, controller and the sparsity of the epoch at hand."""
        return {"mixing": self.mixing, "top_k": self.top_k, "controller": self.controller.state_dict()}

    def restore(self, progress: dict[str, Any]) -> None:
        """Take up :meth:`progress` again."""
        self.mixing, self.top_k = progress["mixing"], progress["top_k"]
        self.controller.load_state_dict(progress["controller"])

    def ready(self) -> None:
        """Nothing to make: the mixture learns from the weights."""


def make_task(dataset: Dataset, config: MagnetConfig, *, seed: int) -> Task:
    """The task that trains what the settings ask for."""
    if config.mixture and config.experts.kind == "signals":
        from magnet.models.mixing.task import SignalsTask  # it drives two of the tasks above

        return SignalsTask(dataset, config, seed=seed)
    return MagnetTask(dataset, config, seed=seed)


register("magnet", MagnetConfig, task=make_task)
