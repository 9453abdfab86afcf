import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.sparse import coo_array, csr_array

from magnet import graph
from magnet.errors import DataError, MagnetWarning
from oracles import graph as oracles
from support.graph_data import same_bits


@pytest.fixture
def train():
    dense = np.array([[1, 1, 0, 0], [1, 0, 0, 1], [0, 0, 1, 1]], dtype=np.float32)
    return csr_array(dense)


def test_rows_with_nan_or_infinity_are_named():
    x = np.ones((20, 3), dtype=np.float32)
    x[4, 1], x[17, 2] = np.nan, -np.inf
    with pytest.raises(DataError, match=r"2 of 20 rows, first in rows \[4, 17\]"):
        graph.knn_graph(x, 2)
    present = np.ones(20, dtype=bool)
    present[[4, 17]] = False
    found = graph.knn_graph(x, 2, present=present)
    assert np.diff(found.indptr)[[4, 17]].tolist() == [0, 0]
    assert not np.isin(found.indices, [4, 17]).any()


def test_one_row_and_no_row_have_no_neighbours():
    assert graph.knn_graph(np.ones((1, 2), dtype=np.float32), 3).nnz == 0
    assert graph.knn_graph(np.ones((0, 2), dtype=np.float32), 3).shape == (0, 0)
    assert graph.knn_graph(np.ones((3, 0), dtype=np.float32), 3).nnz == 0


@pytest.mark.parametrize(
    ("features", "k", "present", "message"),
    [
        (np.ones((3, 2)), 1, None, "float64"),
        (np.ones(3, dtype=np.float32), 1, None, "matrix"),
        (np.ones((3, 2), dtype=np.float32), 0, None, "at least 1, got 0"),
        (np.ones((3, 2), dtype=np.float32), 1, np.ones(2, dtype=bool), "3 rows"),
        (np.ones((3, 2), dtype=np.float32), 1, np.ones(3), "float64"),
    ],
)
def test_wrong_features_are_refused(features, k, present, message):
    with pytest.raises(DataError, match=message):
        graph.knn_graph(features, k, present=present)


def test_an_unknown_instruction_path_is_refused(monkeypatch):
    monkeypatch.setenv("MAGNET_SIMD", "sse9")
    with pytest.raises(DataError, match="portable, avx2, avx512 or amx"):
        graph.knn_graph(np.ones((2, 2), dtype=np.float32), 1)


def test_features_that_are_not_contiguous_are_accepted():
    x = np.random.default_rng(0).standard_normal((30, 8)).astype(np.float32)
    assert same_bits(graph.knn_graph(x[:, ::2], 3), graph.knn_graph(x[:, ::2].copy(), 3))


def test_a_pair_out_of_range_is_named():
    users, items = np.array([0, 1], np.int32), np.array([0, 5], np.int32)
    with pytest.raises(DataError, match=r"pair 1: item 5 is outside 0\.\.5"):
        graph.interactions(users, items, (2, 5))


@pytest.mark.parametrize("weight", [-1, np.nan, np.inf])
def test_weights_that_are_no_weights_are_refused(weight):
    with pytest.raises(DataError, match="not negative"):
        graph.bipartite(csr_array(np.array([[1, weight]], dtype=np.float32)))


def test_matrices_of_other_kinds(train):
    with pytest.raises(DataError, match="tocsr"):
        graph.bipartite(coo_array(train))
    wide = train.copy()
    wide.indptr, wide.indices, wide.data = (
        train.indptr.astype(np.int64),
        train.indices.astype(np.int64),
        train.data.astype(np.float64),
    )
    assert same_bits(graph.bipartite(wide), graph.bipartite(train))
    unsorted = csr_array((train.data, train.indices[[1, 0, 3, 2, 5, 4]], train.indptr), shape=train.shape)
    assert same_bits(graph.bipartite(unsorted), graph.bipartite(train))
    with pytest.raises(DataError, match="columns must ascend"):
        graph.bipartite(csr_array((np.ones(2, np.float32), [1, 1], [0, 2]), shape=(1, 2)))


def test_shapes_that_do_not_fit(train):
    square = csr_array(np.eye(3, dtype=np.float32))
    with pytest.raises(DataError, match="square"):
        graph.similarity(train)
    with pytest.raises(DataError, match="one shape"):
        graph.union_max(train, square)
    with pytest.raises(DataError, match="4 items"):
        graph.pseudo_edges(train, square)
    with pytest.raises(DataError, match="4 items"):
        graph.lift(train, square)


def test_similarities_are_combined_by_weight():
    a = csr_array(np.array([[0, 1], [1, 0]], dtype=np.float32))
    b = csr_array(np.array([[0, 0], [3, 0]], dtype=np.float32))
    assert_allclose(graph.combine([a, b], [0.25, 0.75]).toarray(), [[0, 0.25], [2.5, 0]])
    only_b = graph.combine([a, b], [0, 1])
    assert only_b.nnz == 1
    assert only_b.dtype == np.float32
    with pytest.raises(DataError, match="2 similarities and 1 weights"):
        graph.combine([a, b], [1])


@pytest.mark.parametrize(
    "options", [{"per_user": -1}, {"per_item": -1}, {"strength": 0}, {"strength": np.nan}]
)
def test_wrong_options_of_pseudo_edges_are_refused(train, options):
    with pytest.raises(DataError, match="strength above 0"):
        graph.pseudo_edges(train, csr_array((4, 4), dtype=np.float32), **options)


@pytest.mark.parametrize("k", [1, 3, 100])
def test_shared_items_are_those_of_most_common_users_above_one(k):
    dense = (np.random.default_rng(2).random((30, 20)) < 0.25).astype(np.float32)
    dense[:, 7] = 0  # nobody's
    found = graph.shared_items(csr_array(dense * 3), k)
    counts = (dense.T @ dense).astype(int)
    np.fill_diagonal(counts, 0)
    expected = np.zeros((20, 20), np.float32)
    for i, row in enumerate(counts):
        best = sorted((-n, j) for j, n in enumerate(row) if n > 1)[:k]
        expected[i, [j for _, j in best]] = 1
    assert found.dtype == np.float32
    assert found.indices.dtype == np.int32
    np.testing.assert_array_equal(found.toarray(), expected)


def test_shared_items_refuse_no_neighbours(train):
    with pytest.raises(DataError, match="k must be at least 1, got 0"):
        graph.shared_items(train, 0)


def test_dropout_is_drawn_anew_for_each_epoch_and_seed(train):
    big = csr_array(np.ones((30, 40), dtype=np.float32))
    draw = {
        key: graph.drop_edges(big, keep=0.5, seed=key[0], epoch=key[1]).toarray()
        for key in [(0, 0), (0, 1), (1, 0)]
    }
    assert all(kept.sum() == 600 for kept in draw.values())
    # Two draws of a half agree on a quarter of the edges, give or take.
    for other in [(0, 1), (1, 0)]:
        assert 240 < (draw[0, 0] * draw[other]).sum() < 360
    assert graph.drop_edges(train, keep=1, seed=0, epoch=0).nnz == train.nnz
    assert graph.drop_edges(train, keep=0, seed=0, epoch=0).nnz == 0


def test_dropout_refuses_what_it_does_not_know(train):
    with pytest.raises(DataError, match="between 0 and 1"):
        graph.drop_edges(train, keep=1.5, seed=0, epoch=0)
    with pytest.raises(DataError, match="'degree' or 'uniform'"):
        graph.drop_edges(train, keep=0.5, by="weight", seed=0, epoch=0)


def test_lift_of_content_that_says_everything_and_of_none(train):
    # Items 0 and 1 share a user, 2 and 3 share one; random pairs share (2 + 2 + 2) / 12.
    pairs = csr_array(np.eye(4, dtype=np.float32)[[1, 0, 3, 2]])
    assert graph.lift(train, pairs) == pytest.approx(2.0)
    assert graph.lift(train, pairs) == pytest.approx(oracles.lift(train, pairs))
    assert graph.lift(train, csr_array((4, 4), dtype=np.float32)) == 1
    assert graph.lift(csr_array(np.eye(4, dtype=np.float32)), pairs) == 1


def test_lifts_of_nothing_give_equal_weights_and_a_warning():
    assert graph.lift_weights([2.0, 4.0]).tolist() == [0.25, 0.75]
    with pytest.warns(MagnetWarning, match="same weight"):
        assert graph.lift_weights([1.0, 0.3]).tolist() == [0.5, 0.5]
    for bad in ([], [np.nan, 2]):
        with pytest.raises(DataError, match="at least one lift"):
            graph.lift_weights(bad)
