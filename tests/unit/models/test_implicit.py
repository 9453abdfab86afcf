from __future__ import annotations

import sys

import numpy as np
import pytest

import magnet
from magnet.errors import MissingExtraError
from magnet.models.implicit import ImplicitALSConfig, fit_implicit_als


@pytest.mark.parametrize("model", ["implicit-als", "implicit-bpr"])
def test_it_learns(model, tiny):
    pytest.importorskip("implicit")
    fitted = magnet.Recommender(model, dim=16).fit(tiny.dataset, progress=False)
    chance = 20 / tiny.dataset.n_items
    assert fitted.evaluate(tiny.dataset, "test").metrics["recall@20"] > 1.5 * chance


def test_als_ends_where_its_equations_hold(tiny):
    """Given the items, a user's vector solves its own weighted least squares."""
    pytest.importorskip("implicit")
    config = ImplicitALSConfig(dim=4, regularization=2.0, alpha=5.0, iterations=200)
    state = fit_implicit_als(tiny.dataset, config)
    users, items = state.users.double().numpy(), state.items.double().numpy()
    taken = tiny.dataset.train.toarray()
    for user in (0, 7, 100):
        confidence = np.where(taken[user] > 0, 5.0, 1.0)
        left = items.T @ (confidence[:, None] * items) + 2.0 * np.eye(4)
        expected = np.linalg.solve(left, items.T @ (confidence * taken[user]))
        np.testing.assert_allclose(users[user], expected, rtol=0.05, atol=5e-3)


@pytest.mark.parametrize("model", ["implicit-als", "implicit-bpr"])
def test_a_library_that_is_not_there_is_named_with_its_extra(model, tiny, monkeypatch):
    for name in [name for name in sys.modules if name.split(".")[0] == "implicit"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "implicit", None)
    with pytest.raises(MissingExtraError, match=rf"{model} needs .*pip install 'magnet-rec\[implicit\]'"):
        magnet.Recommender(model).fit(tiny.dataset, progress=False)
