"""One step of training: loss, gradients, optimiser, average."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from magnet.clock import timed
from magnet.errors import TrainingError
from magnet.train.adamw import AdamW
from magnet.train.average import WeightAverage
from magnet.train.sums import KEPT

if TYPE_CHECKING:
    from magnet.train.task import Batch, Task, Terms

__all__ = ["Descent"]


class Descent:
    """Moves the weights that a task trains in its current phase.

    Args:
        task: The model with its data.
        average: β of the moving average of weights; 0 for none.
    """

    def __init__(self, task: Task, average: float) -> None:
        self.task = task
        # AdamW without decay is Adam; its decay, where a group has one, does not pass through the moments.
        self.optimizer = AdamW(task.parameter_groups())
        trained = {id(p) for group in task.parameter_groups() for p in group["params"]}
        self.trained = {name: p for name, p in task.module.named_parameters() if id(p) in trained}
        self.average = WeightAverage(self.trained, average)

    def step(self, batch: Batch) -> Terms:
        """Take one step, without asking whether its loss is finite: nothing here waits for the device.

        Args:
            batch: To learn from.

        Returns:
            The loss and its weighted terms, on the device.
        """
        with timed("forward"):
            terms = self.task.step(batch)
        with timed("backward"):
            self.optimizer.zero_grad()
            terms.total.backward()  # type: ignore[no-untyped-call]
        with timed("optimiser"):
            self.optimizer.step()
            self.average.update()
        return terms.detached()

    def check(self, epoch: int) -> None:
        """Make sure that the weights are finite, before anything is made of them.

        A finite loss may have a gradient that is not, and the last step of an epoch has no next loss to show it.

        Args:
            epoch: For the message.

        Raises:
            TrainingError: If any trained weight is NaN or infinite; names of parameters are given.
        """
        # Smallest and largest number of each: NaN is both of an array that has one.
        with torch.no_grad():
            ends = [torch.stack(torch.aminmax(p)) for p in self.trained.values() if p.numel()]
            finite = torch.stack(ends).isfinite().all(1).tolist()
        names = [name for name, p in self.trained.items() if p.numel()]
        bad = [name for name, well in zip(names, finite, strict=True) if not well]
        if bad:
            raise TrainingError(
                f"the weights are NaN or infinite after epoch {epoch} ({', '.join(bad)}); {KEPT}"
            )
