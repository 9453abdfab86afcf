from __future__ import annotations

import numpy as np
import pytest
import torch

from magnet.models.mgcn import MGCNConfig, MGCNTask
from support.few import N_USERS, few
from support.multimodal import adjacency, batch, bpr_by_hand, dense, info_nce


def linear(layer, x):
    bias = 0 if layer.bias is None else layer.bias.detach().double().numpy()
    return x @ layer.weight.detach().double().numpy().T + bias


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def by_hand(task, config):
    """Behaviour and content of every user and item, from the equations over whole matrices."""
    net = task.module
    e = net.embeddings.joined().detach().double().numpy()
    a = adjacency(few())
    behaviour = sum(np.linalg.matrix_power(a, n) @ e for n in range(config.layers + 1)) / (config.layers + 1)
    views = []
    for m, rows in enumerate(task.features):
        moved = linear(net.transforms[m], rows.double().numpy())
        purified = e[N_USERS:] * sigmoid(linear(net.purifiers[m], moved))
        spread = np.linalg.matrix_power(dense(task.items[m]), config.item_layers) @ purified
        views.append(np.concatenate([a[:N_USERS, N_USERS:] @ spread, spread]))
    first, _, last = net.attention
    logits = np.concatenate([linear(last, np.tanh(linear(first, view))) for view in views], 1)
    weights = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    common = sum(weights[:, m, None] * view for m, view in enumerate(views))
    special = sum(
        sigmoid(linear(net.preferences[m], behaviour)) * (view - common) for m, view in enumerate(views)
    )
    return behaviour, (common + special) / (len(views) + 1)


@pytest.mark.parametrize("settings", [{}, {"layers": 3, "item_layers": 2, "neighbours": 4}])
def test_what_predicts_is_the_formula_over_whole_matrices(settings):
    config = MGCNConfig(dim=6, **settings)
    task = MGCNTask(few(), config, seed=3)
    behaviour, content = by_hand(task, config)
    state = task.state()
    np.testing.assert_allclose(state.users, (behaviour + content)[:N_USERS], atol=1e-6)
    np.testing.assert_allclose(state.items, (behaviour + content)[N_USERS:], atol=1e-6)


def test_the_loss_is_that_of_the_paper():
    config = MGCNConfig(dim=6, contrast=0.4, l2=0.3)
    task = MGCNTask(few(), config, seed=3)
    behaviour, content = by_hand(task, config)
    triples = [(0, 4, 1), (3, 2, 7), (9, 4, 1), (0, 5, 2)]
    terms = task.step(batch(triples)).named
    z = behaviour + content
    users, items = z[:N_USERS], z[N_USERS:]
    np.testing.assert_allclose(terms["ranking"].item(), bpr_by_hand(users, items, triples), rtol=1e-5)
    norms = sum((users[u] ** 2).sum() + (items[i] ** 2).sum() + (items[j] ** 2).sum() for u, i, j in triples)
    np.testing.assert_allclose(terms["l2"].item(), 0.3 * norms / 8, rtol=1e-5)
    compared = [[0, 3, 9], [N_USERS + 2, N_USERS + 4, N_USERS + 5]]
    expected = 0.4 * sum(info_nce(behaviour[at], content[at], 0.2) for at in compared)
    np.testing.assert_allclose(terms["contrast"].item(), expected, rtol=1e-4)


def test_one_modality_has_nothing_of_its_own():
    config = MGCNConfig(dim=6)
    task = MGCNTask(few((5,)), config, seed=3)
    net = task.module
    view = torch.randn(7, 6)
    np.testing.assert_allclose(net.fuse(torch.randn(7, 6), [view]).detach(), view / 2, atol=1e-6)
