from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.sparse import csr_array

from magnet.errors import DataError
from magnet.models import user_knn
from magnet.models.user_knn import UserKNNConfig, fit_user_knn, user_neighbours
from magnet.states import NeighbourState, from_tensors, to_tensors


def by_definition(train, k, shrink):
    """One user after the other, from sets."""
    taken = [set(np.flatnonzero(row)) for row in train]
    near = np.zeros((len(taken), len(taken)))
    for u, own in enumerate(taken):
        likeness = {
            v: len(own & other) / (math.sqrt(len(own) * len(other)) + shrink)
            for v, other in enumerate(taken)
            if v != u and own & other
        }
        for v in sorted(likeness, key=lambda v: (-np.float32(likeness[v]), v))[:k]:
            near[u, v] = likeness[v]
    return near


@pytest.mark.parametrize(("k", "shrink"), [(1, 0), (5, 0), (5, 10), (1000, 3.5)])
def test_scores_are_the_votes_of_the_nearest_users(tiny, k, shrink, monkeypatch):
    monkeypatch.setattr(user_knn, "_BLOCK", 7 * tiny.dataset.n_users)
    train = tiny.dataset.train.toarray()
    near = by_definition(train, k, shrink)
    np.testing.assert_allclose(
        user_neighbours(tiny.dataset.train, k, shrink=shrink).toarray(), near, rtol=1e-6
    )
    state = fit_user_knn(tiny.dataset, UserKNNConfig(neighbours=k, shrink=shrink))
    users = np.array([3, 100, 3], np.int32)
    np.testing.assert_allclose(state.scores(users), (near @ train)[users], rtol=1e-5, atol=1e-6)


def test_users_who_share_nothing_get_nothing():
    near = user_neighbours(csr_array(np.array([[1, 0], [0, 1], [0, 0]], dtype=np.float32)), 3)
    assert near.nnz == 0
    assert near.shape == (3, 3)


def test_it_survives_being_kept(tiny):
    state = fit_user_knn(tiny.dataset, UserKNNConfig(neighbours=7))
    again = from_tensors(*to_tensors(state))
    users = np.arange(20, dtype=np.int32)
    np.testing.assert_array_equal(again.scores(users), state.scores(users))


def test_neighbours_of_other_users_are_refused(tiny):
    with pytest.raises(DataError, match=r"neighbours must be \(…, 240\).*got \(2, 2\)"):
        NeighbourState(csr_array((2, 2)), tiny.dataset.train)
