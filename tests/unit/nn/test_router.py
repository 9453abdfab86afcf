"""The gate and the router against arithmetic done by hand."""

from __future__ import annotations

import math

import pytest
import torch

from magnet.nn.router import OFF, Router, RouterConfig, Side, cross, gate, is_off, paired, summarise


def test_the_gate_is_a_softmax_with_a_floor_then_a_top_k() -> None:
    logits = torch.tensor([[2.0, 1.0, 0.0, -1.0]])
    p = torch.softmax(logits, -1)
    dense = 0.98 * p + 0.02 / 4
    routing = gate(logits, top_k=2, floor=0.02)
    torch.testing.assert_close(routing.dense, dense)
    kept = dense * torch.tensor([[1.0, 1.0, 0.0, 0.0]])
    torch.testing.assert_close(routing.weights, kept / kept.sum())
    entropy = -(dense * dense.log()).sum() / math.log(4)
    torch.testing.assert_close(routing.entropy, entropy[None])


def test_ties_keep_expert_order() -> None:
    routing = gate(torch.zeros(5, 9), top_k=3, floor=0.0)
    torch.testing.assert_close(routing.weights, torch.tensor([[1 / 3] * 3 + [0.0] * 6]).expand(5, 9))


def test_experts_that_are_off_get_nothing_and_the_rest_renormalises() -> None:
    routing = gate(torch.tensor([[1.0, OFF, 1.0], [OFF, OFF, OFF], [2 * OFF, 0.0, OFF]]), top_k=0, floor=0.3)
    torch.testing.assert_close(routing.weights[0], torch.tensor([0.5, 0.0, 0.5]))
    torch.testing.assert_close(routing.weights[1], torch.zeros(3))
    torch.testing.assert_close(routing.weights[2], torch.tensor([0.0, 1.0, 0.0]))
    assert torch.isfinite(routing.entropy).all()


def test_an_expert_is_off_where_either_side_says_so_and_nan_is_not_off() -> None:
    logits = torch.tensor([OFF, 2 * OFF, OFF + 1e6, -1e6, 0.0, math.nan])
    assert is_off(logits).tolist() == [True, True, True, False, False, False]


def test_off_experts_leave_finite_gradients() -> None:
    logits = torch.tensor([[1.0, OFF, 0.5], [OFF, OFF, OFF]], requires_grad=True)
    routing = gate(logits, top_k=2, floor=0.02)
    (routing.weights.sum() + routing.entropy.sum()).backward()
    assert logits.grad is not None
    assert torch.isfinite(logits.grad).all()


def test_pairs_are_the_diagonal_of_the_cross_and_both_follow_the_formula() -> None:
    generator = torch.Generator().manual_seed(0)
    config = RouterConfig(rank=4, temperature=2.0)
    router = Router(3, 5, 6, config)
    with torch.no_grad():
        for parameter in router.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator))
    u, i = torch.randn(7, 5, generator=generator), torch.randn(7, 6, generator=generator)
    on = torch.ones(7, 3, dtype=torch.bool)
    user, item = router.users(u, on), router.items(i, on)
    q, k = router.query(u).reshape(7, 3, 4), router.key(i).reshape(7, 3, 4)
    expected = ((q * k).sum(-1) + router.user_bias(u) + router.item_bias(i)) / 2.0
    each = torch.arange(7)[:, None]
    torch.testing.assert_close(paired(user, item, each)[:, 0], expected)
    both = cross(user, item)
    torch.testing.assert_close(both.diagonal(dim1=0, dim2=1).T, expected)
    pairs = torch.randint(7, (7, 3), generator=generator)
    torch.testing.assert_close(paired(user, item, pairs), both.gather(1, pairs[..., None].expand(7, 3, 3)))
    # Gradients, against those of the cross.
    weight = torch.randn(7, 3, 3, generator=generator)
    found = [
        torch.autograd.grad((logits * weight).sum(), list(router.parameters()), retain_graph=True)
        for logits in (paired(user, item, pairs), both.gather(1, pairs[..., None].expand(7, 3, 3)))
    ]
    for own, other in zip(*found, strict=True):
        torch.testing.assert_close(own, other, atol=1e-5, rtol=1e-4)


def test_an_expert_off_on_one_side_is_off_for_the_pair() -> None:
    side = Side(torch.randn(1, 15), torch.tensor([[True, False, True]]))
    other = Side(torch.randn(1, 15), torch.tensor([[False, True, True]]))
    one = torch.zeros(1, 1, dtype=torch.int64)
    torch.testing.assert_close(
        gate(paired(side, other, one), top_k=0, floor=0.0).weights, torch.tensor([[[0.0, 0.0, 1.0]]])
    )


def test_an_indifferent_router_has_entropy_one_and_even_loads() -> None:
    router = Router(9, 5, 6, RouterConfig())
    on = torch.ones(10, 9, dtype=torch.bool)
    routing = gate(
        paired(
            router.users(torch.randn(10, 5), on),
            router.items(torch.randn(10, 6), on),
            torch.arange(10)[:, None],
        )[:, 0],
        top_k=0,
        floor=0.02,
    )
    sums = summarise(routing)
    torch.testing.assert_close(routing.entropy, torch.ones(10))
    torch.testing.assert_close(sums.loads, torch.full((9,), 10 * 3 / 9))
    assert float(sums.pairs) == 10


def test_loads_share_ties() -> None:
    dense = torch.tensor([[0.4, 0.2, 0.2, 0.2], [0.4, 0.3, 0.2, 0.1]])
    sums = summarise(gate(dense.log(), top_k=0, floor=0.0))
    torch.testing.assert_close(sums.loads, torch.tensor([2.0, 1 + 2 / 3, 1 + 2 / 3, 2 / 3]))
    assert float(sums.loads.sum()) == pytest.approx(6.0)
    off = torch.tensor([[1.0, OFF, 0.5, OFF]])
    torch.testing.assert_close(
        summarise(gate(off, top_k=0, floor=0.02)).loads, torch.tensor([1.0, 0.0, 1.0, 0.0])
    )
