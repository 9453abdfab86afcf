import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from scipy.sparse import csr_array

from magnet import _core, graph
from oracles import ridge as oracles
from support.graph_data import KINDS, features, matrices, same_bits


def on_any_threads_and_path(build, monkeypatch):
    """The matrix, after checking that 1, 2 and 5 threads and every instruction path give the same bits."""
    threads = _core.num_threads()
    found = []
    try:
        for n in (1, 2, 5):
            _core.set_num_threads(n)
            found.append(build())
        for path, here in _core.simd_paths():
            if here:
                with monkeypatch.context() as context:
                    context.setenv("MAGNET_SIMD", path)
                    found.append(build())
    finally:
        _core.set_num_threads(threads)
    assert all(same_bits(found[0], other) for other in found)
    found[0].check_format(full_check=True)
    assert found[0].indices.dtype == found[0].indptr.dtype == np.int32
    return found[0]


@st.composite
def contents(draw, n_items):
    """A content matrix of few different values, so that sums tie and cancel; its diagonal must not matter."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    dense = rng.choice([0, 0, 0.25, -0.5, 1, -1], (n_items, n_items))
    return csr_array(dense.astype(np.float32))


@given(data=st.data(), train=matrices(), support=st.integers(1, 14), ridge=st.sampled_from([0.5, 3.0, 100.0]))
def test_local_ridge(data, train, support, ridge):
    with_content = data.draw(st.booleans())
    content = data.draw(contents(train.shape[1])) if with_content else None
    weight = data.draw(st.sampled_from([0.0, 1.0, 2.0])) if with_content else 0.0
    found = graph.local_ridge(
        train, ridge=ridge, content=content, content_weight=weight, support=support
    ).toarray()
    expected = oracles.local_ridge(train, ridge, support, content, weight)
    assert_allclose(found, expected, atol=2e-5)
    if support >= train.shape[1] - 1:
        assert_allclose(found, oracles.dense_ease(train, ridge, content, weight), atol=2e-5)
    assert not found.diagonal().any()


def popular(n_users, n_items, n, seed=0):
    rng = np.random.default_rng(seed)
    users, items = ((rng.random(n) ** 2 * most).astype(np.int32) for most in (n_users, n_items))
    return graph.interactions(users, items, (n_users, n_items))


def test_large_systems_have_the_same_bits_everywhere(monkeypatch):
    train = popular(900, 400, 12_000)
    for support in (37, 150):
        found = on_any_threads_and_path(
            lambda support=support: graph.local_ridge(train, ridge=20.0, support=support), monkeypatch
        )
        assert np.diff(csr_array(found.T).indptr).max() == support
        assert_allclose(found.toarray(), oracles.local_ridge(train, 20.0, support), atol=5e-6)


def test_room_for_all_items_is_the_dense_model():
    train = popular(900, 300, 9000)
    content = graph.content_regression(features("gaussian", 300, 12, seed=0), neighbours=40)
    found = graph.local_ridge(train, ridge=5.0, content=content, content_weight=30.0, support=299)
    assert_allclose(found.toarray(), oracles.dense_ease(train, 5.0, content, 30.0), atol=5e-6)
    # Neither the order nor the values of the entries count.
    shuffled = train.copy()
    shuffled.data[:] = np.arange(train.nnz) % 5 + 1
    assert same_bits(
        graph.local_ridge(shuffled, ridge=5.0, support=20), graph.local_ridge(train, ridge=5.0, support=20)
    )


@given(
    kind=st.sampled_from([kind for kind in KINDS if kind != "scaled"]),
    n=st.integers(1, 30),
    width=st.integers(1, 8),
    ridge=st.sampled_from([0.1, 1.0, 30.0]),
    seed=st.integers(0, 2**32),
    absent=st.booleans(),
)
def test_content_regression(kind, n, width, ridge, seed, absent):
    x = features(kind, n, width, seed)
    present = np.random.default_rng(seed).random(n) < 0.7 if absent else None
    expected = oracles.content_regression(x, ridge, present)
    if present is not None:
        x[~present] = np.nan
    whole = graph.content_regression(x, present=present, ridge=ridge, neighbours=n)
    assert_allclose(whole.toarray(), expected, atol=1e-6)
    for neighbours in (1, 4):
        found = graph.content_regression(x, present=present, ridge=ridge, neighbours=neighbours)
        found.check_format(full_check=True)
        dense = whole.toarray()
        kept = np.zeros(dense.shape, dtype=bool)
        for j in range(n):
            kept[np.argsort(-np.abs(dense[:, j]), kind="stable")[:neighbours], j] = True
        assert_array_equal(found.toarray(), np.where(kept, dense, 0))
