"""The gate against arithmetic done by hand."""

from __future__ import annotations

import math

import pytest
import torch

from magnet.nn.mixture.gate import OFF, gate, is_off, summarise


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


def test_an_indifferent_router_has_entropy_one_and_even_loads() -> None:
    routing = gate(torch.zeros(10, 9), top_k=0, floor=0.02)
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
