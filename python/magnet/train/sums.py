"""Sums of the loss terms of an epoch, read from the device once in many steps."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch

from magnet.errors import TrainingError

if TYPE_CHECKING:
    from torch import Tensor

    from magnet.train.task import Terms

__all__ = ["KEPT", "READ_EVERY", "LossSums"]

# Steps between two reads. A loss that is not finite is found at the next read, after up to this many steps in vain.
READ_EVERY = 64

# The end of every message about numbers that went bad.
KEPT = "the last good checkpoint is kept. A lower learning rate, or features of a sane scale, usually helps"


class LossSums:
    """Adds up the loss and its terms over the batches of an epoch, and refuses what is not finite.

    Args:
        epoch: Its number, for messages.
    """

    def __init__(self, epoch: int) -> None:
        self.epoch = epoch
        self.n_batches = 0  # that were read
        self.first = math.nan  # loss of the first batch, once it was read
        self.sums: dict[str, float] = {}
        self._waiting: list[tuple[list[str], Tensor]] = []  # names and values of each batch that was not read

    def add(self, terms: Terms) -> None:
        """Take in the terms of the next batch; every :data:`READ_EVERY` batches they are read."""
        values = torch.stack([terms.total, *terms.named.values()])
        self._waiting.append((["loss", *terms.named], values))
        if len(self._waiting) >= READ_EVERY:
            self.read()

    def read(self) -> None:
        """Read what waits on the device.

        Raises:
            TrainingError: If a loss is NaN or infinite; epoch, first such batch and its bad terms are named.
        """
        if not self._waiting:
            return
        # Here Python waits for the device, and nowhere else inside an epoch but for the sizes that `distinct` finds.
        numbers = iter(torch.cat([values for _, values in self._waiting]).tolist())
        for names, _ in self._waiting:
            row = {name: next(numbers) for name in names}
            if not math.isfinite(row["loss"]):
                bad = [name for name, value in row.items() if name != "loss" and not math.isfinite(value)]
                raise TrainingError(
                    f"the loss is {row['loss']} at epoch {self.epoch}, batch {self.n_batches} ({', '.join(bad)}); "
                    f"{KEPT}"
                )
            if self.n_batches == 0:
                self.first = row["loss"]
            for name, value in row.items():
                self.sums[name] = self.sums.get(name, 0.0) + value
            self.n_batches += 1
        self._waiting.clear()

    def means(self) -> dict[str, float]:
        """The mean of each over all batches that were read; a batch without a term counts as 0."""
        return {name: value / self.n_batches for name, value in self.sums.items()}
