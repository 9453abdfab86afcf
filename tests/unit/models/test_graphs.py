from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.sparse import csr_array

from magnet.errors import ConfigError, DataError
from magnet.graph.build import (
    bipartite,
    combine,
    drop_edges,
    pseudo_edges,
    shared_items,
    similarity,
    union_max,
)
from magnet.models.backbone import BackboneConfig, BackboneTask
from magnet.models.graphs import GraphConfig, build_graphs, full_views, thinned_views
from magnet.models.start import content_start
from magnet.nn.behaviour import BehaviourConfig
from magnet.seeds import derive
from support.evaluation_data import make_dataset


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("MAGNET_CACHE", str(tmp_path))


def test_fixed_weights_are_shares_and_a_modality_not_named_has_none(tiny):
    built = build_graphs(tiny.dataset, GraphConfig(weights={"image": 1.0, "text": 3.0}))
    assert built.weights == {"image": 0.25, "text": 0.75}
    np.testing.assert_allclose(
        built.items.toarray(), combine(built.content, np.array([0.25, 0.75])).toarray(), rtol=1e-6
    )
    assert build_graphs(tiny.dataset, GraphConfig(weights={"text": 5.0})).weights == {"image": 0, "text": 1}


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ({"imgae": 1.0}, r"\[graph\] weights: no modality 'imgae'; did you mean 'image'"),
        ({"image": -1.0, "text": 2.0}, "must be at least 0 and not all 0, got {'image': -1.0, 'text': 2.0}"),
        ({"image": 0.0}, "not all 0"),
        ({}, "not all 0"),
    ],
)
def test_fixed_weights_that_cannot_be_are_refused(tiny, weights, message):
    with pytest.raises(ConfigError, match=message):
        build_graphs(tiny.dataset, GraphConfig(weights=weights))


def test_data_without_a_modality_are_refused_with_what_to_do():
    bare = make_dataset(train={0: {0}, 1: {1}}, valid={}, test={}, n_users=2, n_items=2)
    with pytest.raises(
        DataError, match=r"at least one modality and the data have none; add a \.npy .* lightgcn"
    ):
        build_graphs(bare, GraphConfig())


def views_of(data, behaviour=None, **settings):
    config, encoder = GraphConfig(**settings), BehaviourConfig(**(behaviour or {}))
    graphs = build_graphs(data, config)
    return (
        graphs,
        full_views(graphs, config, encoder),
        thinned_views(graphs, config, encoder, seed=3, epoch=2),
    )


def matrix(graph):
    indptr, indices, values = (part.numpy() for part in graph.forward)
    return csr_array((values, indices, indptr), shape=(graph.n_rows, graph.n_cols)).toarray()


def test_pseudo_edges_of_an_epoch_are_made_of_the_edges_it_keeps(tiny):
    settings = {"keep": 0.3, "content_edges": "user-item", "per_item": 0}
    graphs, _, thinned = views_of(tiny.dataset, **settings)
    kept = drop_edges(graphs.train, keep=0.3, seed=3, epoch=2)
    pseudo = pseudo_edges(kept, graphs.items, per_item=0) * np.float32(0.3)
    np.testing.assert_array_equal(matrix(thinned.augmented), bipartite(union_max(kept, pseudo)).toarray())
    # A user who kept nothing has no pseudo edges either: those of all edges would tell what was dropped.
    bare = np.flatnonzero(np.diff(kept.indptr) == 0)
    assert len(bare)
    assert not matrix(thinned.augmented)[bare].any()


def test_items_that_users_share_are_a_further_graph_of_items(tiny):
    graphs, views, _ = views_of(tiny.dataset, shared_weight=0.4, shared_neighbours=5, content_edges="both")
    shared = similarity(shared_items(tiny.dataset.train, 5))
    content = combine(graphs.content, list(graphs.weights.values()))
    np.testing.assert_allclose(matrix(views.items), (0.6 * content + 0.4 * shared).toarray(), rtol=1e-5)
    # Pseudo edges stay those of content.
    plain, _, _ = views_of(tiny.dataset, content_edges="both")
    assert (graphs.pseudo != plain.pseudo).nnz == 0


def test_the_content_view_is_pooled_over_the_edges_of_the_epoch(tiny):
    both = {"content_side": "both"}
    graphs, full, thinned = views_of(tiny.dataset, both, keep=0.3)
    n = tiny.dataset.n_users
    np.testing.assert_array_equal(matrix(full.users), bipartite(graphs.train).toarray()[:n, n:])
    assert thinned.users.forward[1].numel() == round(0.3 * graphs.train.nnz)
    assert full_views(graphs, GraphConfig(), BehaviourConfig(content_side="items")).users is None


def test_gated_graphs_stand_side_by_side_with_their_weights(tiny):
    gated = {"content_gate": "features"}
    graphs, full, _ = views_of(tiny.dataset, gated, shared_weight=0.4)
    *content, shared = np.hsplit(matrix(full.items), 3)
    np.testing.assert_allclose(sum(content) + shared, graphs.items.toarray(), rtol=1e-4, atol=1e-7)
    np.testing.assert_allclose(shared, 0.4 * graphs.shared.toarray(), rtol=1e-6)


def test_a_start_from_content_keeps_its_products_and_the_size_of_a_random_one(tiny):
    data = tiny.dataset
    graphs = build_graphs(data, GraphConfig(weights={"image": 1.0, "text": 3.0}))
    dim = 256  # wider than the features: nothing is cut off
    start = content_start(data, graphs, dim, seed=1)
    parts = []
    for name, modality in data.modalities.items():
        x = modality.features[modality.present]
        x = x / np.linalg.norm(x, axis=1, keepdims=True)
        x = x - x.mean(0)
        x = x / np.linalg.norm(x, axis=1, keepdims=True) * graphs.weights[name] ** 0.5
        parts.append(np.zeros(modality.features.shape))
        parts[-1][modality.present] = x
    x = np.concatenate(parts, 1)
    items = start[data.n_users :].numpy()
    products, wanted = items @ items.T, x @ x.T
    np.testing.assert_allclose(products / products.max(), wanted / wanted.max(), atol=1e-4)
    train = data.train.toarray()
    users = train @ x / np.maximum(train.sum(1, keepdims=True), 1)
    products, wanted = start[: data.n_users].numpy() @ items.T, users @ x.T
    np.testing.assert_allclose(products / products.max(), wanted / wanted.max(), atol=1e-4)
    spread = (2 / (data.n_users + data.n_items + dim)) ** 0.5
    assert start[: data.n_users].std() == pytest.approx(spread, rel=1e-4)
    assert start[data.n_users :].std() == pytest.approx(spread, rel=1e-4)
    assert not torch.equal(start, content_start(data, graphs, dim, seed=2))
    narrow = content_start(data, graphs, 4, seed=1)
    assert narrow.shape == (data.n_users + data.n_items, 4)


def test_training_begins_from_content_where_it_is_asked_for(tiny):
    random, content = (
        BackboneTask(tiny.dataset, BackboneConfig.build({"behaviour": {"start": start}}), seed=5)
        for start in ("random", "content")
    )
    assert not torch.equal(random.backbone.behaviour.embeddings, content.backbone.behaviour.embeddings)
    wanted = content_start(tiny.dataset, content.graphs, content.config.dim, seed=derive(5, "content start"))
    assert torch.equal(content.backbone.behaviour.embeddings, wanted)
