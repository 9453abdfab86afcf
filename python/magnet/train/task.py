"""What the training loop drives: a model with its data, one epoch and one batch at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, Self

import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from magnet.data import Dataset
    from magnet.states import State

__all__ = ["Batch", "Task", "Terms"]


class Batch(NamedTuple):
    """Training pairs with items to rank below them."""

    users: Tensor  # (B,), int64
    positives: Tensor  # (B,), int64
    negatives: Tensor  # (B,) one for each pair, or (N,) shared by all, int64
    seen: Tensor | None  # (B, N), bool, for shared negatives: which of them the user has in truth
    pairs: int  # of the whole batch: more than B where each rank of several has a slice of it

    def to(self, device: torch.device | str, *, non_blocking: bool = False) -> Batch:
        """The batch on another device.

        Args:
            device: Where to.
            non_blocking: Whether Python goes on while the numbers are copied; it takes pinned memory to do so.
        """
        users, positives, negatives = (
            each.to(device, non_blocking=non_blocking)
            for each in (self.users, self.positives, self.negatives)
        )
        seen = None if self.seen is None else self.seen.to(device, non_blocking=non_blocking)
        return Batch(users, positives, negatives, seen, self.pairs)


class Terms(NamedTuple):
    """The loss of a batch: the sum that is minimised, and the weighted terms it is made of, by name."""

    total: Tensor
    named: dict[str, Tensor]

    @classmethod
    def of(cls, named: dict[str, Tensor]) -> Self:
        """Terms with their sum."""
        return cls(torch.stack(list(named.values())).sum(), named)

    def detached(self) -> Self:
        """The same numbers without what their gradient needs."""
        return type(self)(self.total.detach(), {name: term.detach() for name, term in self.named.items()})


class Task(Protocol):
    """A model in training. The loop owns epochs, batches, optimiser, validation and stopping; a task owns the rest.

    A task may have several phases: when a phase has stopped improving, the loop restores its best weights and asks the
    task to :meth:`advance`.

    The loop seeds torch's own generators for each epoch, and trainings in other threads of the process wait meanwhile,
    since all threads share them. A class whose steps draw nothing from these generators may have an attribute
    ``draws_by_torch`` that is False, and is trained beside others.
    """

    @property
    def module(self) -> nn.Module:
        """The parameters and buffers."""

    @property
    def stage(self) -> str:
        """Name of the stage that the next epoch belongs to; the best of each stage is kept."""

    @property
    def delivers(self) -> bool:
        """Whether the best of the current stage may be the final model."""

    @property
    def may_stop(self) -> bool:
        """Whether early stopping counts already."""

    @property
    def max_epochs(self) -> int | None:
        """Epochs of the current phase at most; ``None`` leaves it to the training configuration."""

    @property
    def validate_every(self) -> int | None:
        """Steps between validations in the current phase; 0 for none, ``None`` leaves it to the configuration."""

    @property
    def data(self) -> Dataset | None:
        """What the current phase draws its pairs from; ``None`` is the data set that the task was made for."""

    @property
    def batch_size(self) -> int | None:
        """Pairs in a batch of the current phase; ``None`` leaves it to the training configuration."""

    @property
    def negatives(self) -> int:
        """Shared negatives of a batch, or 0 for one negative a pair."""

    def parameter_groups(self) -> list[dict[str, Any]]:
        """Parameters to optimise in the current phase, with their options."""

    def begin_epoch(self, epoch: int) -> None:
        """Prepare an epoch: draw its graphs."""

    def step(self, batch: Batch) -> Terms:
        """The loss of one batch, from one call of the module."""

    def end_epoch(self) -> dict[str, Any]:
        """Close the epoch; what to log of it, as JSON-compatible data."""

    def state(self) -> State:
        """What predicts, from the weights as they are."""

    def facts(self) -> dict[str, Any]:
        """Facts about the trained model beside its scores, as JSON-compatible data."""

    def advance(self, epochs: int = 0) -> bool:
        """Enter the next phase; False if there is none.

        Args:
            epochs: Of the phase that is over, until its best weights.
        """

    def progress(self) -> dict[str, Any]:
        """Everything beside the weights that going on needs, as JSON-compatible data."""

    def restore(self, progress: dict[str, Any]) -> None:
        """Take up :meth:`progress` again."""

    def ready(self) -> None:
        """Called after :meth:`restore`, when the weights are in place."""
