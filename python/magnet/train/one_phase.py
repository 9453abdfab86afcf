"""A base for models that are trained in one phase: two methods to write, defaults for all else."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

from magnet.seeds import derive, seeded

if TYPE_CHECKING:
    from collections.abc import Callable

    import torch
    from torch import nn

    from magnet.data import Dataset
    from magnet.states import State
    from magnet.train.config import TrainConfig
    from magnet.train.task import Batch, Terms

__all__ = ["OnePhaseTask"]


class OnePhaseTask(ABC):
    """Drives a model that is trained in one phase; see :class:`magnet.train.Task` for what each member is for.

    A subclass writes :meth:`step` and :meth:`state`, and overrides what it does differently. A class that draws nothing
    from torch's own generators in its steps may say ``draws_by_torch = False``, so that it is trained beside others.

    Args:
        train: Epochs, batches and stopping; its learning rate is that of all parameters.
        make: Makes the network. Its weights depend on ``seed`` alone: torch's own generator is seeded for the call and
            put back after it.
        seed: Of the weights.
    """

    stage = "training"
    delivers = True
    may_stop = True
    validate_every: int | None = None
    data: Dataset | None = None
    batch_size: int | None = None
    max_epochs: int | None = None
    negatives = 0
    draws_by_torch = True

    def __init__(self, train: TrainConfig, make: Callable[[], nn.Module], *, seed: int) -> None:
        self.train = train
        with seeded(derive(seed, "weights")):
            self.module = make()

    def to(self, device: torch.device | str) -> None:
        """Move the network to another device, between epochs; a subclass moves what else it reads."""
        self.module.to(device)

    @abstractmethod
    def step(self, batch: Batch) -> Terms:
        """The loss of one batch."""

    @abstractmethod
    def state(self) -> State:
        """What predicts, from the weights as they are; called without gradients being recorded."""

    def parameter_groups(self) -> list[dict[str, Any]]:
        """All parameters at one rate, without decay."""
        parameters = list(self.module.parameters())
        return [{"params": parameters, "lr": self.train.learning_rate, "weight_decay": 0.0}]

    def begin_epoch(self, epoch: int) -> None:
        """Put the network into training mode; nothing is drawn."""
        self.module.train()

    def end_epoch(self) -> dict[str, Any]:
        """Nothing to log beside the loss."""
        return {"stage": self.stage}

    def facts(self) -> dict[str, Any]:
        """Nothing to tell beside the scores."""
        return {}

    def advance(self, epochs: int = 0) -> bool:
        """There is no second phase."""
        return False

    def progress(self) -> dict[str, Any]:
        """Nothing beside the weights."""
        return {}

    def restore(self, progress: dict[str, Any]) -> None:  # noqa: B027 - a default, not a gap
        """Nothing to take up."""

    def ready(self) -> None:  # noqa: B027 - a default, not a gap
        """Nothing to make."""
