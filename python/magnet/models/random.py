"""Random: every order of the items is equally likely, for each user anew. What has to be beaten to know anything."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from magnet.config import Config
from magnet.models.registry import register
from magnet.seeds import torch_generator
from magnet.states import DotState

if TYPE_CHECKING:
    from magnet.data import Dataset

__all__ = ["RandomConfig", "fit_random"]

_WIDTH = 64


class RandomConfig(Config):
    """Random has nothing to set but the seed."""


def fit_random(dataset: Dataset, config: RandomConfig, *, seed: int = 0) -> DotState:
    """Draw a normal vector for every user and item.

    For a given user the scores of the items are independent and of one distribution, so that every order is equally
    likely; the lists of two users are nearly unrelated. A table of users × items, whose lists would be independent in
    full, would not fit the memory.

    Args:
        dataset: Only its sizes are read.
        config: Nothing to set.
        seed: Of the draw.

    Returns:
        Vectors of width 64, ``(U, 64)`` and ``(I, 64)``.
    """
    del config
    generator = torch_generator(seed, "random scores")
    sizes = dataset.n_users, dataset.n_items
    return DotState(*(torch.randn(size, _WIDTH, generator=generator) for size in sizes))


register("random", RandomConfig, fit=fit_random)
