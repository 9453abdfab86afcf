from __future__ import annotations

import numpy as np
import pytest

from magnet.errors import DataError
from magnet.graph import spectrum
from magnet.graph.spectrum import low_frequencies
from oracles.operators import shared_walk


@pytest.mark.parametrize("dense_up_to", [1024, 0])
@pytest.mark.parametrize("rank", [1, 10])
def test_they_are_the_leading_eigenvectors(tiny, rank, dense_up_to, monkeypatch):
    monkeypatch.setattr(spectrum, "_DENSE_UP_TO", dense_up_to)
    p, _ = shared_walk(tiny.dataset.train)
    values, vectors = np.linalg.eigh(p)
    best = vectors[:, ::-1][:, :rank]
    found = low_frequencies(tiny.dataset.train, rank).astype(np.float64)
    np.testing.assert_allclose(found @ found.T, best @ best.T, atol=1e-5)
    np.testing.assert_allclose(np.diag(found.T @ p @ found), values[::-1][:rank], atol=1e-5)
    np.testing.assert_array_equal(low_frequencies(tiny.dataset.train, rank), found.astype(np.float32))


def test_the_null_space_is_left_out(tiny):
    few = tiny.dataset.train[:60]
    p, _ = shared_walk(few)
    found = low_frequencies(few, 10_000)
    assert found.shape[1] == np.linalg.matrix_rank(p) < tiny.dataset.n_items
    np.testing.assert_allclose(found @ (found.T @ p), p, atol=1e-5)


def test_no_vectors_are_refused(tiny):
    with pytest.raises(DataError, match="rank must be at least 1, got 0"):
        low_frequencies(tiny.dataset.train, 0)
