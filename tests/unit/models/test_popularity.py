from __future__ import annotations

import numpy as np
import torch

from magnet.models.popularity import PopularityConfig, fit_popularity
from magnet.states import DotState
from support.evaluation_data import make_dataset


def test_scores_are_the_training_degrees_and_only_those():
    dataset = make_dataset(
        train={0: {1, 2}, 1: {1}, 2: {1, 4}}, valid={0: {3}, 1: {3}}, test={2: {3}}, n_users=4, n_items=6
    )
    state = fit_popularity(dataset, PopularityConfig())
    assert isinstance(state, DotState)
    assert state.users.dtype == state.items.dtype == torch.float32
    assert (state.users.shape, state.items.shape) == ((4, 1), (6, 1))
    np.testing.assert_array_equal(state.users @ state.items.T, np.tile([0, 3, 1, 0, 1, 0], (4, 1)))
