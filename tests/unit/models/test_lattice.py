from __future__ import annotations

import numpy as np
import pytest

from magnet.models.lattice import LATTICEConfig, LATTICETask
from support.few import N_ITEMS, N_USERS, few
from support.multimodal import adjacency, batch, bpr_by_hand, dense


def learnt_by_hand(net, features, k):
    """The learnt graph of each modality from its definition, and its nearest items."""
    graphs = []
    for layer, rows in zip(net.projections, features, strict=True):
        weight, bias = (p.detach().double().numpy() for p in (layer.weight, layer.bias))
        f = rows.double().numpy()
        there = f.any(1)
        h = f @ weight.T + bias
        h /= np.linalg.norm(h, axis=1, keepdims=True)
        cosines = np.where(there[:, None] & there, h @ h.T, -np.inf)
        graph = np.zeros((N_ITEMS, N_ITEMS))
        for i in np.flatnonzero(there):
            best = np.argsort(-cosines[i], kind="stable")[:k]
            graph[i, best] = np.maximum(cosines[i, best], 0)
        root = np.where(graph.sum(1) > 0, np.maximum(graph.sum(1), 1e-12) ** -0.5, 0)
        graphs.append(root[:, None] * graph * root)
    return graphs


def by_hand(task, config):
    net = task.module
    e = net.embeddings.joined().detach().double().numpy()
    a = adjacency(few())
    x = sum(np.linalg.matrix_power(a, n) @ e for n in range(config.layers + 1)) / (config.layers + 1)
    shares = np.exp(net.shares.detach().double().numpy())
    shares /= shares.sum()
    learnt = learnt_by_hand(net, task.features, config.neighbours)
    s = sum(
        share * (config.keep * dense(raw) + (1 - config.keep) * own)
        for share, raw, own in zip(shares, task.raw, learnt, strict=True)
    )
    h = np.linalg.matrix_power(s, config.item_layers) @ e[N_USERS:]
    lengths = np.linalg.norm(h, axis=1, keepdims=True)
    h = np.divide(h, lengths, out=np.zeros_like(h), where=lengths > 0)
    return x[:N_USERS], x[N_USERS:] + h


@pytest.mark.parametrize("settings", [{}, {"layers": 1, "item_layers": 2, "neighbours": 4, "keep": 0.3}])
def test_what_predicts_and_both_kinds_of_step_are_the_formula(settings):
    config = LATTICEConfig(dim=6, content_dim=5, l2=0.3, **settings)
    task = LATTICETask(few(), config, seed=3)
    task.module.shares.data[0] = 0.7
    users, items = by_hand(task, config)
    state = task.state()
    np.testing.assert_allclose(state.users, users, atol=2e-6)
    np.testing.assert_allclose(state.items, items, atol=2e-6)
    triples = [(0, 4, 1), (3, 2, 7), (0, 5, 1)]
    task.begin_epoch(0)
    first, second = (task.step(batch(triples)).named for _ in range(2))
    np.testing.assert_allclose(first["ranking"].item(), bpr_by_hand(users, items, triples), rtol=1e-5)
    np.testing.assert_allclose(second["ranking"].item(), first["ranking"].item(), rtol=1e-5)
    norms = sum((users[u] ** 2).sum() + (items[i] ** 2).sum() + (items[j] ** 2).sum() for u, i, j in triples)
    np.testing.assert_allclose(first["l2"].item(), 0.3 * norms / 6, rtol=1e-5)


def test_the_graph_is_learnt_in_the_first_step_of_an_epoch_alone():
    task = LATTICETask(few(), LATTICEConfig(dim=6), seed=3)
    task.begin_epoch(0)
    learning = [*task.module.projections.parameters(), task.module.shares]
    for expected in (True, False):
        task.module.zero_grad(set_to_none=True)
        task.step(batch([(0, 4, 1), (3, 2, 7)])).total.backward()
        assert [p.grad is not None and bool(p.grad.any()) for p in learning] == [expected] * len(learning)
