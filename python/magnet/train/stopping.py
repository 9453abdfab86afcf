"""Early stopping on a validation value that nothing has rounded."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from magnet.errors import ConfigError, TrainingError

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["EarlyStopping"]


class EarlyStopping:
    """Remembers the best validation value, and says when it has not been exceeded for too long.

    Args:
        patience: Validations without a new best after which to stop, at least 1.

    Attributes:
        best: The highest value so far, None before the first.
        best_epoch: The epoch it came from; of equal values, the first.
        waited: Validations since then.

    Raises:
        ConfigError: If ``patience`` is below 1.

    Example:
        >>> stopping = EarlyStopping(patience=2)
        >>> [stopping.update(value, epoch) for epoch, value in enumerate([0.1, 0.3, 0.2, 0.3])]
        [True, True, False, False]
        >>> stopping.should_stop, stopping.best_epoch
        (True, 1)
    """

    def __init__(self, patience: int) -> None:
        if patience < 1:
            raise ConfigError(f"patience must be at least 1 validation, got {patience}")
        self.patience = patience
        self.best: float | None = None
        self.best_epoch: int | None = None
        self.waited = 0

    def update(self, value: float, epoch: int) -> bool:
        """Take note of one validation.

        Args:
            value: Higher is better; not rounded, or small progress would look like none.
            epoch: The epoch it belongs to.

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
            self.best, self.best_epoch, self.waited = float(value), epoch, 0
            return True
        self.waited += 1
        return False

    @property
    def should_stop(self) -> bool:
        """Whether patience has run out."""
        return self.waited >= self.patience

    def state_dict(self) -> dict[str, Any]:
        """What a checkpoint needs, as JSON-ready data."""
        return {"best": self.best, "best_epoch": self.best_epoch, "waited": self.waited}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from :meth:`state_dict`; the patience stays the one given at construction."""
        self.best, self.best_epoch, self.waited = state["best"], state["best_epoch"], state["waited"]
