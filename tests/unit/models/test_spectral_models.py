"""GF-CF and ChebyCF against their formulas over whole matrices."""

from __future__ import annotations

import numpy as np
import pytest

from magnet.models.signals.chebycf import ChebyCFConfig, plateau, prepare_chebycf
from magnet.models.signals.gf_cf import GFCFConfig, prepare_gf_cf
from oracles.operators import powers, shared_walk, spectral_matrix


def test_gf_cf(tiny):
    train = tiny.dataset.train
    p, degree = shared_walk(train)
    low = np.linalg.eigh(p)[1][:, ::-1][:, :12]
    expected = p + 0.3 * powers(degree, -0.5)[:, None] * (low @ low.T) * powers(degree, 0.5)
    found = prepare_gf_cf(train, {}, GFCFConfig(rank=12)).apply(train)
    np.testing.assert_allclose(found, train.toarray() @ expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("order", "flatness"), [(1, 1.0), (8, 15.0), (9, 3.0)])
def test_chebycf(tiny, order, flatness):
    """The one polynomial of that degree through the values at the roots, found here by Lagrange's formula."""
    train = tiny.dataset.train
    roots = np.cos((np.arange(order + 1) + 0.5) * np.pi / (order + 1))

    def response(values):
        x = 1 - 2 * values
        total = np.zeros_like(x)
        for k, root in enumerate(roots):
            others = np.delete(roots, k)
            basis = np.prod((x[:, None] - others) / (root - others), axis=1)
            total += (0.5 - 0.5 * np.sign(root) * abs(root) ** flatness) * basis
        return total

    config = ChebyCFConfig(order=order, flatness=flatness, rank=9, ideal_weight=0.2, exponent=0.3)
    expected = spectral_matrix(train, response, 0.3, 9, 0.2, 0.3)
    found = prepare_chebycf(train, {}, config).apply(train)
    np.testing.assert_allclose(found, train.toarray() @ expected, rtol=1e-3, atol=1e-5)


def test_the_plateau_passes_low_frequencies_and_stops_high_ones():
    np.testing.assert_allclose(plateau(np.array([-1.0, -0.5, 0.0, 0.5, 1.0]), 2), [1, 0.625, 0.5, 0.375, 0])
