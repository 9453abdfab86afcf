from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from scipy.sparse import csr_array

from magnet.errors import DataError
from magnet.evaluate.rank import rank, score, score_experts
from magnet.states import DotState, ItemItemState, MixtureState, from_tensors, to_tensors


def mixture(**changes):
    """One user, three items; expert 1 is off for item 1, both are off for item 2."""
    off = -torch.inf
    parts = {
        "users": torch.tensor([[1.0]]),
        "items": torch.tensor([[1.0], [2.0], [3.0]]),
        "user_towers": torch.tensor([[[1.0], [10.0]]]),
        "item_towers": torch.ones(3, 2, 1),
        "user_keys": torch.tensor([[[1.0], [1.0]]]),
        "item_keys": torch.tensor([[[0.0], [0.0]], [[0.0], [off]], [[off], [off]]]),
        "weight": 2.0,
        "top_experts": 2,
        "experts": ["a", "b"],
    }
    return MixtureState(**{**parts, **changes})


def test_a_mixture_by_hand():
    state = mixture()
    assert score(state, [0, 0, 0], [0, 1, 2]).tolist() == [12.0, 4.0, 3.0]
    assert score(mixture(top_experts=1), [0], [0]).tolist() == [3.0]
    assert rank(state, [0], None, 5).items.tolist() == [[0, 1, 2, -1, -1]]
    assert rank(state, [0], None, 5).scores.tolist() == [[12.0, 4.0, 3.0, -np.inf, -np.inf]]
    seen = csr_array(np.array([[1, 0, 0]], dtype=np.float32))
    assert rank(state, [0, 0], seen, 1).items.tolist() == [[1], [1]]
    parts = score_experts(state, 0, 1)
    assert parts.experts == ["a", "b"]
    assert parts.base == 2.0
    assert parts.values.tolist() == [1.0, 10.0]
    assert parts.logits.tolist() == [0.0, -np.inf]
    assert parts.dense.tolist() == parts.weights.tolist() == [1.0, 0.0]
    assert score_experts(state, 0, 2).weights.tolist() == [0.0, 0.0]


@pytest.mark.parametrize(
    ("experts", "alike"), [(1, False), (9, False), (9, True)], ids=["one", "nine", "nine that agree"]
)
def test_no_item_is_lost_to_the_bound(experts, alike):
    """One expert attains the bound; experts that agree attain it up to the rounding of their weights."""
    rng = np.random.default_rng(0)

    def normal(*shape):
        return torch.from_numpy(rng.standard_normal(shape).astype(np.float32))

    n_users, n_items, k = 20, 700, 10
    item_towers = normal(n_items, experts, 4)
    user_towers = normal(n_users, experts, 4)
    if alike:
        item_towers[:] = item_towers[0, 0]
        user_towers[:] = user_towers[:, :1]
    state = MixtureState(
        torch.zeros(n_users, 4),
        torch.zeros(n_items, 4),
        user_towers,
        item_towers,
        normal(n_users, experts, 3),
        normal(n_items, experts, 3),
        1.0,
        experts,
        [str(e) for e in range(experts)],
    )
    users, items = np.divmod(np.arange(n_users * n_items), n_items)
    scores = score(state, users, items).reshape(n_users, n_items)
    assert not alike or len(np.unique(scores[0])) > 1, "the rounding does not show"
    best = np.argsort(-scores, axis=1, kind="stable")[:, :k]
    np.testing.assert_array_equal(rank(state, np.arange(n_users), None, k).items, best)


@pytest.mark.parametrize("weight", [0.01, 0.3, -3.0])
def test_no_item_is_lost_to_the_lengths_of_towers_or_to_the_order(weight):
    """A small weight leaves few pairs to the experts, a large one all; enough users for items to be reordered."""
    rng = np.random.default_rng(1)

    def normal(*shape):
        return torch.from_numpy(rng.standard_normal(shape).astype(np.float32))

    n_users, n_items, experts, k = 30, 500, 9, 10
    state = MixtureState(
        normal(n_users, 16),
        normal(n_items, 16) * (1 + torch.arange(n_items) % 3)[:, None],
        normal(n_users, experts, 16),
        normal(n_items, experts, 16),
        normal(n_users, experts, 5),
        normal(n_items, experts, 5),
        weight,
        3,
        [str(e) for e in range(experts)],
    )
    users, items = np.divmod(np.arange(n_users * n_items), n_items)
    scores = score(state, users, items).reshape(n_users, n_items)
    seen = csr_array((rng.random((n_users, n_items)) < 0.05).astype(np.float32))
    best = np.argsort(np.where(seen.toarray() > 0, np.inf, -scores), axis=1, kind="stable")[:, :k]
    many = np.arange(1100) % n_users
    found = rank(state, many, seen, k)
    np.testing.assert_array_equal(found.items, best[many])
    np.testing.assert_array_equal(found.scores, np.take_along_axis(scores, best, 1)[many])


def test_an_expert_that_is_off_may_hold_no_numbers():
    state = mixture(item_towers=torch.tensor([[[1.0], [1.0]], [[1.0], [torch.nan]], [[torch.inf], [1.0]]]))
    assert score(state, [0, 0, 0], [0, 1, 2]).tolist() == [12.0, 4.0, 3.0]
    assert rank(state, [0], None, 3).items.tolist() == [[0, 1, 2]]


def test_scores_that_are_no_numbers_are_not_ranked():
    items = torch.tensor([[torch.nan], [1.0], [-torch.inf], [torch.inf]])
    ranking = rank(DotState(torch.ones(1, 1), items), [0], None, 4)
    assert ranking.items.tolist() == [[3, 1, -1, -1]]


@pytest.mark.parametrize(
    "state",
    [
        DotState(torch.eye(2, 3), torch.ones(4, 3)),
        ItemItemState(csr_array(np.eye(2, 4, dtype=np.float32)), np.ones((4, 4), np.float32)),
        mixture(),
    ],
)
def test_a_state_survives_being_split_into_tensors_and_json(state):
    tensors, meta = to_tensors(state)
    again = from_tensors(tensors, json.loads(json.dumps(meta)))
    assert type(again) is type(state)
    assert again.shape == state.shape
    users = np.arange(state.shape[0])
    for before, after in zip(rank(state, users, None, 3), rank(again, users, None, 3), strict=True):
        np.testing.assert_array_equal(before, after)
    del tensors[next(iter(tensors))]
    with pytest.raises(DataError, match="not complete"):
        from_tensors(tensors, meta)
    with pytest.raises(DataError, match="no kind of state 'dott'; did you mean 'dot'"):
        from_tensors({}, {"kind": "dott"})


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"items": torch.ones(3, 2)}, r"items must be \(any, 1\)"),
        ({"users": torch.ones(1, 1).double()}, "float64"),
        ({"item_towers": torch.ones(3, 3, 1)}, r"item_towers must be \(3, 2, 1\)"),
        ({"item_keys": torch.ones(3, 2, 2)}, r"item_keys must be \(3, 2, 1\)"),
        ({"top_experts": 3}, "from 1 to 2"),
        ({"weight": float("nan")}, "finite"),
    ],
)
def test_parts_that_do_not_fit_are_named(changes, text):
    with pytest.raises(DataError, match=text):
        mixture(**changes)


def test_bad_requests_are_named():
    item_item = ItemItemState(csr_array(np.eye(1, 3, dtype=np.float32)), np.ones((3, 3), np.float32))
    with pytest.raises(DataError, match=r"square matrix in float32, got \(3, 2\)"):
        ItemItemState(item_item.history, np.ones((3, 2), np.float32))
    with pytest.raises(DataError, match="as many items as the history, 3; it has 2"):
        ItemItemState(item_item.history, np.ones((2, 2), np.float32))
    for state in [mixture(), item_item]:
        with pytest.raises(DataError, match=r"0\.\.1"):
            rank(state, [1], None, 2)
        with pytest.raises(DataError, match=r"0\.\.3"):
            score(state, [0], [3])
        with pytest.raises(DataError, match="k must be at least 1, got 0"):
            rank(state, [0], None, 0)
        with pytest.raises(DataError, match=r"shape \(1, 3\), got \(2, 3\)"):
            rank(state, [0], csr_array(np.ones((2, 3), np.float32)), 2)
        with pytest.raises(DataError, match="as many users as items"):
            score(state, [0], [0, 1])
        with pytest.raises(DataError, match="integers"):
            rank(state, [0.5], None, 1)
