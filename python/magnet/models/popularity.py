"""Popularity: everyone is offered the items with the most training interactions."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from magnet.config import Config
from magnet.models.registry import register
from magnet.states import popularity_state

if TYPE_CHECKING:
    from magnet.data import Dataset
    from magnet.states import DotState

__all__ = ["PopularityConfig", "fit_popularity"]


class PopularityConfig(Config):
    """Popularity has nothing to set."""


def fit_popularity(dataset: Dataset, config: PopularityConfig, *, seed: int = 0) -> DotState:
    """Count the training interactions of every item; see :func:`magnet.states.popularity_state`.

    Args:
        dataset: Only its training part is read.
        config: Nothing to set; here because every model is fitted by the same call.
        seed: Not used: nothing is drawn.

    Returns:
        Vectors of width 1: 1 for users ``(U, 1)``, the training degree for items ``(I, 1)``.
    """
    del config, seed
    counts = np.bincount(dataset.train.indices, minlength=dataset.n_items)
    return popularity_state(counts, dataset.n_users)


register("popularity", PopularityConfig, fit=fit_popularity)
