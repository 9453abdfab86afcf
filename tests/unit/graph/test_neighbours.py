"""Neighbours found on a device, or by another library."""

import numpy as np
import pytest
import torch
from scipy.sparse import csr_array

from magnet.graph import knn_graph, neighbours_to_graph, tensors
from magnet.graph.tensors import knn_graph_of_tensor
from oracles import graph as oracles
from support.graph_data import KINDS, features, same_bits

DEVICES = [
    "cpu",
    pytest.param(
        "cuda",
        marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="this machine has no CUDA device"),
    ),
]


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "constant"])
@pytest.mark.parametrize("block", [1, 1 << 12, 1 << 27])
def test_a_tensor_has_the_neighbours_of_its_array(kind, block, device, monkeypatch):
    monkeypatch.setattr(tensors, "_BLOCK", block)
    x = features(kind, 60, 7, seed=1)
    present = np.random.default_rng(0).random(60) < 0.8
    for k in (1, 5, 80):
        graph = knn_graph_of_tensor(
            torch.from_numpy(x).to(device), k, present=torch.from_numpy(present).to(device)
        )
        exact = knn_graph(x, k, present=present)
        assert np.array_equal(graph.indptr, exact.indptr)
        np.testing.assert_allclose(np.sort(graph.data), np.sort(exact.data), rtol=0, atol=1e-7)
        if kind not in ("integers", "one-hot", "twins"):
            assert np.array_equal(graph.indices, exact.indices)


@pytest.mark.parametrize("device", DEVICES)
def test_ties_of_a_tensor_go_to_the_lower_row(device):
    x = torch.tensor([[1.0, 0], [0, 1], [2, 0], [0, 3], [5, 0], [0, 0]], device=device)
    assert same_bits(knn_graph_of_tensor(x, 1), oracles.knn(x.cpu().numpy(), 1))


@pytest.mark.parametrize("device", [*DEVICES, "meta"])
def test_a_tensor_is_searched_where_it_is(device, monkeypatch):
    x, present = torch.from_numpy(features("gaussian", 40, 5, seed=2)), torch.arange(40) % 7 != 0
    expected = knn_graph(x.numpy(), 3, present=present.numpy())
    if device == "meta":  # stands for any other device
        on_device = []
        monkeypatch.setattr(tensors, "knn_graph_of_tensor", lambda x, k, present: on_device.append((x, k)))
        moved = x.to("meta")
        knn_graph(moved, 3, present=present)
        assert on_device == [(moved, 3)]
        return
    found = knn_graph(x.to(device), 3, present=present)
    assert np.array_equal(found.indices, expected.indices)
    if device == "cpu":
        assert same_bits(found, expected)


def test_few_rows_and_wrong_tensors():
    assert knn_graph_of_tensor(torch.zeros(3, 2), 2).nnz == 0
    assert knn_graph_of_tensor(torch.ones(1, 2), 2).nnz == 0
    with pytest.raises(ValueError, match="floating-point"):
        knn_graph_of_tensor(torch.ones(3, 2, dtype=torch.int64), 2)
    with pytest.raises(ValueError, match=r"rows \[1\]"):
        knn_graph_of_tensor(torch.tensor([[1.0], [torch.nan], [2.0]]), 1)
    with pytest.raises(ValueError, match="one bool"):
        knn_graph_of_tensor(torch.ones(3, 2), 1, present=torch.ones(2, dtype=torch.bool))


def test_what_faiss_finds_is_taken():
    faiss = pytest.importorskip("faiss")
    x = features("gaussian", 200, 16, seed=3)
    unit = x / np.linalg.norm(x, axis=1, keepdims=True)
    index = faiss.IndexFlatIP(16)
    index.add(unit)
    scores, ids = index.search(unit, 6)
    graph, exact = neighbours_to_graph(ids, scores), knn_graph(x, 5)
    assert np.array_equal(graph.indices, exact.indices)
    np.testing.assert_allclose(graph.data, exact.data, atol=1e-6)


@pytest.mark.parametrize("index_type", [np.int32, np.int64, np.uint32])
def test_distances_become_cosines_and_order_does_not_matter(index_type):
    exact = knn_graph(features("gaussian", 30, 5, seed=4), 4)
    order = np.argsort(np.random.default_rng(0).random((30, 4)), 1)
    ids = np.take_along_axis(exact.indices.reshape(30, 4), order, 1).astype(index_type)
    distances = np.take_along_axis(1 - exact.data.reshape(30, 4).astype(np.float64), order, 1)
    assert same_bits(neighbours_to_graph(ids, distances, kind="distance"), exact)


def test_nothing_is_found_where_there_is_nothing():
    graph = neighbours_to_graph(np.full((3, 2), -1), np.full((3, 2), np.nan))
    assert isinstance(graph, csr_array)
    assert graph.shape == (3, 3)
    assert graph.nnz == 0


@pytest.mark.parametrize(
    ("ids", "scores", "message"),
    [
        ([[1], [2]], [[0.5], [0.5]], r"indices must be in 0..2, or -1 for none; row 1, place 0 holds 2"),
        ([[1], [-2]], [[0.5], [0.5]], "row 1, place 0 holds -2"),
        ([[1], [0]], [[0.5], [np.nan]], "row 1, place 0 holds nan"),
        ([[1], [0]], [[0.5], [7.0]], "neither"),
        ([[1, 1], [0, -1]], [[0.5, 0.5], [0.5, 0.5]], "row 0 repeats 1"),
        ([[1.0], [0.0]], [[0.5], [0.5]], "indices must be integers"),
        ([[1], [0]], [[1], [1]], "scores floating-point"),
        ([[1], [0]], [[0.5, 0.5], [0.5, 0.5]], "one shape"),
    ],
)
def test_mistakes_are_named(ids, scores, message):
    with pytest.raises(ValueError, match=message):
        neighbours_to_graph(np.array(ids), np.array(scores))


def test_an_unknown_kind_is_refused():
    with pytest.raises(ValueError, match="'cosine' or 'distance'"):
        neighbours_to_graph(np.array([[1], [0]]), np.array([[0.5], [0.5]]), kind="l2")
