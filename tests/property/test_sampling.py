from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse import csr_array

from magnet import _core
from magnet.errors import DataError
from magnet.sampling import membership, sample_negatives, sample_shared
from oracles import ranking as oracles


@pytest.fixture(autouse=True)
def _keep_threads():
    threads = _core.num_threads()
    yield
    _core.set_num_threads(threads)


@st.composite
def problems(draw):
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    n_users, n_items = draw(st.integers(1, 12)), draw(st.integers(1, 40))
    density = draw(st.sampled_from([0.0, 0.3, 0.9, 1.0]))
    seen = csr_array((rng.random((n_users, n_items)) < density).astype(np.float32))
    pool = None
    if draw(st.booleans()):
        pool = rng.permutation(n_items)[: draw(st.integers(1, n_items))]
    popularity = rng.integers(0, 4, n_items).astype(np.float64)
    popularity[0 if pool is None else pool[0]] = 1
    exponent = draw(st.sampled_from([0.0, 0.5, 1.0]))
    users = rng.integers(0, n_users, draw(st.integers(0, 50))).astype(np.int32)
    return seen, users, {"pool": pool, "popularity": popularity, "exponent": exponent}


@given(problems(), st.integers(0, 2**64 - 1), st.integers(0, 2**40))
def test_draws_are_unseen_and_do_not_depend_on_blocks_or_threads(problem, seed, first):
    seen, users, how = problem
    n_items = seen.shape[1]
    pool = set(range(n_items)) if how["pool"] is None else set(how["pool"].tolist())
    allowed = {i for i in pool if how["exponent"] == 0.0 or how["popularity"][i] > 0}
    taken = [set(seen.indices[seen.indptr[u] : seen.indptr[u + 1]].tolist()) for u in range(seen.shape[0])]
    stuck = sorted({int(u) for u in users if not allowed - taken[u]})
    if stuck:
        with pytest.raises(DataError) as caught:
            sample_negatives(seen, users, seed=seed, first=first, **how)
        assert str(stuck[:10]) in str(caught.value)
        return
    draws = []
    for threads in [1, 2, 5]:
        _core.set_num_threads(threads)
        draws.append(sample_negatives(seen, users, seed=seed, first=first, **how).numpy())
    cut = len(users) // 3
    parts = [
        sample_negatives(seen, part, seed=seed, first=first + start, **how).numpy()
        for start, part in [(0, users[:cut]), (cut, users[cut:])]
    ]
    draws.append(np.concatenate(parts))
    for drawn in draws:
        assert drawn.dtype == np.int32
        np.testing.assert_array_equal(drawn, draws[0])
    for user, item in zip(users, draws[0], strict=True):
        assert item in allowed - taken[user]


@given(problems())
def test_membership_equals_looking_up_every_pair(problem):
    seen, users, _ = problem
    items = np.random.default_rng(len(users)).integers(0, seen.shape[1], 15)
    np.testing.assert_array_equal(
        membership(seen, users, items).numpy(), np.asarray(seen.todense())[users][:, items] > 0
    )


def test_frequencies_are_those_of_the_definition():
    n_items, n = 60, 200_000
    rng = np.random.default_rng(0)
    popularity = rng.integers(0, 30, n_items).astype(float)
    pool = rng.permutation(n_items)[:50]
    # User 1 has seen all but three of the pool: the exact choice after the rejections.
    light, heavy = set(range(0, 60, 7)), set(range(60)) - set(pool[:3].tolist())
    dense = np.zeros((2, n_items), dtype=np.float32)
    dense[0, sorted(light)] = dense[1, sorted(heavy)] = 1
    for exponent in [0.0, 0.75]:
        for user, taken in [(0, light), (1, heavy)]:
            users = np.full(n, user, dtype=np.int32)
            drawn = sample_negatives(
                csr_array(dense), users, seed=3, pool=pool, popularity=popularity, exponent=exponent
            )
            _agree(drawn, oracles.negative_probabilities(taken, popularity**exponent, pool))
    drawn = sample_shared(n, weights=popularity, pool=pool, seed=5)
    _agree(drawn, oracles.negative_probabilities(set(), popularity, pool))


def _agree(drawn, probabilities):
    counts = np.bincount(drawn.numpy(), minlength=len(probabilities))
    expected = probabilities * len(drawn)
    assert np.all(np.abs(counts - expected) <= 5 * np.sqrt(expected))
    # Independent draws scatter: counts all too close to their expectation would be as wrong.
    possible = expected > 0
    chi2 = np.sum((counts - expected)[possible] ** 2 / expected[possible])
    freedom = possible.sum() - 1
    assert abs(chi2 - freedom) < 5 * np.sqrt(2 * freedom)
