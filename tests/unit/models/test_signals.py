"""Each signal against its definition over whole matrices, and as a model of its own."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import magnet
from magnet.errors import ConfigError, DataError
from magnet.models.signals import SIGNALS, register_signal
from magnet.models.signals.filter import FilterConfig, prepare_filter
from magnet.models.signals.item_knn import ItemKNNConfig, prepare_item_knn
from magnet.models.signals.l3ae import L3AEConfig, prepare_l3ae
from magnet.models.signals.profile import ProfileConfig, prepare_profile
from magnet.operators import SparseOperator
from oracles.operators import filter_matrix


def unit(rows):
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.divide(rows, lengths, out=np.zeros_like(rows), where=lengths > 0)


def parts(tiny):
    data = tiny.dataset
    return data.train, data.modalities, data.train.toarray().astype(np.float64)


def features(modality):
    return np.where(modality.present[:, None], modality.features.astype(np.float64), 0)


def normalised(graph):
    degree = graph.sum(1)
    scale = np.where(degree > 0, np.maximum(degree, 1e-300) ** -0.5, 0)
    return scale[:, None] * graph * scale


def test_filter(tiny):
    train, modalities, x = parts(tiny)
    found = prepare_filter(train, modalities, FilterConfig(coefficients=[0, 0, 1], exponent=0.5)).apply(train)
    np.testing.assert_allclose(found, x @ filter_matrix(train, [0, 0, 1], 0.5), rtol=1e-3, atol=1e-5)


def test_content_that_is_kept_is_that_of_the_settings_and_of_the_modality(tiny):
    """The regression of features is kept between fits: another setting or modality must not get it."""
    train, modalities, _ = parts(tiny)
    settings = [
        {"modality": "text"},
        {"modality": "text", "feature_regularization": 50.0},
        {"modality": "text", "support": 5},
        {"modality": "image"},
    ]
    found = [prepare_l3ae(train, modalities, L3AEConfig(**each)).weights.toarray() for each in settings]
    for number, each in enumerate(settings):
        fresh = {name: replace(modality) for name, modality in modalities.items()}
        again = prepare_l3ae(train, fresh, L3AEConfig(**each)).weights.toarray()
        np.testing.assert_array_equal(found[number], again)
        assert all(not np.array_equal(again, other) for other in found[:number])


def test_l3ae(tiny):
    """The two regressions in closed form: what content says, then the users' weights drawn towards it."""
    train, modalities, x = parts(tiny)
    config = L3AEConfig(modality="text", regularization=5.0, content_weight=20.0, support=1000)
    found = prepare_l3ae(train, modalities, config).weights.toarray()
    f = unit(features(modalities["text"]))
    inverse = np.linalg.inv(f @ f.T + np.eye(len(f)))
    # EASE with the features in the place of users.
    content = -inverse / np.diag(inverse)
    np.fill_diagonal(content, 0)
    p = np.linalg.inv(x.T @ x + 25.0 * np.eye(len(f)))
    pull = p @ (x.T @ x + 20.0 * content)
    expected = pull - p * (np.diag(pull) / np.diag(p))
    np.testing.assert_allclose(found, expected, atol=2e-4)


def test_votes_of_content(tiny):
    train, modalities, x = parts(tiny)
    found = prepare_item_knn(train, modalities, ItemKNNConfig(modality="image", neighbours=5)).apply(train)
    rows = unit(features(modalities["image"]))
    cosines = rows @ rows.T
    np.fill_diagonal(cosines, -np.inf)
    cosines[:, ~modalities["image"].present] = -np.inf
    kept = np.zeros_like(cosines)
    for i in np.flatnonzero(modalities["image"].present):
        best = np.argsort(-cosines[i], kind="stable")[:5]
        kept[i, best] = np.maximum(cosines[i, best], 0)
    np.testing.assert_allclose(found, x @ normalised(np.maximum(kept, kept.T)), rtol=1e-3, atol=1e-5)


def test_votes_of_shared_users(tiny):
    train, modalities, x = parts(tiny)
    found = prepare_item_knn(train, modalities, ItemKNNConfig(neighbours=3)).apply(train)
    counts = x.T @ x
    np.fill_diagonal(counts, 0)
    kept = np.zeros_like(counts)
    for i, row in enumerate(counts):
        best = np.argsort(-row, kind="stable")[:3]
        kept[i, best[row[best] > 1]] = 1
    np.testing.assert_allclose(found, x @ normalised(np.maximum(kept, kept.T)), rtol=1e-4, atol=1e-6)


def test_profile_ranks_as_the_cosine_with_the_mean_of_the_history(tiny):
    train, modalities, x = parts(tiny)
    found = prepare_profile(train, modalities, ProfileConfig(modality="text")).apply(train)
    present = modalities["text"].present
    rows = unit(features(modalities["text"]))
    rows = unit(np.where(present[:, None], rows - rows[present].mean(0), 0))
    expected = x @ rows @ rows.T
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-4)
    assert not found[:, ~present].any()


@pytest.mark.parametrize("name", SIGNALS.own)
def test_a_signal_is_a_model_too(tiny, name):
    settings = {"modality": "text"} if name in ("l3ae", "profile") else {}
    model = magnet.Recommender(name, **settings).fit(tiny.dataset, progress=False)
    assert model.evaluate(tiny.dataset, "test").metrics["recall@20"] > 0
    assert name in SIGNALS


def test_a_signal_of_ones_own_is_a_model_and_a_signal(tiny):
    class Settings(magnet.Config):
        """Nothing to set."""

    def twice(train, modalities, config):
        return SparseOperator((2 * (train.T @ train)).tocsr())

    register_signal("twice", Settings, twice, replace=True)
    model = magnet.Recommender("twice").fit(tiny.dataset, progress=False)
    counts = tiny.dataset.train.toarray()
    expected = 2 * counts[:1] @ counts.T @ counts
    np.testing.assert_allclose(model.contents.state.scores(np.array([0])), expected, rtol=1e-5)


def test_the_modality_has_to_be_said_where_there_are_several(tiny):
    with pytest.raises(ConfigError, match=r"the data have 2 \(image, text\): set modality=image"):
        magnet.Recommender("l3ae").fit(tiny.dataset, progress=False)
    with pytest.raises(ConfigError, match=r"no modality 'txt'.*text"):
        magnet.Recommender("profile", modality="txt").fit(tiny.dataset, progress=False)
    train = tiny.dataset.train
    with pytest.raises(DataError, match=r"l3ae needs item features.*such as ease"):
        prepare_l3ae(train, {}, L3AEConfig())
