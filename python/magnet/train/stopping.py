"""Early stopping on a validation value that nothing has rounded, counted in steps."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from magnet.errors import ConfigError, TrainingError

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["EarlyStopping"]

# A loss has left its start once an epoch's mean is this share of the first batch's. Embeddings start near zero, where
# every score is 0 and gradients are small: on small data the loss may rest there for hundreds of steps, and validation
# with it, while nothing but popularity is learned.
_LEFT = 0.98
# How much longer training waits before that; a limit, because there may be nothing to learn.
_LONGER = 10


class EarlyStopping:
    """Remembers the best validation value, and says when it has not been exceeded for too long.

    Args:
        patience: Steps without a new best after which to stop, at least 1; ten times as many until :meth:`learn` has
            seen the loss leave its start.

    Attributes:
        best: The highest value so far, None before the first.
        best_epoch: The epoch it came from; of equal values, the first.
        best_step: The steps taken until then.
        waited: Steps between that and the last validation.

    Raises:
        ConfigError: If ``patience`` is below 1.

    Example:
        >>> stopping = EarlyStopping(patience=20)
        >>> stopping.learn(0.69, first=0.70), stopping.learn(0.60, first=0.68)
        (False, True)
        >>> [stopping.update(value, i, step=10 * i) for i, value in enumerate([0.1, 0.3, 0.2, 0.3])]
        [True, True, False, False]
        >>> stopping.should_stop, stopping.best_epoch
        (True, 1)
    """

    def __init__(self, patience: int) -> None:
        if patience < 1:
            raise ConfigError(f"patience must be at least 1 step, got {patience}")
        self.patience = patience
        self.start: float | None = None
        self.left = False
        self.best: float | None = None
        self.best_epoch: int | None = None
        self.best_step = 0
        self.waited = 0

    def learn(self, loss: float, *, first: float) -> bool:
        """Take note of the training loss of an epoch.

        Args:
            loss: Its mean.
            first: That of its first batch; in the first epoch this is the loss before any step, the start.

        Returns:
            Whether the loss has ever been clearly below its start.
        """
        if self.start is None:
            self.start = first
        self.left = self.left or loss <= self.start - (1 - _LEFT) * abs(self.start)
        return self.left

    def update(self, value: float, epoch: int, *, step: int) -> bool:
        """Take note of one validation.

        Args:
            value: Higher is better; not rounded, or small progress would look like none.
            epoch: The epoch it belongs to.
            step: Steps taken so far.

        Returns:
            Whether it is a new best.

        Raises:
            TrainingError: If the value is NaN or infinite.
        """
        if not math.isfinite(value):
            raise TrainingError(
                f"epoch {epoch}: the validation value is {value}, expected a finite number; "
                "lower the learning rate"
            )
        if self.best is None or value > self.best:
            self.best, self.best_epoch, self.best_step, self.waited = float(value), epoch, step, 0
            return True
        self.waited = step - self.best_step
        return False

    @property
    def should_stop(self) -> bool:
        """Whether patience has run out."""
        return self.waited >= self.patience * (1 if self.left else _LONGER)

    def state_dict(self) -> dict[str, Any]:
        """What a checkpoint needs, as JSON-ready data."""
        return {
            "start": self.start,
            "left": self.left,
            "best": self.best,
            "best_epoch": self.best_epoch,
            "best_step": self.best_step,
            "waited": self.waited,
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from :meth:`state_dict`; the patience stays the one given at construction."""
        self.start, self.left = state["start"], state["left"]
        self.best, self.best_epoch = state["best"], state["best_epoch"]
        self.best_step, self.waited = state["best_step"], state["waited"]
