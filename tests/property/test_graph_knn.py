import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from magnet import _core
from magnet.graph import knn_graph
from oracles import graph as oracles
from support.graph_data import KINDS, features, same_bits

PATHS = [name for name, here in _core.simd_paths() if here]


def on_every_path(x, k, present=None):
    """The graph, after checking that all instruction paths and thread counts give the same bits."""
    threads = _core.num_threads()
    graphs = []
    try:
        with pytest.MonkeyPatch.context() as patch:
            for path in PATHS:
                patch.setenv("MAGNET_SIMD", path)
                for n in (1, 2, 3, 7):
                    _core.set_num_threads(n)
                    graphs.append(knn_graph(x, k, present=present))
    finally:
        _core.set_num_threads(threads)
    for graph in graphs[1:]:
        assert same_bits(graph, graphs[0])
    return graphs[0]


@given(
    kind=st.sampled_from(KINDS),
    n=st.integers(1, 40),
    width=st.integers(1, 20),
    k=st.integers(1, 45),
    seed=st.integers(0, 2**32),
    gaps=st.booleans(),
)
def test_equals_every_pair_in_float64(kind, n, width, k, seed, gaps):
    x = features(kind, n, width, seed)
    present = np.random.default_rng(seed).random(n) < 0.7 if gaps else None
    assert same_bits(on_every_path(x, k, present), oracles.knn(x, k, present))


@given(
    x=hnp.arrays(np.float32, st.tuples(st.integers(1, 8), st.integers(1, 4)), elements=st.integers(-2, 2)),
    k=st.integers(1, 9),
)
def test_small_integers_where_ties_are_the_rule(x, k):
    # Cosines of small integers tie exactly; numpy's sums of them are exact too.
    assert same_bits(on_every_path(x, k), oracles.knn(x, k))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("n", "width", "k"), [(401, 33, 10), (200, 300, 3), (577, 1, 7)])
def test_more_rows_than_a_block_and_wider_than_a_chunk(kind, n, width, k):
    x = features(kind, n, width, seed=n)
    assert same_bits(on_every_path(x, k), oracles.knn(x, k))


def test_a_crowd_of_twins_beside_distinct_rows():
    x = features("gaussian", 700, 8, seed=1)
    x[100:] = x[np.random.default_rng(0).integers(0, 3, 600)]
    assert same_bits(on_every_path(x, 10), oracles.knn(x, 10))


@pytest.mark.parametrize("k", [1, 12])
def test_half_precision_is_summed_in_double(k):
    # Sums of squares of these overflow float16, and many of their cosines differ by less than its precision.
    x = (300 + features("gaussian", 60, 40, seed=2)).astype(np.float16)
    assert same_bits(knn_graph(x, k), oracles.knn(x.astype(np.float32), k))


def test_nearly_parallel_rows_with_many_candidates_within_a_filter_s_error():
    x = (1 + 1e-3 * features("gaussian", 600, 48, seed=3)).astype(np.float32)
    assert same_bits(on_every_path(x, 10), oracles.knn(x, 10))


@pytest.mark.parametrize("scale", [1e-44, 1e-38, 1e38])
def test_tiny_and_huge_rows(scale):
    x = features("gaussian", 250, 9, seed=4)
    x[::2] = (x[::2] * (scale / 4)).astype(np.float32)
    assert same_bits(on_every_path(x, 5), oracles.knn(x, 5))


@pytest.mark.parametrize(("path", "here"), _core.simd_paths())
def test_a_forced_path_runs_or_says_what_is_missing(path, here, monkeypatch):
    monkeypatch.setenv("MAGNET_SIMD", path)
    x = features("gaussian", 30, 4, seed=5)
    if here:
        assert knn_graph(x, 2).nnz == 60
    else:
        with pytest.raises(ValueError, match=f"MAGNET_SIMD={path}, but this machine has no .*portable"):
            knn_graph(x, 2)
