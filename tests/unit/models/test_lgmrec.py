from __future__ import annotations

import numpy as np
import pytest

from magnet.models.lgmrec import LGMRecConfig, LGMRecTask
from support.few import N_USERS, few
from support.multimodal import adjacency, batch, bpr_by_hand, info_nce


def lengths_of_one(rows):
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.divide(rows, lengths, out=np.zeros_like(rows), where=lengths > 0)


def softmax(logits):
    e = np.exp(logits - logits.max(1, keepdims=True))
    return e / e.sum(1, keepdims=True)


def by_hand(task, config, data):
    """Everyone, and what passes over each modality's hyperedges, step by step as the paper has it."""
    net = task.module
    e = net.embeddings.joined().detach().double().numpy()
    a, r = adjacency(data), data.train.toarray().astype(np.float64)
    x = sum(np.linalg.matrix_power(a, n) @ e for n in range(config.layers + 1)) / (config.layers + 1)
    z, passed = x.copy(), []
    for known, transform, edges in zip(task.content, net.transforms, net.hyperedges, strict=True):
        f = known.features.double().numpy()
        w, v = (layer.weight.detach().double().numpy() for layer in (transform, edges))
        items = f @ w.T
        users = r @ items / r.sum(1, keepdims=True)
        z += lengths_of_one(np.linalg.matrix_power(a, config.content_layers) @ np.concatenate([users, items]))
        h_items, h_users = (softmax(h / config.temperature) for h in (f @ v.T, r @ (f @ v.T)))
        g_items = x[N_USERS:]
        for _ in range(config.hyper_layers):
            g_users, g_items = h_users @ h_items.T @ g_items, h_items @ h_items.T @ g_items
        passed.append(np.concatenate([g_users, g_items]))
    return z + config.hyper_weight * lengths_of_one(sum(passed)), passed


SETTINGS = [{}, {"layers": 1, "content_layers": 3, "hyper_layers": 2, "hyperedges": 3, "hyper_weight": 0.7}]


@pytest.mark.parametrize("settings", SETTINGS)
def test_what_predicts_is_the_formula_step_by_step(settings):
    config, data = LGMRecConfig(dim=6, **settings), few()
    task = LGMRecTask(data, config, seed=3)
    expected, _ = by_hand(task, config, data)
    state = task.state()
    np.testing.assert_allclose(state.users, expected[:N_USERS], atol=2e-5)
    np.testing.assert_allclose(state.items, expected[N_USERS:], atol=2e-5)


def test_the_loss_is_that_of_the_paper_without_noise():
    config, data = LGMRecConfig(dim=6, contrast=0.4, l2=0.3), few((4, 5, 3))
    task = LGMRecTask(data, config, seed=3)
    z, passed = by_hand(task, config, data)
    task.module.eval()
    triples = [(0, 4, 1), (3, 2, 7), (9, 4, 1), (0, 5, 2)]
    terms = task.step(batch(triples)).named
    users, items = z[:N_USERS], z[N_USERS:]
    np.testing.assert_allclose(terms["ranking"].item(), bpr_by_hand(users, items, triples), rtol=1e-4)
    e = task.module.embeddings.joined().detach().double().numpy()
    norms = sum((e[u] ** 2).sum() + sum((e[N_USERS + k] ** 2).sum() for k in (i, j)) for u, i, j in triples)
    np.testing.assert_allclose(terms["l2"].item(), 0.3 * norms / 8, rtol=1e-5)
    compared = [[0, 3, 9], [N_USERS + 2, N_USERS + 4, N_USERS + 5]]
    pairs = [(passed[a], passed[b]) for a, b in ((0, 1), (0, 2), (1, 2))]
    expected = np.mean([sum(info_nce(a[at], b[at], 0.2) for at in compared) for a, b in pairs])
    np.testing.assert_allclose(terms["contrast"].item(), 0.4 * expected, rtol=1e-3)


def test_noise_is_for_training_alone():
    task = LGMRecTask(few(), LGMRecConfig(dim=6), seed=3)
    first, second = task.state(), task.state()
    np.testing.assert_array_equal(first.users, second.users)
    task.begin_epoch(0)
    losses = {task.step(batch([(0, 4, 1), (3, 2, 7)])).named["ranking"].item() for _ in range(4)}
    assert len(losses) == 4
