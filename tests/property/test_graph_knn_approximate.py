import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from magnet import _core
from magnet.graph import approximate_knn_graph
from oracles import graph as oracles
from support.graph_data import KINDS, features, same_bits


def lowdimensional(n, width, seed):
    """Rows near a curved surface of six dimensions: neighbours exist, and clusters cut some of them apart."""
    rng = np.random.default_rng(seed)
    hidden = rng.standard_normal((n, 6))
    x = np.tanh(hidden @ rng.standard_normal((6, width))) + 0.05 * rng.standard_normal((n, width))
    return x.astype(np.float32)


def agrees_with_all_pairs(graph, x, present=None):
    """Whether every stored score is that of its pair, no row holds itself and dead rows hold nothing."""
    every = oracles.knn(x, len(x), present).toarray()
    rows = np.repeat(np.arange(len(x)), np.diff(graph.indptr))
    return np.array_equal(every[rows, graph.indices], graph.data) and (rows != graph.indices).all()


@given(
    kind=st.sampled_from(KINDS),
    n=st.integers(1, 60),
    width=st.integers(1, 12),
    k=st.integers(1, 12),
    clusters=st.integers(1, 70),
    overlap=st.integers(1, 4),
    rounds=st.integers(0, 2),
    seed=st.integers(0, 2**32),
    gaps=st.booleans(),
)
def test_scores_are_those_of_the_pairs_and_one_cluster_is_exact(
    kind, n, width, k, clusters, overlap, rounds, seed, gaps
):
    x = features(kind, n, width, seed)
    present = np.random.default_rng(seed).random(n) < 0.7 if gaps else None
    options = {"clusters": clusters, "overlap": overlap, "rounds": rounds, "seed": seed}
    graph, recall = approximate_knn_graph(x, k, present=present, **options)
    assert agrees_with_all_pairs(graph, x, present)
    exact = oracles.knn(x, k, present)
    assert (np.diff(graph.indptr) <= np.diff(exact.indptr)).all()
    # All rows are sampled. What counts is to score at least as much as the last true neighbour.
    hits = 0
    for row in range(n):
        true = exact.data[exact.indptr[row] : exact.indptr[row + 1]]
        found = graph.data[graph.indptr[row] : graph.indptr[row + 1]]
        hits += (found >= true.min()).sum() if true.size else 0
    assert recall == pytest.approx(hits / exact.nnz if exact.nnz else 1)
    if clusters == 1:
        assert same_bits(graph, exact)


def test_depends_on_the_seed_but_on_neither_threads_nor_path():
    x = lowdimensional(3000, 20, seed=0)
    threads, graphs = _core.num_threads(), []
    try:
        with pytest.MonkeyPatch.context() as patch:
            for path in ("portable", None):
                patch.delenv("MAGNET_SIMD", raising=False) if path is None else patch.setenv(
                    "MAGNET_SIMD", path
                )
                for n in (1, 2, 3):
                    _core.set_num_threads(n)
                    graphs.append(approximate_knn_graph(x, 10, clusters=60, overlap=2, rounds=0, seed=5))
    finally:
        _core.set_num_threads(threads)
    assert all(same_bits(graphs[0].graph, other.graph) for other in graphs)
    assert len({other.recall for other in graphs}) == 1
    assert not same_bits(
        graphs[0].graph, approximate_knn_graph(x, 10, clusters=60, overlap=2, rounds=0).graph
    )


def test_the_reported_recall_is_the_true_one_and_high():
    x = lowdimensional(1500, 24, seed=1)
    graph, recall = approximate_knn_graph(x, 10, clusters=20, sample=1000)
    exact = oracles.knn(x, 10)
    truth = np.mean([np.isin(graph[[i]].indices, exact[[i]].indices).mean() for i in range(len(x))])
    assert abs(recall - truth) < 0.01
    assert truth > 0.98


def test_a_crowd_in_one_direction_is_divided_again():
    x = lowdimensional(6000, 8, seed=2)
    x[:5000] = 1 + 0.01 * x[:5000]
    graph, recall = approximate_knn_graph(x, 5, clusters=120, overlap=2)
    assert recall > 0.9
    assert (np.diff(graph.indptr) == 5).all()


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_a_mapped_file_is_read_where_it_lies(dtype, tmp_path):
    x = lowdimensional(1500, 9, seed=3).astype(dtype)
    np.save(tmp_path / "x.npy", x)
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r")
    found = approximate_knn_graph(mapped, 6, clusters=1)
    assert same_bits(found.graph, oracles.knn(x.astype(np.float32), 6))


def test_mistakes_are_named():
    x = lowdimensional(50, 4, seed=4)
    with pytest.raises(ValueError, match="overlap must be at least 1"):
        approximate_knn_graph(x, 3, overlap=0)
    with pytest.raises(ValueError, match="k 0"):
        approximate_knn_graph(x, 0)
    x[7, 1] = np.nan
    with pytest.raises(ValueError, match=r"rows \[7\]"):
        approximate_knn_graph(x, 3)
    half = x.astype(np.float16)
    with pytest.raises(ValueError, match=r"rows \[7\]"):
        approximate_knn_graph(half, 3)
