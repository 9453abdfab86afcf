from __future__ import annotations

import numpy as np
import pytest

from magnet.errors import ConfigError
from magnet.models.smore import SMOREConfig, SMORETask
from support.few import N_USERS, few
from support.multimodal import (
    adjacency,
    anchored_info_nce,
    batch,
    bpr_by_hand,
    dense,
    linear,
    mean_of_layers,
    sigmoid,
    softmax,
)


def by_hand(task, config, data):
    """Behaviour and content of every user and item, from the equations over whole matrices."""
    net, a = task.module, adjacency(data)
    e = net.embeddings.joined().detach().double().numpy()
    x = mean_of_layers(a, e, config.layers)
    pairs = net.gates.filters.detach().double().numpy()
    filters = pairs[..., 0] + 1j * pairs[..., 1]
    spectra = [
        np.fft.rfft(linear(project, rows.double().numpy()), norm="ortho")
        for project, rows in zip(net.gates.projections, task.inputs.features, strict=True)
    ]
    # The last view is the fused one: the product of all spectra, over the larger edge of all graphs.
    graphs = [dense(graph) for graph in task.inputs.items]
    np.testing.assert_array_equal(graphs[-1], np.maximum.reduce(graphs[:-1]))
    views = []
    for spectrum, q, gate, graph in zip(
        [*spectra, np.prod(spectra, axis=0)], filters, net.gates.gates, graphs, strict=True
    ):
        h = np.fft.irfft(q * spectrum, n=config.dim, norm="ortho")
        items = np.linalg.matrix_power(graph, config.item_layers) @ (e[N_USERS:] * sigmoid(linear(gate, h)))
        views.append(np.concatenate([a[:N_USERS, N_USERS:] @ items, items]))
    seen = []
    for (first, _, last), view in zip(net.queries, views, strict=False):
        seen.append(softmax(linear(last, np.tanh(linear(first, views[-1])))) * view)
    asked = np.split(sigmoid(linear(net.preferences, x)), len(views), axis=1)
    parts = [how_much * view for how_much, view in zip(asked, [*seen, views[-1]], strict=True)]
    return x, sum(parts) / len(parts)


SETTINGS = [
    ((6, 9), {}),
    ((6, 9), {"dim": 5, "layers": 1, "item_layers": 2, "neighbours": 4, "neighbours_of": {"m1": 7}}),
    ((5,), {}),
    ((4, 5, 3), {"item_layers": 0}),
]


@pytest.mark.parametrize(("widths", "settings"), SETTINGS)
def test_what_predicts_is_the_formula_over_whole_matrices(widths, settings):
    config, data = SMOREConfig(**({"dim": 6} | settings)), few(widths)
    task = SMORETask(data, config, seed=3)
    behaviour, content = by_hand(task, config, data)
    state = task.state()
    np.testing.assert_allclose(state.users, (behaviour + content)[:N_USERS], atol=1e-6)
    np.testing.assert_allclose(state.items, (behaviour + content)[N_USERS:], atol=1e-6)


def test_the_loss_is_that_of_the_paper_without_dropout():
    config, data = SMOREConfig(dim=6, contrast=0.4, l2=0.3), few()
    task = SMORETask(data, config, seed=3)
    behaviour, content = by_hand(task, config, data)
    task.module.eval()
    triples = [(0, 4, 1), (3, 2, 7), (9, 4, 1), (0, 5, 2)]
    terms = task.step(batch(triples)).named
    z = behaviour + content
    users, items = z[:N_USERS], z[N_USERS:]
    np.testing.assert_allclose(terms["ranking"].item(), bpr_by_hand(users, items, triples), rtol=1e-5)
    norms = sum((users[u] ** 2).sum() + (items[i] ** 2).sum() + (items[j] ** 2).sum() for u, i, j in triples)
    np.testing.assert_allclose(terms["l2"].item(), 0.3 * norms / 8, rtol=1e-5)
    compared = [[0, 3, 9], [N_USERS + 2, N_USERS + 4, N_USERS + 5]]
    expected = 0.4 * sum(anchored_info_nce(content[at], behaviour[at], 0.2) for at in compared)
    np.testing.assert_allclose(terms["contrast"].item(), expected, rtol=1e-4)


def test_every_parameter_learns_and_dropout_is_for_training_alone():
    task = SMORETask(few(), SMOREConfig(dim=6, dropout=0.3), seed=3)
    before = task.state()
    task.begin_epoch(0)
    losses = []
    for _ in range(4):
        terms = task.step(batch([(0, 4, 1), (3, 2, 7), (9, 4, 1)]))
        losses.append(terms.named["ranking"].item())
    assert len(set(losses)) == 4
    terms.total.backward()
    assert all(parameter.grad.abs().max() > 0 for parameter in task.module.parameters())
    np.testing.assert_array_equal(task.state().users, before.users)
    task.begin_epoch(0)
    assert task.step(batch([(0, 4, 1), (3, 2, 7), (9, 4, 1)])).named["ranking"].item() == losses[0]


def test_nothing_is_computed_of_terms_without_weight():
    task = SMORETask(few(), SMOREConfig(dim=6, contrast=0, l2=0), seed=3)
    assert set(task.step(batch([(0, 4, 1)])).named) == {"ranking"}


def test_neighbours_of_a_modality_that_is_not_there_are_named():
    with pytest.raises(ConfigError, match="neighbours_of: no modality 'm2'; did you mean 'm"):
        SMORETask(few(), SMOREConfig(neighbours_of={"m2": 5}), seed=0)
    with pytest.raises(ConfigError, match="neighbours_of"):
        SMOREConfig.build({"neighbours_of": {"m0": 0}})
