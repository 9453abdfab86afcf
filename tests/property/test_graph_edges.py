import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from scipy.sparse import csr_array

from magnet import _core, graph
from magnet.errors import DataError
from magnet.seeds import derive
from oracles import graph as oracles
from support.graph_data import matrices, same_bits


def on_any_threads(build):
    """The matrix, after checking that 1, 2 and 5 threads give the same bits."""
    threads = _core.num_threads()
    found = []
    try:
        for n in (1, 2, 5):
            _core.set_num_threads(n)
            found.append(build())
    finally:
        _core.set_num_threads(threads)
    assert same_bits(found[0], found[1])
    assert same_bits(found[0], found[2])
    found[0].check_format(full_check=True)
    assert found[0].indices.dtype == found[0].indptr.dtype == np.int32
    return found[0]


@given(
    pairs=st.lists(st.tuples(st.integers(0, 6), st.integers(0, 4)), max_size=60),
    dtype=st.sampled_from([np.int32, np.int64]),
)
def test_interactions(pairs, dtype):
    users, items = np.array(pairs, dtype=dtype).reshape(-1, 2).T
    found = on_any_threads(lambda: graph.interactions(users, items, (7, 5)))
    assert same_bits(found, oracles.interactions(users, items, (7, 5)))


def test_many_interactions_are_sorted_transposed_and_normalised():
    # Many chunks, many buckets, repeats, and popular users and items.
    rng = np.random.default_rng(0)
    shape = (30_000, 9000)
    users, items = ((rng.random(300_000) ** 3 * n).astype(np.int64) for n in shape)
    found = on_any_threads(lambda: graph.interactions(users, items, shape))
    expected = oracles.interactions(users, items, shape)
    assert found.nnz < len(users)
    assert same_bits(found, expected)
    adjacency = on_any_threads(lambda: graph.bipartite(found))
    assert same_bits(adjacency, adjacency.T.tocsr())
    user, item = expected.nonzero()
    degrees = [np.bincount(side).astype(np.float64) for side in (user, item)]
    assert_allclose(adjacency.data[: found.nnz], 1 / np.sqrt(degrees[0][user] * degrees[1][item]), rtol=2e-7)
    assert_array_equal(adjacency.indices[: found.nnz], expected.indices + shape[0])


@given(taken=matrices(), per_user=st.integers(0, 4), per_item=st.integers(0, 4))
def test_k_core(taken, per_user, per_item):
    users, items = graph.k_core(taken, per_user, per_item)
    expected = oracles.k_core(taken, per_user, per_item)
    assert_array_equal(users, expected[0])
    assert_array_equal(items, expected[1])


def test_a_negative_core_is_refused():
    with pytest.raises(DataError, match="at least 0"):
        graph.k_core(csr_array((2, 2), dtype=np.float32), -1, 2)


@given(weights=matrices())
def test_bipartite(weights):
    found = on_any_threads(lambda: graph.bipartite(weights))
    assert_allclose(found.toarray(), oracles.bipartite(weights), rtol=2e-7)
    assert found.nnz == 2 * weights.nnz
    assert same_bits(found, found.T.tocsr())


@given(neighbours=matrices(square=True, low=-1))
def test_similarity(neighbours):
    found = on_any_threads(lambda: graph.similarity(neighbours))
    assert_allclose(found.toarray(), oracles.similarity(neighbours), rtol=2e-7)
    assert (found.data > 0).all()
    assert same_bits(found, found.T.tocsr())


@given(
    shape=st.tuples(st.integers(1, 12), st.integers(1, 12)),
    seed=st.integers(0, 2**32),
    density=st.sampled_from([0.1, 0.5, 1.0]),
)
def test_union_max(shape, seed, density):
    rng = np.random.default_rng(seed)
    a, b = (rng.normal(size=shape).astype(np.float32) * (rng.random(shape) < density) for _ in range(2))
    found = on_any_threads(lambda: graph.union_max(csr_array(a), csr_array(b)))
    # A lone entry keeps its value even where that is negative.
    expected = np.where(a == 0, b, np.where(b == 0, a, np.maximum(a, b)))
    assert_array_equal(found.toarray(), expected)


@given(
    train=matrices(),
    per_user=st.integers(0, 5),
    per_item=st.integers(0, 4),
    strength=st.sampled_from([0.5, 1.0, 0.3]),
    seed=st.integers(0, 2**32),
)
def test_pseudo_edges(train, per_user, per_item, strength, seed):
    rng = np.random.default_rng(seed)
    n_items = train.shape[1]
    dense = rng.choice([0.0, 0.0, 0.25, 0.5, 0.7], (n_items, n_items)).astype(np.float32)
    np.fill_diagonal(dense, 0)
    # Not symmetric on purpose: the item's side must use the columns.
    similarity = csr_array(dense)
    found = on_any_threads(
        lambda: graph.pseudo_edges(train, similarity, per_user=per_user, per_item=per_item, strength=strength)
    )
    expected = oracles.pseudo_edges(train, similarity, per_user, per_item, strength)
    assert_array_equal(found.toarray(), expected)
    assert found.nnz == np.count_nonzero(expected)


@given(
    train=matrices(),
    keep=st.floats(0, 1),
    by=st.sampled_from(["degree", "uniform"]),
    seed=st.integers(-5, 2**64),
    epoch=st.integers(0, 3),
)
def test_drop_edges(train, keep, by, seed, epoch):
    found = on_any_threads(lambda: graph.drop_edges(train, keep=keep, by=by, seed=seed, epoch=epoch))
    n_kept = round(keep * train.nnz)
    assert found.nnz == n_kept
    assert same_bits(found, oracles.drop_edges(train, n_kept, by, derive(seed, "edge dropout", epoch)))


@given(train=matrices(), seed=st.integers(0, 2**32))
def test_lift(train, seed):
    n_items = train.shape[1]
    edges = (np.random.default_rng(seed).random((n_items, n_items)) < 0.4).astype(np.float32)
    np.fill_diagonal(edges, 0)
    neighbours = csr_array(edges)
    assume(neighbours.nnz and (np.diff(train.indptr) > 1).any())
    assert graph.lift(train, neighbours) == pytest.approx(oracles.lift(train, neighbours), rel=1e-12)
