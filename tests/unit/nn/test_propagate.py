from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.sparse import csr_array

from magnet import _core
from magnet.errors import DataError
from magnet.nn.ops import sparse
from magnet.nn.propagate import Graph, multiply, propagate_mean


@pytest.fixture
def matrix():
    dense = np.random.default_rng(0).random((30, 30), dtype=np.float32)
    return csr_array(dense * (dense < 0.2))


def test_nothing_is_copied_on_the_way_into_rust(matrix, monkeypatch):
    graph = Graph.from_csr(matrix, symmetric=False)
    for tensor, array in zip(graph.forward, [matrix.indptr, matrix.indices, matrix.data], strict=True):
        assert tensor.data_ptr() == array.ctypes.data
    addresses = []

    class Spy:
        @staticmethod
        def spmm(*arrays):
            addresses.extend(array.ctypes.data for array in arrays)
            _core.spmm(*arrays)

    monkeypatch.setattr(sparse, "core", Spy)
    x = torch.ones(30, 4)
    out = multiply(graph, x)
    given = [array.ctypes.data for array in (matrix.indptr, matrix.indices, matrix.data)]
    assert addresses == [*given, x.data_ptr(), out.data_ptr()]


def test_a_read_only_matrix_is_copied_and_symmetric_graphs_hold_one(matrix):
    matrix.data.flags.writeable = False
    graph = Graph.from_csr(matrix, symmetric=True)
    assert graph.forward[2].data_ptr() != matrix.data.ctypes.data
    assert graph.symmetric
    assert graph.to("cpu").symmetric
    assert not Graph.from_csr(matrix, symmetric=False).symmetric


def test_wide_pointers_give_the_same(matrix):
    wide = csr_array(matrix)
    wide.indptr = wide.indptr.astype(np.int64)
    x = torch.randn(30, 5, generator=torch.Generator().manual_seed(1))
    narrow = multiply(Graph.from_csr(matrix, symmetric=False), x)
    assert torch.equal(narrow, multiply(Graph.from_csr(wide, symmetric=False), x))


def test_it_compiles_into_one_graph_with_gradients(matrix):
    graph = Graph.from_csr(matrix, symmetric=False)

    def loss(x):
        return multiply(graph, x * 2).square().sum() + propagate_mean(graph, x, 2).sum()

    compiled = torch.compile(loss, fullgraph=True, backend="aot_eager")
    x = torch.randn(30, 8, generator=torch.Generator().manual_seed(1), requires_grad=True)
    (expected,) = torch.autograd.grad(loss(x), x)
    torch.testing.assert_close(compiled(x), loss(x))
    torch.testing.assert_close(torch.autograd.grad(compiled(x), x)[0], expected)


@pytest.mark.filterwarnings("ignore:The .grad attribute")  # torch's own checker looks at it
def test_the_operators_keep_the_rules_of_torch(matrix):
    graph = Graph.from_csr(matrix, symmetric=False)
    x = torch.randn(30, 8, requires_grad=True)
    for operator, rest in [(sparse._spmm_operator, ()), (sparse._mean_operator, (2, False))]:
        torch.library.opcheck(operator, (*graph.forward, *graph.backward, x, *rest))


def test_the_way_of_other_devices_gives_the_same_product(matrix):
    graph = Graph.from_csr(matrix, symmetric=False)
    x = torch.randn(30, 8, generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(sparse._multiply_by_torch(*graph.forward, x), multiply(graph, x))
    for half, storage in [(False, torch.float32), (True, torch.bfloat16)]:
        expected = propagate_mean(graph, x, 3, storage=storage)
        torch.testing.assert_close(sparse._mean_by_torch(*graph.forward, x, 3, half), expected)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device on this machine")
def test_a_cuda_device_gives_the_same_with_gradients(matrix):
    graph = Graph.from_csr(matrix, symmetric=False)
    x = torch.randn(30, 8, requires_grad=True)
    y = x.detach().cuda().requires_grad_()
    propagate_mean(graph, x, 3).square().sum().backward()
    propagate_mean(graph.to("cuda"), y, 3).square().sum().backward()
    torch.testing.assert_close(y.grad.cpu(), x.grad, atol=1e-4, rtol=1e-4)


def test_what_does_not_fit_is_named(matrix):
    graph = Graph.from_csr(matrix, symmetric=False)
    with pytest.raises(DataError, match=r"expected x of shape \(30, D\), got \(29, 4\)"):
        multiply(graph, torch.ones(29, 4))
    with pytest.raises(DataError, match=r"torch.float64; convert"):
        propagate_mean(graph, torch.ones(30, 4, dtype=torch.float64), 1)
    with pytest.raises(DataError, match="layers must be at least 0, got -1"):
        propagate_mean(graph, torch.ones(30, 4), -1)
    with pytest.raises(DataError, match=r"bfloat16, got torch.float16"):
        propagate_mean(graph, torch.ones(30, 4), 1, storage=torch.float16)
    with pytest.raises(DataError, match="square"):
        Graph.from_csr(csr_array(np.ones((2, 3), np.float32)), symmetric=True)
    with pytest.raises(DataError, match="square"):
        propagate_mean(Graph.from_csr(csr_array(np.ones((2, 3), np.float32)), False), torch.ones(3, 1), 1)
    broken = csr_array(matrix)
    broken.indices[0] = 30
    with pytest.raises(DataError, match=r"column is outside 0\.\.30"):
        multiply(Graph.from_csr(broken, symmetric=True), torch.ones(30, 4))
