"""What the training loop drives: a model with its data, one epoch and one batch at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

if TYPE_CHECKING:
    from torch import Tensor, nn

    from magnet.states import State

__all__ = ["Batch", "Task", "Terms"]


class Batch(NamedTuple):
    """Training pairs with items to rank below them."""

    users: Tensor  # (B,), int64
    positives: Tensor  # (B,), int64
    negatives: Tensor  # (B,) one for each pair, or (N,) shared by all, int64
    seen: Tensor | None  # (B, N), bool, for shared negatives: which of them the user has in truth


class Terms(NamedTuple):
    """The loss of a batch: the sum that is minimised, and the weighted terms it is made of, by name."""

    total: Tensor
    named: dict[str, Tensor]


class Task(Protocol):
    """A model in training. The loop owns epochs, batches, optimiser, validation and stopping; a task owns the rest.

    A task may have several phases: when a phase has stopped improving, the loop restores its best weights and asks the
    task to :meth:`advance`.
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
    def negatives(self) -> int:
        """Shared negatives of a batch, or 0 for one negative a pair."""

    def parameter_groups(self) -> list[dict[str, Any]]:
        """Parameters to optimise in the current phase, with their options."""

    def begin_epoch(self, epoch: int) -> None:
        """Prepare an epoch: draw its graphs."""

    def step(self, batch: Batch) -> Terms:
        """The loss of one batch."""

    def end_epoch(self) -> dict[str, Any]:
        """Close the epoch; what to log of it, as JSON-compatible data."""

    def state(self) -> State:
        """What predicts, from the weights as they are."""

    def facts(self) -> dict[str, Any]:
        """What there is to tell about the trained model beside its scores, as JSON-compatible data."""

    def advance(self) -> bool:
        """Enter the next phase; False if there is none."""

    def progress(self) -> dict[str, Any]:
        """Everything beside the weights that going on needs, as JSON-compatible data."""

    def restore(self, progress: dict[str, Any]) -> None:
        """Take up :meth:`progress` again."""
