from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
import torch

from magnet.models.content import joined_by_content, nearest_items_graph
from magnet.models.gume import GUMEConfig, GUMETask
from support.few import N_ITEMS, N_USERS, few
from support.multimodal import (
    anchored_info_nce,
    batch,
    bpr_by_hand,
    dense,
    linear,
    mean_of_layers,
    sigmoid,
    softmax,
)

TRIPLES = [(0, 4, 1), (3, 2, 7), (9, 4, 1), (0, 5, 2)]
NODES = [0, 3, 9, *(N_USERS + i for i in (1, 2, 4, 5, 7))]  # of these triples


def enhanced_by_hand(data, k):
    """Interactions, and an edge to each other item that is near in all modalities, entry by entry."""
    near = [nearest_items_graph(m, k, weighted=True).toarray() for m in data.modalities.values()]
    a = np.zeros((N_USERS + N_ITEMS,) * 2)
    a[:N_USERS, N_USERS:] = data.train.toarray()
    a[N_USERS:, :N_USERS] = data.train.toarray().T
    for i in range(N_ITEMS):
        for j in range(N_ITEMS):
            a[N_USERS + i, N_USERS + j] = i != j and all(graph[i, j] > 0 for graph in near)
    root = np.maximum(a.sum(1), 1) ** -0.5
    return root[:, None] * a * root


def by_hand(task, config, data):
    """Behaviour and content of everyone, extended interests and what each modality says, over whole matrices."""
    net, a = task.module, enhanced_by_hand(data, config.neighbours)
    e = net.embeddings.joined().detach().double().numpy()
    own = mean_of_layers(a, e, config.layers)
    views, extended = [], []
    for rows, first, second, graph in zip(
        task.inputs.features, net.transforms, net.gates, task.inputs.items, strict=True
    ):
        gate = sigmoid(linear(second, linear(first, rows.double().numpy())))
        items = np.linalg.matrix_power(dense(graph), config.item_layers) @ (e[N_USERS:] * gate)
        views.append(np.concatenate([a[:N_USERS, N_USERS:] @ items, items]))
        interests = net.interests.detach().double().numpy()
        extended.append(mean_of_layers(a, np.concatenate([interests, items]), config.layers))
    first, _, last = net.attention
    weights = softmax(np.concatenate([linear(last, np.tanh(linear(first, view))) for view in views], 1))
    coarse = sum(weights[:, m, None] * view for m, view in enumerate(views))
    fine = sum(sigmoid(linear(net.preferences[m], own)) * (view - coarse) for m, view in enumerate(views))
    return own, (coarse + fine) / (len(views) + 1), sum(extended) / len(extended), views


def test_items_near_in_all_modalities_are_joined():
    data = few()
    near = [nearest_items_graph(m, 6, weighted=True) for m in data.modalities.values()]
    found, expected = joined_by_content(data.train, near).toarray(), enhanced_by_hand(data, 6)
    between = expected[N_USERS:, N_USERS:]
    assert 0 < (between > 0).sum() < (near[0].toarray() > 0).sum()
    np.testing.assert_allclose(found, expected, rtol=1e-6)


@pytest.mark.parametrize("widths", [(6, 9), (5,), (4, 5, 3)])
@pytest.mark.parametrize("settings", [{}, {"layers": 1, "item_layers": 1, "neighbours": 4}])
def test_what_predicts_is_the_formula_over_whole_matrices(widths, settings):
    config, data = GUMEConfig(dim=6, **settings), few(widths)
    task = GUMETask(data, config, seed=3)
    own, content, _, _ = by_hand(task, config, data)
    state = task.state()
    np.testing.assert_allclose(state.users, (own + content)[:N_USERS], atol=1e-6)
    np.testing.assert_allclose(state.items, (own + content)[N_USERS:], atol=1e-6)


@pytest.mark.parametrize("widths", [(6, 9), (5,), (4, 5, 3)])
def test_the_loss_is_that_of_the_paper_without_noise(widths):
    weights = {"contrast": 0.4, "moments": 0.7, "user_contrast": 0.6, "l2": 0.3, "interest_l2": 0.2}
    config, data = GUMEConfig(dim=6, **weights), few(widths)
    task = GUMETask(data, config, seed=3)
    own, content, extended, views = by_hand(task, config, data)
    task.module.eval()
    terms = task.step(batch(TRIPLES)).named
    z = own + content
    users, items = z[:N_USERS], z[N_USERS:]
    np.testing.assert_allclose(terms["ranking"].item(), bpr_by_hand(users, items, TRIPLES), rtol=1e-5)
    norms = sum((users[u] ** 2).sum() + (items[i] ** 2).sum() + (items[j] ** 2).sum() for u, i, j in TRIPLES)
    np.testing.assert_allclose(terms["l2"].item(), 0.3 * norms / 8, rtol=1e-5)
    norms = sum((extended[N_USERS + i] ** 2).sum() for _, i, _ in TRIPLES)
    np.testing.assert_allclose(terms["interest_l2"].item(), 0.2 * norms / 8, rtol=1e-5)
    sides = [[0, 3, 9], [N_USERS + 2, N_USERS + 4, N_USERS + 5]]
    expected = 0.4 * sum(anchored_info_nce(content[at], own[at], 0.4) for at in sides)
    np.testing.assert_allclose(terms["contrast"].item(), expected, rtol=1e-4)
    shown, interests = content[sides[0]], extended[sides[0]]
    pairs = [(interests, shown), (shown, shown), (interests, interests)]
    expected = 0.6 * sum(anchored_info_nce(a, b, 0.1) for a, b in pairs)
    np.testing.assert_allclose(terms["users"].item(), expected, rtol=1e-4)
    if len(widths) == 1:
        assert "moments" not in terms
    else:
        parts = [view[NODES] for view in views]
        apart = [abs(a.mean() - b.mean()) + abs(a.var() - b.var()) for a, b in combinations(parts, 2)]
        np.testing.assert_allclose(terms["moments"].item(), 0.7 * np.mean(apart), rtol=1e-4)


def test_noise_has_a_fixed_length_keeps_every_sign_and_is_for_training_alone():
    task = GUMETask(few(), GUMEConfig(dim=6, noise=0.2), seed=3)
    net, x = task.module, torch.randn(9, 6, generator=torch.Generator().manual_seed(1))
    task.begin_epoch(0)
    first, second = net.noisy(x), net.noisy(x)
    assert not torch.equal(first, second)
    np.testing.assert_allclose((first - x).norm(dim=1), np.full(9, 0.2), rtol=1e-5)
    assert ((first - x) * x >= 0).all()
    task.begin_epoch(0)
    assert torch.equal(net.noisy(x), first)
    net.eval()
    assert net.noisy(x) is x


def test_every_parameter_learns_and_terms_without_weight_are_not_there():
    task = GUMETask(few(), GUMEConfig(dim=6), seed=3)
    task.begin_epoch(0)
    terms = task.step(batch(TRIPLES))
    assert set(terms.named) == {"ranking", "contrast", "moments", "users", "interest_l2", "l2"}
    terms.total.backward()
    assert all(parameter.grad.abs().max() > 0 for parameter in task.module.parameters())
    none = dict.fromkeys(("contrast", "moments", "user_contrast", "interest_l2", "l2"), 0.0)
    alone = GUMETask(few(), GUMEConfig(dim=6, **none), seed=3)
    assert set(alone.step(batch(TRIPLES)).named) == {"ranking"}
    for kept, term in (("user_contrast", "users"), ("interest_l2", "interest_l2")):
        task = GUMETask(few(), GUMEConfig(dim=6, **(none | {kept: 0.1})), seed=3)
        assert set(task.step(batch(TRIPLES)).named) == {"ranking", term}


@pytest.mark.parametrize("modalities", [1, 4])
def test_interests_begin_as_the_mean_of_a_table_for_each_modality(modalities):
    config = GUMEConfig(dim=64)
    interests = GUMETask(few((3,) * modalities), config, seed=3).module.interests
    # Xavier's uniform numbers have a variance of 2 / (U + D), their mean the Mth part of it.
    spread = (2 / (N_USERS + 64) / modalities) ** 0.5
    assert interests.std().item() == pytest.approx(spread, rel=0.05)
