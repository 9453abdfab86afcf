"""Vectors of a matrix of scores: the truncated singular value decomposition, and the order that they give."""

from __future__ import annotations

import numpy as np
import pytest

from magnet.export import factors
from magnet.export.factors import factorised
from magnet.runtime import num_threads, set_num_threads


class Table:
    """A scorer that has its scores."""

    def __init__(self, scores):
        self.table = scores.astype(np.float32)
        self.shape = scores.shape

    def scores(self, users):
        return self.table[users]


def made(n_users, n_items, rank, noise, seed=0):
    rng = np.random.default_rng(seed)
    left, right = rng.standard_normal((n_users, rank)), rng.standard_normal((n_items, rank))
    return (
        left @ right.T + noise * rng.standard_normal((n_users, n_items)) + rng.standard_normal((n_users, 1))
    )


def test_full_rank_gives_the_scores_less_their_mean():
    scores = made(30, 20, 20, 0.5)
    users, items = factorised(Table(scores), 400)
    assert users.shape == (30, 20)
    assert items.shape == (20, 20)
    np.testing.assert_allclose(users @ items.T, scores - scores.mean(1, keepdims=True), atol=2e-5)


def test_it_is_the_truncated_decomposition_of_rows_of_equal_norm(monkeypatch):
    scores = made(300, 120, 8, 0.1)
    centred = scores - scores.mean(1, keepdims=True)
    norms = np.linalg.norm(centred, axis=1, keepdims=True)
    u, s, vt = np.linalg.svd(centred / norms, full_matrices=False)
    best = (u[:, :6] * s[:6]) @ vt[:6] * norms
    users, items = factorised(Table(scores), 6)
    np.testing.assert_allclose(users @ items.T, best, atol=2e-3)
    assert np.linalg.norm(users @ items.T - centred) > 1  # so that the rank was cut
    # Blocks of users change nothing but the last digits of sums over users.
    monkeypatch.setattr(factors, "_BLOCK", 120 * 7)
    again = factorised(Table(scores), 6)
    np.testing.assert_allclose(again[0] @ again[1].T, users @ items.T, atol=1e-4)


def test_threads_change_no_bit():
    scores, before = Table(made(80, 50, 5, 0.3)), num_threads()
    found = []
    try:
        for threads in (1, 2):
            set_num_threads(threads)
            found.append(factorised(scores, 5))
    finally:
        set_num_threads(before)
    for first, second in zip(*found, strict=True):
        np.testing.assert_array_equal(first, second)


def test_a_subspace_of_some_users_serves_the_others(monkeypatch):
    monkeypatch.setattr(factors, "FIT_USERS", 40)
    scores = made(400, 60, 4, 0.0)
    users, items = factorised(Table(scores), 4)
    np.testing.assert_allclose(users @ items.T, scores - scores.mean(1, keepdims=True), atol=1e-3)


def test_scores_that_are_not_finite_count_as_the_least():
    scores = made(12, 9, 9, 0.0)
    scores[0, 3], scores[1, :] = -np.inf, np.nan
    users, items = factorised(Table(scores), 9)
    found = users @ items.T
    assert np.isfinite(found).all()
    assert found[0, 3] == pytest.approx(found[0].min(), abs=1e-4)
    np.testing.assert_allclose(found[1], 0, atol=1e-6)
