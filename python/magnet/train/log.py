"""What a training says to Python's own logging: the logger ``magnet``, without a handler of ours."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from magnet.train.progress import epoch_line

if TYPE_CHECKING:
    from magnet.evaluate.target import Target

__all__ = ["LOGGER", "EpochLogger"]

LOGGER = logging.getLogger("magnet")


class EpochLogger:
    """Logs the record of each epoch: with INFO where a stage begins, a validation or the trigger, with DEBUG else.

    Args:
        name: Of the model.
        target: What validation chooses by.
    """

    def __init__(self, name: str, target: Target) -> None:
        self.name, self.target = name, target
        self._stage = ""

    def __call__(self, record: dict[str, Any]) -> None:
        """Log one epoch."""
        told = "valid" in record or record["stage"] != self._stage or record.get("fired_by")
        level = logging.INFO if told else logging.DEBUG
        self._stage = record["stage"]
        if LOGGER.isEnabledFor(level):
            line = epoch_line(record, self.target.metric)
            LOGGER.log(level, "%s epoch %d: %s", self.name, record["epoch"], line)
