from __future__ import annotations

import numpy as np
import pytest
import torch

from magnet.models.msca import MSCAConfig, MSCATask, squares
from support.few import N_ITEMS, N_USERS, few
from support.multimodal import (
    adjacency,
    anchored_info_nce,
    batch,
    bpr_by_hand,
    dense,
    linear,
    sigmoid,
    softmax,
)


def shared_by_hand(data, k):
    """Each item joined to itself and to the k items it shares most users with, of those it shares several with."""
    r = data.train.toarray()
    joined = np.eye(N_ITEMS)
    for i in range(N_ITEMS):
        counts = [int((r[:, i] * r[:, j]).sum()) if i != j else 0 for j in range(N_ITEMS)]
        best = sorted(range(N_ITEMS), key=lambda j: (-counts[j], j))[:k]
        joined[i, [j for j in best if counts[j] > 1]] = 1
    root = joined.sum(1) ** -0.5
    return root[:, None] * joined * root


def by_hand(task, config, data):
    """Everyone, their behaviour, and what each view says of them, from the equations over whole matrices."""
    net, a = task.module, adjacency(data)
    e = net.embeddings.joined().detach().double().numpy()
    own = sum(np.linalg.matrix_power(a, n) @ e for n in range(1, config.layers + 1)) / config.layers
    items = []
    for rows, first, second, graph in zip(
        task.inputs.features, net.transforms, net.gates, task.inputs.items[:-1], strict=True
    ):
        gate = sigmoid(linear(second, linear(first, rows.double().numpy())))
        items.append(dense(graph) @ (e[N_USERS:] * gate))
    items.append(shared_by_hand(data, config.neighbours) @ e[N_USERS:])
    views = [np.concatenate([a[:N_USERS, N_USERS:] @ h, h]) for h in items]
    first, _, last = net.attention
    weights = softmax(np.concatenate([linear(last, np.tanh(linear(first, view))) for view in views], 1))
    repeated = sum(weights[:, v, None] * view for v, view in enumerate(views))
    return own + config.fusion * (sum(views) - repeated), own, views


@pytest.mark.parametrize("widths", [(6, 9), (5,), (4, 5, 3)])
@pytest.mark.parametrize("settings", [{}, {"layers": 1, "neighbours": 3, "fusion": 0.9}])
def test_what_predicts_is_the_formula_over_whole_matrices(widths, settings):
    config, data = MSCAConfig(dim=6, **settings), few(widths)
    task = MSCATask(data, config, seed=3)
    expected, _, _ = by_hand(task, config, data)
    state = task.state()
    np.testing.assert_allclose(state.users, expected[:N_USERS], atol=1e-6)
    np.testing.assert_allclose(state.items, expected[N_USERS:], atol=1e-6)


def test_the_loss_is_that_of_the_paper():
    config, data = MSCAConfig(dim=6, contrast=0.4, l2=0.3), few()
    task = MSCATask(data, config, seed=3)
    z, own, views = by_hand(task, config, data)
    task.begin_epoch(0)
    triples = [(0, 4, 1), (3, 2, 7), (9, 4, 1), (0, 5, 2)]
    terms = task.step(batch(triples))
    found = bpr_by_hand(z[:N_USERS], z[N_USERS:], triples)
    np.testing.assert_allclose(terms.named["ranking"].item(), found, rtol=1e-5)
    norms = sum((p.detach().double().numpy() ** 2).sum() for p in task.module.parameters())
    np.testing.assert_allclose(terms.named["l2"].item(), 0.3 * norms, rtol=1e-5)
    compared = [[0, 3, 9], [N_USERS + 2, N_USERS + 4, N_USERS + 5]]
    expected = 0.4 * sum(anchored_info_nce(own[at], view[at], 0.2) for view in views for at in compared)
    np.testing.assert_allclose(terms.named["contrast"].item(), expected, rtol=1e-4)


def test_every_parameter_learns():
    task = MSCATask(few(), MSCAConfig(dim=6, l2=0), seed=3)
    terms = task.step(batch([(0, 4, 1), (3, 2, 7), (9, 4, 1)]))
    assert set(terms.named) == {"ranking", "contrast"}
    terms.total.backward()
    assert all(parameter.grad.abs().max() > 0 for parameter in task.module.parameters())


def test_squares_have_the_value_and_the_gradient_of_squares():
    x = torch.randn(5, 3, generator=torch.Generator().manual_seed(1)).requires_grad_()
    found = squares(x)
    np.testing.assert_allclose(found.item(), (x.detach().double() ** 2).sum().item(), rtol=1e-6)
    torch.testing.assert_close(torch.autograd.grad(found, x)[0], 2 * x.detach())
