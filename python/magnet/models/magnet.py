"""MAGNET by name: a backbone, and experts over signals beside it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from magnet.models.backbone import BackboneConfig, BackboneTask
from magnet.models.mixing.config import MixingConfig
from magnet.models.mixing.task import MixtureTask
from magnet.models.registry import register
from magnet.nn.controller import ControllerConfig
from magnet.nn.mixture.mixture import ExpertsConfig, RouterConfig

if TYPE_CHECKING:
    from magnet.data import Dataset
    from magnet.train.task import Task

__all__ = ["MagnetConfig"]


class MagnetConfig(BackboneConfig):
    """Everything about MAGNET (arXiv 2602.20723), the backbone's settings among it.

    Attributes:
        mixture: Whether the experts take part at all; without them the backbone alone answers.
        experts: Their roles.
        router: What decides between them.
        controller: When it turns from coverage to specialisation.
        mixing: Signals, held-out pairs, and how the mixture learns from them.
    """

    mixture: bool = True
    experts: ExpertsConfig = ExpertsConfig()
    router: RouterConfig = RouterConfig()
    controller: ControllerConfig = ControllerConfig()
    mixing: MixingConfig = MixingConfig()


def make_task(dataset: Dataset, config: MagnetConfig, *, seed: int) -> Task:
    """The task that trains what the settings ask for."""
    make = MixtureTask if config.mixture else BackboneTask
    return make(dataset, config, seed=seed)


register(
    "magnet",
    MagnetConfig,
    task=make_task,
    space={
        "behaviour.content_weight": (0.1, 1.0),
        "loss.l2": (1e-2, 1.0),
        "loss.alignment": (1e-3, 1e-1),
        "train.learning_rate": (5e-4, 5e-3),
    },
)
