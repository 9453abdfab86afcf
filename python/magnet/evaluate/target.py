"""What validation chooses weights and stages by: a metric that can tell models apart on the data at hand."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from magnet.evaluate.metrics import TARGET, TIE, metric_title

if TYPE_CHECKING:
    from collections.abc import Mapping

    from magnet.data import Dataset

__all__ = ["CHOSEN_BY", "USUAL", "Target", "target_of"]

# Where a run's facts say which metric its weights and stages were chosen by.
CHOSEN_BY = "chosen_by"


class Target(NamedTuple):
    """A metric to choose by, and one that decides between equals of it."""

    metric: str
    tie: str
    why: str = ""  # a sentence, where it is not the usual one

    def standing(self, metrics: Mapping[str, float]) -> tuple[float, float]:
        """What weights and stages are compared by."""
        return metrics[self.metric], metrics.get(self.tie, 0.0)


USUAL = Target(TARGET, TIE)


def target_of(dataset: Dataset) -> Target:
    """The metric that validation on these data chooses by: Recall@20 wherever it can tell two rankings apart.

    Where no user of the validation part has more than 20 items that are not of the training part, every ranking of them
    has a Recall@20 of 1. NDCG@20 then weighs the order of all of them.

    Example:
        >>> import magnet
        >>> target_of(magnet.synthetic.generate("tiny").dataset).metric
        'recall@20'
    """
    cut = int(TARGET.rpartition("@")[2])
    validated = np.diff(dataset.valid.indptr) > 0  # (U,)
    open_items = dataset.n_items - np.diff(dataset.train.indptr)  # (U,), items to rank
    if not validated.any() or (open_items[validated] > cut).any():
        return USUAL
    return Target(
        TIE,
        TARGET,
        f"validation chooses by {metric_title(TIE)}: no user has more than {cut} items left to rank, so that "
        f"{metric_title(TARGET)} is 1 for any model",
    )
