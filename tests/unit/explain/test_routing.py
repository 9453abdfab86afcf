from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st

from magnet.errors import DataError
from magnet.explain.routing import RoutedPairs, route_pairs, routing_statistics
from magnet.nn.controller import statistics as training_statistics
from magnet.nn.mixture.gate import OFF, RoutingSums, gate, summarise
from oracles import explain as oracle
from support.explain_data import EXPERTS, mixture

U, I = 7, 9  # noqa: E741


def all_pairs():
    return np.repeat(np.arange(U), I), np.tile(np.arange(I), U)


@given(seed=st.integers(0, 99), top=st.integers(1, 9), off=st.sampled_from([0.0, 0.3, 0.9]))
def test_routing_equals_pair_by_pair(seed, top, off):
    state = mixture(U, I, seed=seed, top_experts=top, off=off)
    users, items = all_pairs()
    routed = route_pairs(state, users, items)
    for n, (user, item) in enumerate(zip(users, items, strict=True)):
        for got, wanted in zip(routed[:3], oracle.route(state, user, item), strict=True):
            np.testing.assert_allclose(got[n], list(wanted.values()), atol=1e-12)
        wanted_entropy = oracle.entropy(oracle.route(state, user, item)[0].values())
        assert routed.entropy[n] == pytest.approx(wanted_entropy, abs=1e-12)


@given(seed=st.integers(0, 99), off=st.sampled_from([0.1, 0.9]))
def test_statistics_equal_pair_by_pair(seed, off):
    state = mixture(U, I, seed=seed, off=off)
    users, items = all_pairs()
    chosen = items % 2 == 0
    found = routing_statistics(route_pairs(state, users, items), chosen)
    assume(found.n_pairs)  # without a pair there is no mean; the test of empty routing has that case
    wanted = oracle.routing_statistics(state, zip(users[chosen], items[chosen], strict=True))
    assert found.n_pairs + found.n_without == chosen.sum()
    for name, value in wanted.items():
        np.testing.assert_allclose(getattr(found, name), value, atol=1e-12, err_msg=name)


def test_blocks_and_order_change_no_bit():
    state = mixture(U, I)
    users, items = all_pairs()
    whole = route_pairs(state, users, items)
    for block in (1, 5, 10_000):
        for one, other in zip(whole, route_pairs(state, users, items, block=block), strict=True):
            assert np.array_equal(one, other)
    turned = route_pairs(state, users[::-1], items[::-1], block=4)
    assert np.array_equal(whole.dense, turned.dense[::-1])


def test_a_constant_router_carries_no_information():
    logits = np.zeros((U, 9)), np.tile(np.linspace(0, 2, 9), (I, 1))
    found = routing_statistics(route_pairs(mixture(U, I, logits=logits, off=0), *all_pairs()))
    assert found.mutual_information == pytest.approx(0, abs=1e-12)
    assert found.pair_entropy < 0.999  # constant, but not uniform


def test_missing_cues_are_no_information():
    """A router that looks at nothing chooses by the pair all the same where experts are off; that does not count."""
    random = torch.Generator().manual_seed(0)
    off = torch.rand(200, 9, generator=random) < 0.3
    logits = torch.zeros(200, 9).masked_fill(off, OFF)
    logged = training_statistics(summarise(gate(logits, top_k=3, floor=0.0)))
    assert logged.marginal_entropy - logged.pair_entropy > 0.05
    assert logged.mutual_information == pytest.approx(0, abs=1e-6)
    flat = mixture(U, I, logits=(np.zeros((U, 9)), np.zeros((I, 9))), off=0.3)
    users, items = all_pairs()
    found = routing_statistics(route_pairs(flat, users, items))
    assert found.marginal_entropy - found.pair_entropy > 0.05
    assert found.mutual_information == pytest.approx(0, abs=1e-9)


def test_a_planted_router_carries_all_information():
    # User u wants expert u alone: which expert it is tells the user.
    state = mixture(9, I, logits=(40.0 * np.eye(9), np.zeros((I, 9))), off=0, top_experts=1)
    found = routing_statistics(route_pairs(state, np.repeat(np.arange(9), I), np.tile(np.arange(I), 9)))
    assert found.mutual_information == pytest.approx(1, abs=1e-9)
    assert found.weights == pytest.approx([1 / 9] * 9)


def test_ties_share_load_and_are_broken_by_order_in_the_weights():
    logits = np.zeros((1, 4)), np.ones((1, 4))
    routed = route_pairs(mixture(1, 1, logits=logits, experts=list("abcd"), off=0, top_experts=2), [0], [0])
    assert routed.loads.tolist() == [[0.75] * 4]
    assert routed.weights.tolist() == [[0.5, 0.5, 0, 0]]


def test_a_pair_without_experts_takes_no_part():
    state = mixture(2, 1, off=0)
    state.user_logits[1] = -torch.inf
    routed = route_pairs(state, [0, 1], [0, 0])
    assert not routed.dense[1].any()
    assert not routed.loads[1].any()
    both, one = routing_statistics(routed), routing_statistics(routed, np.array([True, False]))
    assert both.n_without == 1
    assert both.weights == one.weights
    assert both.mutual_information == one.mutual_information == pytest.approx(0, abs=1e-12)


def test_agrees_with_what_training_logs():
    state = mixture(U, I, off=0)
    users, items = all_pairs()
    logits = state.user_logits[users] + state.item_logits[items]
    sums = summarise(gate(logits, top_k=3, floor=0.0))
    logged = training_statistics(RoutingSums(*sums))
    found = routing_statistics(route_pairs(state, users, items))
    for name in ("pair_entropy", "marginal_entropy", "load_entropy", "mutual_information"):
        assert getattr(found, name) == pytest.approx(getattr(logged, name), abs=1e-5)
    assert found.loads == pytest.approx(logged.loads, abs=1e-5)


def test_no_pairs_and_one_expert():
    empty = routing_statistics(route_pairs(mixture(U, I), [], []))
    assert (empty.n_pairs, empty.pair_entropy, empty.weights) == (0, 0.0, [0.0] * len(EXPERTS))
    alone = routing_statistics(
        route_pairs(mixture(U, I, experts=["only"], top_experts=1, off=0), *all_pairs())
    )
    assert (alone.weights, alone.mutual_information) == ([1.0], 0.0)


@pytest.mark.parametrize(("users", "items"), [([0], [0, 1]), ([U], [0]), ([0], [-1])])
def test_pairs_out_of_range_are_refused(users, items):
    with pytest.raises(DataError, match=r"users|items"):
        route_pairs(mixture(U, I), users, items)


def test_rows_are_shares():
    routed = route_pairs(mixture(U, I, off=0), *all_pairs())
    assert isinstance(routed, RoutedPairs)
    for rows, total in ((routed.dense, 1), (routed.weights, 1), (routed.loads, 3)):
        np.testing.assert_allclose(rows.sum(1), total)
    assert ((routed.weights > 0).sum(1) == 3).all()
