"""Add-EASE and CEASE against explicit inverses in float64."""

from __future__ import annotations

import numpy as np
import pytest

from magnet.errors import ConfigError, DataError
from magnet.models.signals import cease
from magnet.models.signals.add_ease import AddEASEConfig, prepare_add_ease
from magnet.models.signals.cease import CEASEConfig, prepare_cease
from magnet.operators import DenseOperator, SparseOperator
from oracles.evaluation import ease_by_inverse


def unit(modality):
    rows = np.where(modality.present[:, None], modality.features.astype(np.float64), 0)
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.divide(rows, lengths, out=np.zeros_like(rows), where=lengths > 0)


def stacked(tiny, name=None):
    modalities = tiny.dataset.modalities
    names = list(modalities) if name is None else [name]
    return np.concatenate([unit(modalities[one]) for one in names], axis=1)


@pytest.mark.parametrize("modality", [None, "text"])
def test_add_ease_is_two_models_added(tiny, modality):
    data = tiny.dataset
    config = AddEASEConfig(modality=modality, regularization=5, feature_regularization=2, content_weight=0.3)
    found = prepare_add_ease(data.train, data.modalities, config)
    features = stacked(tiny, modality)
    expected = 0.7 * ease_by_inverse(data.train.toarray(), 5) + 0.3 * ease_by_inverse(features.T, 2)
    assert isinstance(found, DenseOperator)
    np.testing.assert_allclose(found.weights, expected, atol=1e-6)


def test_add_ease_goes_item_by_item_as_ease_does(tiny):
    data = tiny.dataset
    whole = prepare_add_ease(data.train, data.modalities, AddEASEConfig(regularization=20))
    found = prepare_add_ease(data.train, data.modalities, AddEASEConfig(regularization=20, support=1000))
    assert isinstance(found, SparseOperator)
    np.testing.assert_allclose(found.weights.toarray(), whole.weights, atol=1e-4)


@pytest.mark.parametrize("modality", [None, "image"])
def test_cease_is_ease_with_features_as_further_users(tiny, modality):
    data = tiny.dataset
    config = CEASEConfig(modality=modality, regularization=7, content_weight=4)
    found = prepare_cease(data.train, data.modalities, config).weights
    users = np.concatenate([data.train.toarray(), 2 * stacked(tiny, modality).T])
    np.testing.assert_allclose(found, ease_by_inverse(users, 7), atol=1e-6)


@pytest.mark.parametrize(
    ("prepare", "config"), [(prepare_add_ease, AddEASEConfig), (prepare_cease, CEASEConfig)]
)
def test_content_that_is_not_there_is_refused(tiny, prepare, config):
    data = tiny.dataset
    with pytest.raises(DataError, match="ease needs item features and the data have none"):
        prepare(data.train, {}, config())
    with pytest.raises(ConfigError, match=r"no modality 'txt'.*text"):
        prepare(data.train, data.modalities, config(modality="txt"))


def test_cease_refuses_a_catalogue_that_is_too_large(tiny, monkeypatch):
    monkeypatch.setattr(cease, "WHOLE_UP_TO", 100)
    with pytest.raises(DataError, match="there may be 100, and the data have 160; take add-ease or l3ae"):
        prepare_cease(tiny.dataset.train, tiny.dataset.modalities, CEASEConfig())
