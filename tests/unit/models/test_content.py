from __future__ import annotations

import numpy as np
import pytest

from magnet.data.records import Modality
from magnet.errors import DataError
from magnet.models.content import content_features, graph_weights, nearest_items_graph
from support.few import few

# Cosines: 0 and 1 .6, 0 and 2 .8, 1 and 2 .96; item 3 looks the other way, item 4 is missing.
ROWS = np.array([[1, 0], [3, 4], [8, 6], [-1, 0], [5, 5]], dtype=np.float32)
PRESENT = np.array([True, True, True, True, False])


def graph(k, **options):
    return nearest_items_graph(Modality("looks", ROWS, PRESENT), k, **options).toarray()


def test_edges_without_weights():
    # Item 0 and 1 have 2 as their nearest, 2 has 1, and 3 nobody but itself.
    expected = np.zeros((5, 5))
    expected[[0, 0, 1, 1, 2, 2], [0, 2, 1, 2, 2, 1]] = 1 / 2
    expected[3, 3] = 1
    np.testing.assert_allclose(graph(2, weighted=False), expected, rtol=1e-6)


def test_edges_that_weigh_their_cosine():
    expected = np.array([[1, 0, 0.8], [0, 1, 0.96], [0, 0.96, 1]])
    root = expected.sum(1) ** -0.5
    found = graph(2, weighted=True)
    np.testing.assert_allclose(found[:3, :3], root[:, None] * expected * root, rtol=1e-6)
    assert (found[3].tolist(), found[4].tolist()) == ([0, 0, 0, 1, 0], [0] * 5)
    assert not found[:, 4].any()


def test_an_item_alone_is_joined_to_itself():
    np.testing.assert_allclose(graph(1, weighted=True), np.diag([1, 1, 1, 1, 0]))


def test_a_graph_weighs_by_the_users_that_neighbours_share_and_not_an_item_with_itself():
    data = few(missing=0)
    graphs = [nearest_items_graph(m, 5, weighted=False) for m in data.modalities.values()]
    x = data.train.toarray()
    shared, off = x.T @ x, ~np.eye(40, dtype=bool)
    gains = np.array([shared[(g.toarray() > 0) & off].mean() / shared[off].mean() - 1 for g in graphs])
    np.testing.assert_allclose(graph_weights(data, graphs, "lift"), gains / gains.sum(), rtol=1e-6)
    np.testing.assert_allclose(graph_weights(data, graphs, {"m0": 1, "m1": 3}), [0.25, 0.75])


def test_features_have_unit_length_and_missing_ones_none():
    data = few()
    for rows, modality in zip(content_features(data, model="x"), data.modalities.values(), strict=True):
        np.testing.assert_allclose(rows.norm(dim=1), modality.present, rtol=1e-6)
    with pytest.raises(DataError, match="few: x needs at least one modality and the data have none; add a"):
        content_features(few(()), model="x")
