"""Experts over scores: their roles, their sum, and the loss that teaches them."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from magnet.errors import ConfigError
from magnet.nn.mixture.gate import OFF
from magnet.nn.mixture.losses import FAR, listwise, smooth_recall
from magnet.nn.mixture.mixture import ExpertsConfig, Mixture, RouterConfig
from magnet.nn.mixture.roles import Cues, expert_weights, experts_over, explained_by_others

NAMES = ["behaviour", "image", "text"]
ROLES = ["dominant", "balanced", "complementary", "null"]


def test_three_cues_give_three_experts_of_each_role_and_one_that_adds_nothing():
    experts = experts_over(NAMES, ROLES)
    explained = torch.tensor([[0, 0.5, 0], [0.1, 0, 0.2], [0, 0.3, 0]])
    weights = expert_weights(experts, Cues(torch.tensor([0.6, 0.8, 0.9]), explained))
    assert [e.name for e in experts][::3] == [
        "dominant/behaviour",
        "balanced/behaviour+image",
        "complementary/behaviour",
        "null",
    ]
    expected = [
        [0.6, 0.2, 0.2], [0.1, 0.8, 0.1], [0.05, 0.05, 0.9],
        [0.5, 0.5, 0], [0.5, 0, 0.5], [0, 0.5, 0.5],
        [1, -0.5, 0], [-0.1, 1, -0.2], [0, -0.3, 1],
        [0, 0, 0],
    ]  # fmt: skip
    torch.testing.assert_close(weights, torch.tensor(expected))


@pytest.mark.parametrize("n_cues", [1, 2, 5])
def test_any_number_of_cues(n_cues):
    names = [f"c{n}" for n in range(n_cues)]
    experts = experts_over(names, ROLES)
    pairs = n_cues * (n_cues - 1) // 2
    assert len(experts) == n_cues + pairs + (n_cues if n_cues > 1 else 0) + 1
    weights = expert_weights(experts, Cues(torch.full((n_cues,), 0.7), torch.zeros(n_cues, n_cues)))
    assert weights.shape == (len(experts), n_cues)
    torch.testing.assert_close(weights[: n_cues + pairs].sum(1), torch.ones(n_cues + pairs))


def test_complementary_is_what_least_squares_leaves():
    scores = torch.randn(500, 3, generator=torch.Generator().manual_seed(0))
    scores[:, 2] = 0.8 * scores[:, 0] - 0.4 * scores[:, 1] + 0.1 * scores[:, 2]
    found = explained_by_others(scores, ridge=0.0).numpy()
    x = scores.double().numpy() - scores.double().numpy().mean(0)
    for cue in range(3):
        others = [c for c in range(3) if c != cue]
        np.testing.assert_allclose(found[cue, others], np.linalg.lstsq(x[:, others], x[:, cue])[0], atol=1e-4)
    assert not found.diagonal().any()
    assert not explained_by_others(scores[:0]).any()


def mixture(kind="pair"):
    made = Mixture(NAMES, 4, 2, ExpertsConfig(), RouterConfig(kind=kind))
    with torch.no_grad():
        for n, parameter in enumerate(made.parameters()):
            parameter.copy_(torch.randn(parameter.shape, generator=torch.Generator().manual_seed(n)) / 2)
    return made.eval()


def test_the_mixture_is_its_formula():
    made = mixture()
    generator = torch.Generator().manual_seed(9)
    phi, psi, scores = (torch.randn(*shape, generator=generator) for shape in ((5, 4), (7, 2), (5, 7, 3)))
    there_u, there_i = (torch.rand(n, 3, generator=generator) < 0.7 for n in (5, 7))
    user, item = made.user_logits(phi, there_u), made.item_logits(psi, there_i)
    found = made(user, item, torch.arange(7).expand(5, -1), scores, top_k=3)
    roles = made.roles().detach().double().numpy()
    groups = [expert.group for expert in made.experts]
    for u in range(5):
        for i in range(7):
            on = [bool(there_u[u, list(g)].all() and there_i[i, list(g)].all()) for g in groups]
            r = (phi[u] @ made.of_user + psi[i] @ made.of_item + made.bias).detach().double().numpy()
            p = np.where(on, np.exp(r), 0)
            p[np.argsort(-p, kind="stable")[3:]] = 0
            w = float(made.weight.detach()) * (p / p.sum()) @ roles
            assert float(found[u, i].detach()) == pytest.approx(w @ scores[u, i].double().numpy(), abs=1e-5)
    assert (user[~there_u[:, 0], 0] == OFF).all()


@pytest.mark.parametrize(
    ("router", "learnt"),
    [
        ("pair", {"bias", "of_user", "of_item"}),
        ("user", {"bias", "of_user"}),
        ("item", {"bias", "of_item"}),
        ("global", {"bias"}),
        ("shuffled", {"bias", "of_user", "of_item"}),
        ("uniform", set()),
    ],
)
def test_each_kind_of_router_learns_what_it_looks_at(router, learnt):
    made = mixture(router)
    names = {id(p): name for name, p in made.named_parameters()}
    assert {names[id(p)] for p in made.routed()} == learnt


def test_an_unknown_role_is_refused():
    with pytest.raises(ConfigError, match=r"no role of experts 'dominnt'.*dominant"):
        ExpertsConfig.build({"roles": ["dominnt"]})


def lists(n=6, length=40):
    generator = torch.Generator().manual_seed(3)
    scores = torch.randn(n, length, generator=generator)
    others = torch.rand(n, length, generator=generator) < 0.8
    return scores, torch.randn(n, generator=generator), others, torch.rand(n, generator=generator)


def test_a_narrow_step_counts_the_lists_that_have_their_target():
    scores, target, others, weights = lists()
    found = smooth_recall(scores, target, others, weights, k=5, width=1e-4)
    inside = ((scores > target[:, None]) & others).sum(1) < 5
    assert float(found) == pytest.approx(1 - float((weights * inside).sum() / weights.sum()), abs=1e-6)


def test_the_loss_does_not_change_with_the_scale_of_scores():
    scores, target, others, weights = lists()
    one, ten = (smooth_recall(scores * s, target * s, others, weights, k=5) for s in (1.0, 10.0))
    torch.testing.assert_close(one, ten)


def test_where_all_fits_into_the_list_every_target_is_in_it():
    scores, target, others, weights = lists(length=4)
    assert smooth_recall(scores, target, others, weights) == 0
    few = others & (torch.arange(4) < 2)
    assert smooth_recall(scores, target, few, weights, k=3) == 0


def test_listwise_is_cross_entropy():
    scores, target, others, weights = lists()
    found = listwise(scores, target, others, weights)
    table = torch.cat([target[:, None], scores.masked_fill(~others, FAR)], 1)
    each = torch.nn.functional.cross_entropy(
        table, torch.zeros(len(table), dtype=torch.int64), reduction="none"
    )
    torch.testing.assert_close(found, (weights * each).sum() / weights.sum())
