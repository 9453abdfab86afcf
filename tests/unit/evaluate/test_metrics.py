from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.sparse import csr_array

from magnet.errors import DataError
from magnet.evaluate.metrics import ranking_metrics


def relevant(*rows, n_items=8):
    dense = np.zeros((len(rows), n_items), dtype=np.float32)
    for row, items in enumerate(rows):
        dense[row, list(items)] = 1
    return csr_array(dense)


def test_hand_computed_example():
    items = np.array([[3, 1, 0, 5], [7, 6, 5, 4]], dtype=np.int32)
    values = ranking_metrics(items, relevant({1, 5, 2}, {7}), ks=[2, 4])

    # The first user's hits are at positions 2 and 4 of three relevant items, the second's is at the top.
    ideal_two, ideal_three = 1 + 1 / math.log2(3), 1 + 1 / math.log2(3) + 1 / 2
    expected = {
        "recall@2": [1 / 3, 1],
        "recall@4": [2 / 3, 1],
        "ndcg@2": [(1 / math.log2(3)) / ideal_two, 1],
        "ndcg@4": [(1 / math.log2(3) + 1 / math.log2(5)) / ideal_three, 1],
        "precision@2": [1 / 2, 1 / 2],
        "precision@4": [2 / 4, 1 / 4],
        "hit@2": [1, 1],
        "hit@4": [1, 1],
    }
    assert list(values) == list(expected)
    for name, value in expected.items():
        np.testing.assert_allclose(values[name], value, rtol=1e-15)


def test_the_ideal_is_cut_at_k_so_that_a_full_top_k_is_perfect():
    values = ranking_metrics(np.array([[0, 1]]), relevant({0, 1, 2, 3, 4}), ks=[2])
    assert values["ndcg@2"] == 1.0
    assert values["recall@2"] == 0.4


def test_minus_one_is_a_miss_even_beside_the_last_item_of_the_row_before():
    items = np.array([[7, 0], [-1, -1], [2, -1]])
    values = ranking_metrics(items, relevant({7}, {7}, {2, 7}), ks=[2])
    np.testing.assert_array_equal(values["hit@2"], [1, 0, 1])
    np.testing.assert_array_equal(values["recall@2"], [1, 0, 0.5])


def test_stored_values_and_the_order_of_indices_do_not_matter():
    scrambled = csr_array((np.array([0.5, 9.0]), np.array([5, 1]), np.array([0, 2])), shape=(1, 8))
    values = ranking_metrics(np.array([[1, 5]]), scrambled, ks=[1, 2])
    assert values["recall@1"] == 0.5
    assert values["recall@2"] == 1.0


@pytest.mark.parametrize(
    ("items", "rows", "ks", "message"),
    [
        (np.array([0, 1]), [{0}], [1], r"integers of shape \(B, k\)"),
        (np.array([[0.0, 1.0]]), [{0}], [1], "integers"),
        (np.array([[0, 1]]), [{0}, {1}], [1], "1 rankings came with the relevant items of 2 users"),
        (np.array([[0, 1]]), [{0}], [3], "cut-offs must lie between 1 and the 2 ranked items, got"),
        (np.array([[0, 1]]), [{0}], [0], "cut-offs"),
        (np.array([[0, 1]]), [{0}], [], "cut-offs"),
        (np.array([[0, 8]]), [{0}], [1], "between -1 and 7, got 0 to 8"),
        (np.array([[0, -2]]), [{0}], [1], "between -1 and 7"),
        (np.array([[0], [1]]), [{0}, set()], [1], r"1 of 2 users have no relevant item \(rows \[1\]"),
    ],
)
def test_refuses(items, rows, ks, message):
    with pytest.raises(DataError, match=message):
        ranking_metrics(items, relevant(*rows), ks)
