from __future__ import annotations

import numpy as np
import pytest
import torch

from magnet.errors import ConfigError
from magnet.models.freedom import FREEDOMConfig, FREEDOMTask, content_bpr
from support.few import N_USERS, few
from support.multimodal import adjacency, batch, bpr_by_hand, dense


@pytest.mark.parametrize(("layers", "item_layers"), [(2, 1), (1, 2), (0, 0)])
def test_what_predicts_is_the_formula_over_whole_matrices(layers, item_layers):
    task = FREEDOMTask(few(), FREEDOMConfig(dim=6, layers=layers, item_layers=item_layers), seed=3)
    e = task.module.embeddings.joined().detach().double().numpy()
    a, s = adjacency(few()), dense(task.items)
    x = sum(np.linalg.matrix_power(a, power) @ e for power in range(layers + 1)) / (layers + 1)
    h = np.linalg.matrix_power(s, item_layers) @ e[N_USERS:]
    state = task.state()
    np.testing.assert_allclose(state.users, x[:N_USERS], atol=1e-6)
    np.testing.assert_allclose(state.items, x[N_USERS:] + h, atol=1e-6)


def test_the_graph_of_items_is_the_weighted_sum_and_has_no_weights_of_its_own():
    config = FREEDOMConfig(dim=4, neighbours=5, weights={"m0": 1.0, "m1": 3.0})
    task = FREEDOMTask(few(missing=0), config, seed=0)
    s = dense(task.items)
    # Every row has 5 edges of 1/5 in either graph.
    np.testing.assert_allclose(s.sum(1), 1, rtol=1e-6)
    assert set(np.round(s[s > 0], 6)) == {0.05, 0.15, 0.2}
    assert task.facts() == {"graph_weights": {"m0": 0.25, "m1": 0.75}}
    with pytest.raises(ConfigError, match="no modality 'm2'"):
        FREEDOMTask(few(), FREEDOMConfig(weights={"m2": 1.0}), seed=0)


def test_the_loss_is_that_of_the_paper():
    data = few(missing=0)
    task = FREEDOMTask(data, FREEDOMConfig(dim=6, content_weight=0.5, drop=0), seed=3)
    task.begin_epoch(0)
    triples = [(0, 4, 1), (3, 2, 7), (0, 5, 1)]
    terms = task.step(batch(triples)).named
    state = task.state()
    users, items = state.users.double().numpy(), state.items.double().numpy()
    np.testing.assert_allclose(terms["ranking"].item(), bpr_by_hand(users, items, triples), rtol=1e-5)
    expected = 0
    for layer, rows in zip(task.module.projections, task.features, strict=True):
        weight = layer.weight.detach().double().numpy()
        expected += bpr_by_hand(users, rows.double().numpy() @ weight.T, triples)
    np.testing.assert_allclose(terms["content"].item(), 0.5 * expected, rtol=1e-5)


def test_pairs_whose_items_lack_features_teach_nothing_about_them():
    users = torch.randn(3, 2, requires_grad=True)
    positives, negatives = torch.randn(3, 4), torch.randn(3, 4)
    positives[1], negatives[2] = 0, 0
    content_bpr(users, torch.randn(2, 4), positives, negatives).backward()
    assert users.grad[0].any()
    assert not users.grad[1:].any()


def test_each_epoch_has_a_fifth_of_the_edges_of_its_own():
    task = FREEDOMTask(few(), FREEDOMConfig(dim=4), seed=0)
    edges = []
    for epoch in (0, 1, 0):
        task.begin_epoch(epoch)
        edges.append(dense(task.thinned) > 0)
        assert edges[-1].sum() == 2 * round(0.2 * 50 * 7)
    assert not np.array_equal(edges[0], edges[1])
    np.testing.assert_array_equal(edges[0], edges[2])
    assert (dense(task.full) > 0).sum() == 2 * 50 * 7
