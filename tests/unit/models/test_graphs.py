from __future__ import annotations

import numpy as np
import pytest

from magnet.errors import ConfigError, DataError
from magnet.graph.build import combine
from magnet.models.graphs import GraphConfig, build_graphs
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
