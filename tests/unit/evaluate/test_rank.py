from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from scipy.sparse import csr_array

from magnet.errors import DataError
from magnet.evaluate.rank import rank, score
from magnet.states import DotState, ItemItemState, from_tensors, to_tensors
from support.blend_data import blend


def dots(**changes):
    """One user, three items."""
    parts = {"users": torch.tensor([[2.0]]), "items": torch.tensor([[6.0], [2.0], [1.5]])}
    return DotState(**{**parts, **changes})


def test_a_dot_product_by_hand():
    state = dots()
    assert score(state, [0, 0, 0], [0, 1, 2]).tolist() == [12.0, 4.0, 3.0]
    assert rank(state, [0], None, 5).items.tolist() == [[0, 1, 2, -1, -1]]
    assert rank(state, [0], None, 5).scores.tolist() == [[12.0, 4.0, 3.0, -np.inf, -np.inf]]
    seen = csr_array(np.array([[1, 0, 0]], dtype=np.float32))
    assert rank(state, [0, 0], seen, 1).items.tolist() == [[1], [1]]


def test_no_item_is_lost_to_the_order():
    """Enough users for items to be reordered, lengths that differ, and seen items."""
    rng = np.random.default_rng(1)

    def normal(*shape):
        return torch.from_numpy(rng.standard_normal(shape).astype(np.float32))

    n_users, n_items, k = 30, 5000, 10
    state = DotState(normal(n_users, 16), normal(n_items, 16) * (1 + torch.arange(n_items) % 3)[:, None])
    users, items = np.divmod(np.arange(n_users * n_items), n_items)
    scores = score(state, users, items).reshape(n_users, n_items)
    seen = csr_array((rng.random((n_users, n_items)) < 0.05).astype(np.float32))
    best = np.argsort(np.where(seen.toarray() > 0, np.inf, -scores), axis=1, kind="stable")[:, :k]
    many = np.arange(1100) % n_users
    found = rank(state, many, seen, k)
    np.testing.assert_array_equal(found.items, best[many])
    np.testing.assert_array_equal(found.scores, np.take_along_axis(scores, best, 1)[many])


def test_scores_that_are_no_numbers_are_not_ranked():
    items = torch.tensor([[torch.nan], [1.0], [-torch.inf], [torch.inf]])
    ranking = rank(DotState(torch.ones(1, 1), items), [0], None, 4)
    assert ranking.items.tolist() == [[3, 1, -1, -1]]


@pytest.mark.parametrize(
    "state",
    [
        DotState(torch.eye(2, 3), torch.ones(4, 3)),
        ItemItemState(csr_array(np.eye(2, 4, dtype=np.float32)), np.ones((4, 4), np.float32)),
        blend(),
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
    ],
)
def test_parts_that_do_not_fit_are_named(changes, text):
    with pytest.raises(DataError, match=text):
        dots(**changes)


def test_bad_requests_are_named():
    item_item = ItemItemState(csr_array(np.eye(1, 3, dtype=np.float32)), np.ones((3, 3), np.float32))
    with pytest.raises(DataError, match=r"square matrix in float32, got \(3, 2\)"):
        ItemItemState(item_item.history, np.ones((3, 2), np.float32))
    with pytest.raises(DataError, match="as many items as the history, 3; it has 2"):
        ItemItemState(item_item.history, np.ones((2, 2), np.float32))
    for state in [dots(), item_item]:
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
