from __future__ import annotations

import numpy as np
import pytest
import torch

from magnet.models.bm3 import BM3Config, BM3Task, apart
from support.few import N_USERS, few
from support.multimodal import adjacency, batch, unit


def by_hand(task, layers):
    """Users and items before the predictor, and the predictor."""
    net = task.module
    e = net.embeddings.joined().detach().double().numpy()
    a = adjacency(few())
    x = sum(np.linalg.matrix_power(a, n) @ e for n in range(layers + 1)) / (layers + 1)
    weight, bias = (p.detach().double().numpy() for p in (net.predictor.weight, net.predictor.bias))
    return x[:N_USERS], x[N_USERS:] + e[N_USERS:], lambda rows: rows @ weight.T + bias


@pytest.mark.parametrize("layers", [0, 2])
def test_what_predicts_is_the_formula_over_whole_matrices(layers):
    task = BM3Task(few(), BM3Config(dim=6, layers=layers), seed=3)
    users, items, predict = by_hand(task, layers)
    state = task.state()
    np.testing.assert_allclose(state.users, predict(users), atol=1e-6)
    np.testing.assert_allclose(state.items, predict(items), atol=1e-6)


def test_the_loss_is_that_of_the_paper_without_dropout():
    task = BM3Task(few(), BM3Config(dim=6, dropout=0, content_weight=0.7, penalty=0.3), seed=3)
    users, items, predict = by_hand(task, 1)
    pairs = [(0, 4), (3, 1), (0, 5)]  # item 1 lacks the first modality, 4 and 5 the second
    terms = task.step(batch([(u, i, 7) for u, i in pairs])).named

    def mean(distances):
        return np.mean(list(distances))

    def distance(a, b):
        return 1 - unit(a) @ unit(b)

    interaction = mean(
        distance(predict(users[u]), items[i]) + distance(predict(items[i]), users[u]) for u, i in pairs
    )
    content = 0
    for layer, rows in zip(task.module.projections, task.features, strict=True):
        weight, bias = (p.detach().double().numpy() for p in (layer.weight, layer.bias))
        f = rows.double().numpy()
        h = f @ weight.T + bias
        there = [i for _, i in pairs if f[i].any()]
        assert 0 < len(there) < 3
        content += mean(distance(predict(h[i]), items[i]) + distance(predict(h[i]), h[i]) for i in there)
    np.testing.assert_allclose(terms["interaction"].item(), interaction, rtol=1e-5)
    np.testing.assert_allclose(terms["content"].item(), 0.7 * content, rtol=1e-5)
    norms = np.linalg.norm(users) + np.linalg.norm(items)
    np.testing.assert_allclose(terms["penalty"].item(), 0.3 * norms / len(items), rtol=1e-5)


def test_targets_get_no_gradient_and_lack_half_of_their_numbers():
    online, target = torch.randn(3, 4, requires_grad=True), torch.randn(3, 4, requires_grad=True)
    apart(online, target, torch.ones(3)).backward()
    assert online.grad.any()
    assert target.grad is None
    assert apart(online, target, torch.zeros(3)).item() == 0
    task = BM3Task(few(), BM3Config(dim=64), seed=3)
    task.begin_epoch(0)
    losses = {task.step(batch([(0, 4, 7), (3, 2, 7)])).named["interaction"].item() for _ in range(3)}
    assert len(losses) == 3
