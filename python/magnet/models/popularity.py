"""Popularity: everyone is offered the items with the most training interactions."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from magnet.config import Config
from magnet.states import DotState

if TYPE_CHECKING:
    from magnet.data import Dataset

__all__ = ["PopularityConfig", "fit_popularity"]


class PopularityConfig(Config):
    """Popularity has nothing to set."""


def fit_popularity(dataset: Dataset, config: PopularityConfig) -> DotState:
    """Score every item by its number of training interactions, alike for all users.

    Counts are exact in float32 up to 16,777,216 interactions an item.

    Args:
        dataset: Only its training part is read.
        config: Nothing to set; here because every model is fitted by the same call.

    Returns:
        Vectors of width 1: 1 for users ``(U, 1)``, the training degree for items ``(I, 1)``.
    """
    del config
    degrees = np.bincount(dataset.train.indices, minlength=dataset.n_items).astype(np.float32)
    return DotState(users=torch.ones(dataset.n_users, 1), items=torch.from_numpy(degrees[:, None].copy()))
