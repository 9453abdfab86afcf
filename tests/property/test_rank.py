from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse import csr_array

from magnet import _core, core
from magnet.evaluate.rank import rank, score
from magnet.operators.base import dot_rows
from magnet.states import DotState, ItemItemState
from oracles import ranking as oracles
from support.blend_data import EXPERTS, blend


@pytest.fixture(autouse=True)
def _keep_threads():
    threads = _core.num_threads()
    yield
    _core.set_num_threads(threads)


def quarters(rng, *shape):
    """Numbers whose products sum without rounding, so that ties are plenty and truly ties."""
    return torch.from_numpy((rng.integers(-4, 5, shape) / 4).astype(np.float32))


def draw_request(draw, rng, n_users, n_items):
    density = draw(st.sampled_from([0.0, 0.3, 1.0]))
    seen = csr_array((rng.random((n_users, n_items)) < density).astype(np.float32))
    users = rng.integers(0, n_users, draw(st.integers(0, 20)))
    return seen, users, draw(st.integers(1, 50))


def all_scores(state):
    n_users, n_items = state.shape
    users, items = np.divmod(np.arange(n_users * n_items), n_items)
    return score(state, users, items).reshape(n_users, n_items)


def check_ranking(state, seen, users, k):
    """Exact ranking equals scoring every pair; on every path, for any threads and any batching."""
    scores = all_scores(state)
    seen_items = [set(seen.indices[seen.indptr[u] : seen.indptr[u + 1]].tolist()) for u in range(len(scores))]
    expected = np.array([oracles.rank_row(scores[u], seen_items[u], k) for u in users], np.int32).reshape(
        -1, k
    )
    with pytest.MonkeyPatch.context() as patch:
        for path, threads in [("portable", 1), ("portable", 5), (None, 1), (None, 2), (None, 5)]:
            if path is not None:
                patch.setenv("MAGNET_SIMD", path)
            else:
                patch.delenv("MAGNET_SIMD", raising=False)
            _core.set_num_threads(threads)
            found = rank(state, users, seen, k)
            np.testing.assert_array_equal(found.items, expected)
            at = np.where(expected >= 0, scores[users[:, None], expected], -np.inf)
            np.testing.assert_array_equal(found.scores, at)
            np.testing.assert_array_equal(all_scores(state), scores)
        halves = [rank(state, part, seen, k).items for part in np.array_split(users, 3)]
        np.testing.assert_array_equal(np.concatenate(halves), expected)


@given(st.data())
def test_dot_products_and_item_item_matrices_are_ranked_exactly(data):
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    n_users, n_items = data.draw(st.integers(1, 70)), data.draw(st.integers(1, 40))
    request = draw_request(data.draw, rng, n_users, n_items)
    dot = DotState(quarters(rng, n_users, 7), quarters(rng, n_items, 7))
    np.testing.assert_allclose(all_scores(dot), (dot.users @ dot.items.T).numpy(), atol=1e-5)
    check_ranking(dot, *request)
    weights = quarters(rng, n_items, n_items).numpy()
    history = csr_array((rng.random((n_users, n_items)) < 0.2).astype(np.float32))
    item_item = ItemItemState(history, weights)
    np.testing.assert_allclose(all_scores(item_item), history @ weights, atol=1e-5)
    check_ranking(item_item, *request)


@given(st.data())
def test_blends_are_ranked_exactly(data):
    seed = data.draw(st.integers(0, 2**32 - 1))
    rng = np.random.default_rng(seed)
    n_users, n_items = data.draw(st.integers(1, 70)), data.draw(st.integers(1, 40))
    state = blend(
        n_users,
        n_items,
        seed=seed,
        top_experts=data.draw(st.integers(1, len(EXPERTS))),
        compress=data.draw(st.booleans()),
        off=data.draw(st.sampled_from([0.0, 0.2, 1.0])),
    )
    check_ranking(state, *draw_request(data.draw, rng, n_users, n_items))


@given(st.data())
def test_whole_rows_of_dot_products_are_the_scores_of_pairs_to_the_bit(data):
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    n_users, n_items, width = (data.draw(st.integers(1, most)) for most in (70, 60, 40))
    users, items = (rng.standard_normal((n, width)).astype(np.float32) for n in (n_users, n_items))
    chosen = rng.integers(0, n_users, data.draw(st.integers(0, 120))).astype(np.int32)
    expected = all_scores(DotState(torch.from_numpy(users), torch.from_numpy(items)))[chosen]
    for threads in (1, 3):
        _core.set_num_threads(threads)
        np.testing.assert_array_equal(dot_rows(users, items, chosen), expected)
    with pytest.raises(ValueError, match="outside 0"):
        dot_rows(users, items, np.array([n_users], np.int32))


@given(st.data())
def test_sparse_rows_are_scipys_product_to_the_bit(data):
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    sizes = [data.draw(st.integers(0 if side == 0 else 1, 50)) for side in range(3)]

    def matrix(n_rows, n_cols):
        density = data.draw(st.sampled_from([0.0, 0.2, 1.0]))
        values = rng.standard_normal((n_rows, n_cols)) * (rng.random((n_rows, n_cols)) < density)
        return csr_array(values.astype(np.float32))

    left, right = matrix(*sizes[:2]), matrix(*sizes[1:])
    out = np.full((sizes[0], sizes[2]), np.nan, np.float32)
    for threads in (1, 3):
        _core.set_num_threads(threads)
        core.sparse_rows(left.indptr, left.indices, left.data, right.indptr, right.indices, right.data, out)
        np.testing.assert_array_equal(out, (left @ right).toarray())
