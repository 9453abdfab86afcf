from __future__ import annotations

import numpy as np
import pytest

from magnet.errors import ConfigError, DataError
from magnet.models.signals import ease
from magnet.models.signals.base import SIGNALS
from magnet.models.signals.ease import EASEConfig, prepare_ease
from magnet.operators import DenseOperator, SparseOperator
from oracles.evaluation import ease_by_inverse, ease_by_least_squares
from support.evaluation_data import make_dataset


def random_dataset(n_users, n_items, *, density=0.3, seed=0):
    random = np.random.default_rng(seed)
    taken = random.random((n_users, n_items)) < density
    train = {user: set(np.flatnonzero(row).tolist()) for user, row in enumerate(taken)}
    free = {user: {int(np.flatnonzero(~row)[0])} for user, row in enumerate(taken) if not row.all()}
    return make_dataset(train=train, valid=free, test={}, n_users=n_users, n_items=n_items)


@pytest.mark.parametrize("regularization", [0.5, 10.0, 200.0])
def test_equals_the_formula_and_the_regressions_it_stands_for(regularization):
    dataset = random_dataset(40, 13)
    state = prepare_ease(dataset.train, {}, EASEConfig(regularization=regularization))
    train = dataset.train.toarray()
    assert isinstance(state, DenseOperator)
    assert state.weights.dtype == np.float32
    assert state.weights.flags.c_contiguous
    np.testing.assert_allclose(state.weights, ease_by_inverse(train, regularization), atol=1e-6)
    np.testing.assert_allclose(state.weights, ease_by_least_squares(train, regularization), atol=1e-6)


def test_blocks_of_the_mirrored_triangle_meet(monkeypatch):
    dataset = random_dataset(30, 11, seed=1)
    whole = prepare_ease(dataset.train, {}, EASEConfig(regularization=3.0)).weights
    monkeypatch.setattr(ease, "_BLOCK", 4)
    np.testing.assert_array_equal(
        prepare_ease(dataset.train, {}, EASEConfig(regularization=3.0)).weights, whole
    )


def test_a_large_catalogue_is_solved_in_single_precision(monkeypatch):
    dataset = random_dataset(60, 17, seed=2)
    double = prepare_ease(dataset.train, {}, EASEConfig(regularization=5.0)).weights
    monkeypatch.setattr(ease, "_DOUBLE_UP_TO", 16)
    single = prepare_ease(dataset.train, {}, EASEConfig(regularization=5.0)).weights
    assert not np.array_equal(single, double)
    np.testing.assert_allclose(single, double, atol=1e-4)


def test_items_without_training_interactions_have_no_weights_and_the_diagonal_is_zero():
    dataset = make_dataset(
        train={0: {0, 2}, 1: {0, 2}, 2: {2}}, valid={0: {1}}, test={}, n_users=3, n_items=4
    )
    weights = prepare_ease(dataset.train, {}, EASEConfig(regularization=1.0)).weights
    np.testing.assert_array_equal(weights.diagonal(), 0)
    for item in (1, 3):
        np.testing.assert_array_equal(weights[item], 0)
        np.testing.assert_array_equal(weights[:, item], 0)
    assert weights[0, 2] > 0
    assert not np.signbit(weights[weights == 0]).any()


def test_one_user_and_one_item():
    dataset = make_dataset(train={0: {0}}, valid={}, test={}, n_users=1, n_items=1)
    weights = prepare_ease(dataset.train, {}, EASEConfig()).weights
    np.testing.assert_array_equal(weights, [[0]])


def test_the_training_data_are_left_alone():
    dataset = random_dataset(10, 5)
    before = dataset.train.copy()
    prepare_ease(dataset.train, {}, EASEConfig())
    np.testing.assert_array_equal(dataset.train.data, before.data)
    assert dataset.train.dtype == np.float32


def test_a_regularization_too_small_for_the_arithmetic_is_refused():
    # Items 0 and 1 are always taken together: their Gram matrix has no inverse of its own.
    dataset = make_dataset(
        train={user: {0, 1} for user in range(50)}, valid={}, test={}, n_users=50, n_items=2
    )
    with pytest.raises(DataError, match=r"regularization = 1e-300 .* singular in float64; choose a larger"):
        prepare_ease(dataset.train, {}, EASEConfig(regularization=1e-300))


@pytest.mark.parametrize("value", [0.0, -1.0, float("nan"), float("inf"), "much"])
def test_a_regularization_that_is_none_is_refused(value):
    with pytest.raises(ConfigError, match="regularization"):
        EASEConfig.build({"regularization": value})


def test_a_catalogue_too_large_for_a_matrix_is_solved_item_by_item(monkeypatch):
    train = random_dataset(60, 17, seed=2).train
    whole = prepare_ease(train, {}, EASEConfig(regularization=5.0)).weights
    monkeypatch.setattr(ease, "WHOLE_UP_TO", 16)
    found = prepare_ease(train, {}, EASEConfig(regularization=5.0))
    assert isinstance(found, SparseOperator)
    np.testing.assert_allclose(found.weights.toarray(), whole, atol=1e-4)


def test_it_is_a_signal_too():
    assert SIGNALS.find("ease").config is EASEConfig
