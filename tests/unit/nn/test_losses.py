"""Loss terms against their formulas in NumPy."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from magnet.nn.controller import StageWeights
from magnet.nn.losses import bpr, embedding_penalty, info_nce, sampled_softmax
from magnet.nn.mixture.gate import OFF, gate, summarise
from magnet.nn.mixture.losses import routing_terms


def test_bpr() -> None:
    p, n = torch.tensor([1.0, -2.0]), torch.tensor([0.5, 1.0])
    expected = np.mean([math.log1p(math.exp(-0.5)), math.log1p(math.exp(3.0))])
    assert float(bpr(p, n)) == pytest.approx(expected, rel=1e-6)


def test_sampled_softmax_leaves_out_what_the_user_has() -> None:
    p = torch.tensor([1.0])
    n = torch.tensor([[0.0, 50.0, -1.0]])
    seen = torch.tensor([[False, True, False]])
    expected = -math.log(math.e / (math.e + 1 + math.exp(-1)))
    assert float(sampled_softmax(p, n, seen)) == pytest.approx(expected, rel=1e-6)
    assert float(sampled_softmax(p, n, torch.ones_like(seen))) == pytest.approx(0.0, abs=1e-6)


def test_the_penalty_is_half_the_squares_per_pair() -> None:
    rows = torch.cat([torch.ones(3, 4), 2 * torch.ones(3, 4)])
    assert float(embedding_penalty(rows, pairs=3)) == pytest.approx((12 + 48) / 6)


def test_info_nce_is_symmetric_and_prefers_matching_rows() -> None:
    a = torch.eye(4)
    assert float(info_nce(a, a, 0.2)) == pytest.approx(math.log1p(3 * math.exp(-5)), rel=1e-5)
    b = F.normalize(torch.randn(4, 4, generator=torch.Generator().manual_seed(0)), dim=-1)
    torch.testing.assert_close(info_nce(a, b, 0.2), info_nce(b, a, 0.2))


@pytest.mark.parametrize("temperature", [0.025, 0.2, 5.0])
def test_info_nce_and_its_gradient_are_those_of_two_cross_entropies(temperature: float) -> None:
    generator = torch.Generator().manual_seed(1)
    a, b = (F.normalize(torch.randn(7, 5, generator=generator), dim=-1) for _ in range(2))
    b[2] = -a[2]  # the worst case of the exponentials: a positive at cosine -1
    mine = [x.clone().requires_grad_() for x in (a, b)]
    info_nce(*mine, temperature).backward()
    theirs = [x.double().requires_grad_() for x in (a, b)]
    logits = theirs[0] @ theirs[1].T / temperature
    labels = torch.arange(7)
    expected = 0.5 * (F.cross_entropy(logits, labels) + F.cross_entropy(logits.T, labels))
    expected.backward()
    assert float(info_nce(a, b, temperature)) == pytest.approx(float(expected.detach()), rel=1e-5, abs=1e-5)
    for x, y in zip(mine, theirs, strict=True):
        torch.testing.assert_close(x.grad.double(), y.grad, rtol=1e-4, atol=1e-4)


def test_routing_terms_follow_the_stage() -> None:
    logits = torch.tensor([[3.0, 0.0, 0.0], [3.0, 0.0, 0.0]])
    routing = gate(logits, top_k=0, floor=0.0)
    p = routing.dense[0].double()
    entropy = float(-(p * p.log()).sum() / math.log(3))
    coverage = routing_terms(
        routing, logits, StageWeights("entropy", 0.03, 0.95, 0.0, 1e-3, 0), torch.ones(3)
    )
    assert set(coverage) == {"coverage", "z"}
    assert float(coverage["coverage"]) == pytest.approx(0.03 * (0.95 - entropy), rel=1e-5)
    assert float(coverage["z"]) == pytest.approx(1e-3 * math.log(math.exp(3) + 2) ** 2, rel=1e-5)
    special = routing_terms(routing, logits, StageWeights("entropy", 0.0, 0.5, 5e-3, 0.0, 1), torch.ones(3))
    assert set(special) == {"confidence"}
    assert float(special["confidence"]) == pytest.approx(5e-3 * entropy, rel=1e-5)


def test_the_switch_balance_is_one_for_even_loads_and_more_for_uneven() -> None:
    weights = StageWeights("switch", 1.0, 0.95, 0.0, 0.0, 0)
    even = torch.tensor(
        [[2.0, 1.0, 0.0, -9.0], [-9.0, 2.0, 1.0, 0.0], [0.0, -9.0, 2.0, 1.0], [1.0, 0.0, -9.0, 2.0]]
    )

    def coverage(logits: torch.Tensor) -> torch.Tensor:
        routing = gate(logits, top_k=0, floor=0.0)
        return routing_terms(routing, logits, weights, summarise(routing).loads)["coverage"]

    balanced = coverage(even)
    assert float(balanced) == pytest.approx(1.0, rel=1e-5)
    uneven = even[:1].expand(4, 4)
    p = torch.softmax(uneven[0], -1)
    expected = 4 * float(p[:3].sum()) / 3
    assert float(coverage(uneven)) == pytest.approx(expected, rel=1e-5)


def test_pairs_without_any_expert_cost_nothing() -> None:
    logits = torch.full((2, 3), OFF)
    terms = routing_terms(
        gate(logits, top_k=0, floor=0.02),
        logits,
        StageWeights("entropy", 0.0, 0.9, 0.01, 1e-3, 0),
        torch.zeros(3),
    )
    assert float(terms["z"]) == 0.0
    assert float(terms["confidence"]) == 0.0
