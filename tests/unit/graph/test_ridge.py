"""The linear item-item model: what it refuses, and how good it is on real data."""

import numpy as np
import pytest
from scipy.sparse import csr_array

from magnet import graph
from magnet.errors import DataError
from oracles import ridge as oracles


@pytest.fixture
def train():
    return csr_array(np.array([[1, 1, 0, 1], [1, 1, 0, 0], [0, 1, 1, 0]], dtype=np.float32))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"ridge": 0.0}, "ridge must be a positive number, got 0"),
        ({"ridge": float("nan")}, "ridge must be a positive number"),
        ({"support": 0}, "support must be at least 1, got 0"),
        ({"content_weight": 1.0}, "no content to weigh"),
        ({"content": csr_array((4, 3), dtype=np.float32)}, "must be a matrix of 4 by 4, got 4 by 3"),
        ({"content": csr_array((4, 4), dtype=np.float32), "content_weight": -1.0}, "must not be negative"),
        ({"content": csr_array(np.diag([1, np.inf, 1, 1]).astype(np.float32))}, "row 1, column 1 is inf"),
    ],
)
def test_wrong_input_is_refused(train, options, message):
    with pytest.raises(DataError, match=message):
        graph.local_ridge(train, **({"ridge": 1.0} | options))


@pytest.mark.parametrize("shape", [(0, 0), (0, 3), (3, 0), (3, 1)])
def test_nothing_to_regress_on_gives_an_empty_matrix(shape):
    train = csr_array(np.ones(shape, dtype=np.float32))
    found = graph.local_ridge(train, ridge=1.0)
    assert found.shape == (shape[1], shape[1])
    assert found.nnz == 0


def test_an_item_that_nobody_took_is_predicted_from_content_alone(train):
    content = csr_array(np.array([[0, 0, 0, 0], [0, 0, 0, 0], [0, 0, 0, 0], [0.5, 0, 0, 0]], np.float32))
    lonely = csr_array((np.ones(2, np.float32), ([0, 1], [1, 3])), shape=(2, 4))
    found = graph.local_ridge(lonely, ridge=1.0, content=content, content_weight=2.0, support=2)
    # Item 3 has one user: 2 · 0.5 / (1 + 1 + 2).
    assert found.toarray().tolist() == [[0, 0, 0, 0], [0, 0, 0, 0], [0, 0, 0, 0], [0.25, 0, 0, 0]]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"ridge": -1.0}, "ridge must be a positive number"),
        ({"neighbours": 0}, "neighbours must be at least 1"),
        ({"present": np.ones(3, dtype=bool)}, "one bool for each of the 5 rows"),
    ],
)
def test_wrong_content_is_refused(options, message):
    with pytest.raises(DataError, match=message):
        graph.content_regression(np.ones((5, 2), dtype=np.float32), **options)


def test_broken_features_are_named_and_absent_ones_not_read():
    x = np.ones((6, 2), dtype=np.float32)
    x[4, 1] = np.nan
    with pytest.raises(DataError, match=r"rows \[4\] hold NaN"):
        graph.content_regression(x)
    present = np.arange(6) != 4
    found = graph.content_regression(x, present=present)
    assert found.nnz == 5 * 4
    assert np.allclose(found.toarray(), oracles.content_regression(np.nan_to_num(x), 1.0, present))
    assert graph.content_regression(x, present=np.zeros(6, dtype=bool)).nnz == 0


def test_blocks_of_the_content_matrix_fit_together(monkeypatch):
    x = np.random.default_rng(0).standard_normal((50, 6), dtype=np.float32)
    whole = graph.content_regression(x, neighbours=7)
    monkeypatch.setattr("magnet.graph.content._BLOCK", 50 * 3)
    cut = graph.content_regression(x, neighbours=7)
    assert (whole != cut).nnz == 0
    assert whole.nnz == 50 * 7


def test_baby_is_as_good_as_the_dense_model(real_data):
    pairs = np.loadtxt(real_data / "baby" / "inter.tsv", dtype=np.int32, skiprows=1)
    train, test = (
        graph.interactions(*pairs[pairs[:, 3] == part, :2].T.copy(), (19445, 7050)) for part in (0, 2)
    )
    features = np.load(real_data / "baby" / "text_recon128.npy").astype(np.float32)
    content = graph.content_regression(features, ridge=1.0, neighbours=400)
    weights = graph.local_ridge(train, ridge=50.0, content=content, content_weight=150.0, support=200)
    recall, ndcg = ranked(train, test, weights)
    # The dense model, solved elsewhere over all items: .0925 and .0440.
    assert recall == pytest.approx(0.0925, rel=0.01)
    assert ndcg == pytest.approx(0.0440, rel=0.015)


def ranked(train, test, weights, k=20):
    """Recall@k and NDCG@k over the users of the test part."""
    found = []
    for user in np.flatnonzero(np.diff(test.indptr)):
        own = train.indices[train.indptr[user] : train.indptr[user + 1]]
        wanted = test.indices[test.indptr[user] : test.indptr[user + 1]]
        scores = np.asarray(weights[own].sum(axis=0)).ravel()
        scores[own] = -np.inf
        best = np.argpartition(-scores, k)[:k]
        hits = np.isin(best[np.argsort(-scores[best])], wanted)
        gains = 1 / np.log2(np.arange(2, k + 2))
        found.append((hits.sum() / len(wanted), hits @ gains / gains[: len(wanted)].sum()))
    return np.mean(found, axis=0)
