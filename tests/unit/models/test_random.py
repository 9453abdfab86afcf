from __future__ import annotations

import itertools

import numpy as np

import magnet
from magnet.evaluate.rank import rank
from magnet.models.random import RandomConfig, fit_random


def first(tiny, seed, k=1):
    state = fit_random(tiny.dataset, RandomConfig(), seed=seed)
    return rank(state, np.arange(tiny.dataset.n_users), None, k).items


def test_every_item_comes_first_equally_often(tiny):
    """200 seeds x 240 users are 300 firsts an item."""
    counts = np.zeros(tiny.dataset.n_items)
    for seed in range(200):
        counts += np.bincount(first(tiny, seed)[:, 0], minlength=len(counts))
    expected = counts.mean()
    assert expected == 300
    # Were firsts independent, the mean of (n - 300)² / 300 would be 1; users of one seed share the items' vectors.
    assert 0.5 < ((counts - expected) ** 2 / expected).mean() < 6
    assert counts.min() > 150


def test_lists_of_users_are_nearly_unrelated(tiny):
    items = first(tiny, 0, k=20)
    shared = [len(set(a) & set(b)) for a, b in itertools.pairwise(items)]
    # 20 of 160 against 20 of 160: 2.5 by chance.
    assert 2.0 < np.mean(shared) < 3.2


def test_another_seed_gives_another_order(tiny):
    assert not np.array_equal(first(tiny, 0, 20), first(tiny, 1, 20))
    np.testing.assert_array_equal(first(tiny, 1, 20), first(tiny, 1, 20))


def test_recall_is_that_of_chance(tiny):
    found = [
        magnet.Recommender("random", seed=seed)
        .fit(tiny.dataset, progress=False)
        .evaluate(tiny.dataset, "test")
        .metrics["recall@20"]
        for seed in range(8)
    ]
    # 20 of the 151 items that are open on average.
    open_items = 160 - np.diff(tiny.dataset.train_valid.indptr).mean()
    assert abs(np.mean(found) - 20 / open_items) < 0.02
