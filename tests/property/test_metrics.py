from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse import csr_array

from magnet.evaluate.metrics import ranking_metrics
from oracles.evaluation import metrics_of_user


@st.composite
def rankings(draw):
    """Rankings that may end early, their relevant items, and cut-offs."""
    n_items = draw(st.integers(1, 12))
    width = draw(st.integers(1, n_items))
    n_users = draw(st.integers(1, 6))
    items, relevant = [], []
    for _ in range(n_users):
        ranked = draw(st.permutations(range(n_items)))[:width]
        ends = draw(st.integers(0, width))
        items.append(ranked[:ends] + [-1] * (width - ends))
        relevant.append(draw(st.sets(st.integers(0, n_items - 1), min_size=1)))
    ks = draw(st.lists(st.integers(1, width), min_size=1, max_size=4, unique=True))
    return n_items, items, relevant, ks


@given(rankings())
def test_every_value_equals_its_definition(case):
    n_items, items, relevant, ks = case
    dense = np.zeros((len(items), n_items), dtype=np.float32)
    for row, wanted in enumerate(relevant):
        dense[row, list(wanted)] = 1
    values = ranking_metrics(np.array(items, dtype=np.int32), csr_array(dense), ks)

    assert len(values) == 4 * len(ks)
    for k in ks:
        for row, (ranked, wanted) in enumerate(zip(items, relevant, strict=True)):
            for name, value in metrics_of_user(ranked, wanted, k).items():
                assert values[name].dtype == np.float64
                assert values[name][row] == pytest.approx(value, rel=1e-14, abs=0)


@given(rankings())
def test_values_stay_between_0_and_1_and_recall_and_hit_never_fall_with_k(case):
    n_items, items, relevant, ks = case
    dense = np.zeros((len(items), n_items), dtype=np.float32)
    for row, wanted in enumerate(relevant):
        dense[row, list(wanted)] = 1
    values = ranking_metrics(np.array(items), csr_array(dense), sorted(ks))
    for value in values.values():
        assert ((value >= 0) & (value <= 1 + 1e-15)).all()
    for metric in ("recall", "hit"):
        curve = np.stack([values[f"{metric}@{k}"] for k in sorted(ks)])
        assert (np.diff(curve, axis=0) >= 0).all()
