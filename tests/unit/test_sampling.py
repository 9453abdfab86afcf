from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.sparse import csr_array

from magnet.errors import DataError
from magnet.sampling import membership, sample_negatives, sample_shared


@pytest.fixture
def seen():
    return csr_array(np.array([[1, 0, 1, 0], [1, 1, 1, 1], [0, 0, 0, 0]], dtype=np.float32))


def test_the_only_unseen_item_of_the_pool_is_drawn(seen):
    users = torch.tensor([0, 2, 0], dtype=torch.int32)
    assert sample_negatives(seen, users, seed=0, pool=[3, 0]).tolist()[::2] == [3, 3]
    assert set(sample_negatives(seen, np.full(100, 2), seed=0, pool=[3, 0]).tolist()) == {0, 3}


def test_users_with_nothing_left_are_named(seen):
    with pytest.raises(DataError, match=r"users \[1\] have seen every item"):
        sample_negatives(seen, np.array([0, 1, 1, 2]), seed=0)
    with pytest.raises(DataError, match=r"users \[0, 1\]"):
        sample_negatives(seen, np.array([0, 1, 2]), seed=0, popularity=[1, 0, 1, 0], exponent=1.0)


def test_seeds_and_positions_matter(seen):
    users = np.full(200, 2, dtype=np.int32)
    draws = [
        sample_negatives(seen, users, seed=seed, first=first).tolist()
        for seed, first in [(0, 0), (1, 0), (0, 200), (0, 0)]
    ]
    assert draws[0] == draws[3]
    assert draws[0] != draws[1]
    assert draws[0] != draws[2]
    shared = sample_shared(300, pool=np.arange(9), seed=4)
    assert shared[100:].tolist() == sample_shared(200, pool=np.arange(9), seed=4, first=100).tolist()


def test_membership_answers_repeated_items(seen):
    found = membership(seen, np.array([2, 0]), torch.tensor([2, 1, 2]))
    assert found.tolist() == [[False, False, False], [True, False, True]]
    assert membership(seen, np.array([], dtype=np.int32), np.array([1])).shape == (0, 1)
    assert membership(seen, np.array([1]), np.array([], dtype=np.int32)).shape == (1, 0)


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"users": np.array([3])}, r"user 3 at position 0 is outside 0\.\.3"),
        ({"users": np.array([-1])}, "user -1"),
        ({"users": np.array([0.5])}, "integers"),
        ({"pool": [4]}, r"inside 0\.\.4"),
        ({"pool": []}, "no item to draw"),
        ({"exponent": 1.0}, "needs the popularity"),
        ({"exponent": 1.0, "popularity": [1, 2]}, r"shape \(4,\), got \(2,\)"),
        ({"exponent": 1.0, "popularity": [1, 2, -1, 1]}, "weight 2 is -1"),
        ({"exponent": 1.0, "popularity": [0, 0, 0, 0]}, "nothing can be drawn"),
        ({"exponent": 1.0, "popularity": [1, 2, 1, 1], "pool": [9]}, "pool"),
    ],
)
def test_bad_input_is_named(seen, arguments, text):
    with pytest.raises(DataError, match=text):
        sample_negatives(seen, **{"users": np.array([0]), "seed": 0, **arguments})


def test_bad_shared_draws_and_membership_are_named(seen):
    with pytest.raises(DataError, match="a pool such as"):
        sample_shared(3, seed=0)
    with pytest.raises(DataError, match="shape"):
        sample_shared(3, seed=0, weights=np.ones((2, 2)))
    with pytest.raises(DataError, match="no item to draw"):
        sample_shared(3, seed=0, pool=[])
    with pytest.raises(DataError, match=r"item 4 is outside 0\.\.4"):
        membership(seen, np.array([0]), np.array([4]))
    with pytest.raises(DataError, match="user 7"):
        membership(seen, np.array([7]), np.array([0]))
