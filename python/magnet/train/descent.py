"""One step of training: loss, gradients, optimiser, average."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from magnet.clock import timed
from magnet.errors import TrainingError
from magnet.train.average import WeightAverage

if TYPE_CHECKING:
    from magnet.train.task import Batch, Task

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
        self.optimizer = torch.optim.AdamW(task.parameter_groups(), fused=True)
        trained = {id(p) for group in task.parameter_groups() for p in group["params"]}
        named = {name: p for name, p in task.module.named_parameters() if id(p) in trained}
        self.average = WeightAverage(named, average)

    def step(self, batch: Batch, *, where: str) -> dict[str, float]:
        """Take one step.

        Args:
            batch: To learn from.
            where: The place in training, for the message of an error.

        Returns:
            The loss and its weighted parts by name.

        Raises:
            TrainingError: If the loss is NaN or infinite; the weights are as they were.
        """
        with timed("forward"):
            terms = self.task.step(batch)
        if not torch.isfinite(terms.total):
            bad = [name for name, value in terms.named.items() if not torch.isfinite(value)]
            raise TrainingError(
                f"the loss is {terms.total.detach().item()} at {where} ({', '.join(bad)}); the last good checkpoint is "
                "kept. A lower learning rate, or features of a sane scale, usually helps"
            )
        with timed("backward"):
            self.optimizer.zero_grad(set_to_none=True)
            terms.total.backward()  # type: ignore[no-untyped-call]
        with timed("optimiser"):
            self.optimizer.step()
            self.average.update()
        return {name: value.detach().item() for name, value in (("loss", terms.total), *terms.named.items())}
