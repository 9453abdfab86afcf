from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse import csr_array

from magnet import _core
from magnet.evaluate.rank import rank, score, score_experts
from magnet.states import DotState, ItemItemState, MixtureState
from oracles import ranking as oracles


@pytest.fixture(autouse=True)
def _keep_threads():
    threads = _core.num_threads()
    yield
    _core.set_num_threads(threads)


def quarters(rng, *shape):
    """Numbers whose products sum without rounding, so that ties are plenty and truly ties."""
    return torch.from_numpy((rng.integers(-4, 5, shape) / 4).astype(np.float32))


@st.composite
def mixtures(draw):
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    n_users, n_items = draw(st.integers(1, 15)), draw(st.integers(1, 40))
    n, width, key = (
        draw(st.sampled_from([1, 2, 9, 17])),
        draw(st.sampled_from([1, 5, 8])),
        draw(st.integers(2, 5)),
    )
    user_keys, item_keys = quarters(rng, n_users, n, key), quarters(rng, n_items, n, key)
    user_keys[:, :, -2], item_keys[:, :, -1] = 1.0, 1.0
    off = draw(st.sampled_from([0.0, 0.3, 1.0]))
    user_keys[:, :, -1][torch.from_numpy(rng.random((n_users, n)) < off)] = -torch.inf
    item_keys[:, :, -2][torch.from_numpy(rng.random((n_items, n)) < off)] = -torch.inf
    state = MixtureState(
        quarters(rng, n_users, width),
        quarters(rng, n_items, width),
        quarters(rng, n_users, n, width),
        quarters(rng, n_items, n, width),
        user_keys,
        item_keys,
        draw(st.sampled_from([0.5, 0.3, 0.0, -1.0])),
        draw(st.integers(1, n)),
        [f"expert {e}" for e in range(n)],
    )
    return state, *draw_request(draw, rng, n_users, n_items)


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


@given(mixtures())
def test_a_mixture_is_ranked_as_its_definition_says(problem):
    state, seen, users, k = problem
    expected = [
        [oracles.mixture_score(state, u, i) for i in range(state.shape[1])] for u in range(state.shape[0])
    ]
    np.testing.assert_allclose(all_scores(state), expected, atol=1e-5)
    check_ranking(state, seen, users, k)


@given(mixtures())
def test_a_score_taken_apart_adds_up(problem):
    state = problem[0]
    for user in range(min(3, state.shape[0])):
        parts = score_experts(state, user, 0)
        assert parts.base + state.weight * parts.weights @ parts.values == pytest.approx(
            parts.score, abs=1e-5
        )
        assert parts.score == pytest.approx(oracles.mixture_score(state, user, 0), abs=1e-5)
        on = parts.logits > -np.inf
        assert parts.weights.sum() == pytest.approx(1.0 if on.any() else 0.0)
        assert parts.dense.sum() == pytest.approx(1.0 if on.any() else 0.0)
        assert not parts.weights[~on].any()
        assert np.count_nonzero(parts.weights) == min(state.top_experts, on.sum())


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
