from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse import csr_array

from magnet import runtime
from magnet.nn.propagate import Graph, multiply, propagate_mean
from oracles import ranking as oracles


@pytest.fixture(autouse=True)
def _keep_threads():
    threads, chosen = runtime.num_threads(), runtime._chosen
    yield
    runtime.set_num_threads(threads)
    runtime._chosen = chosen


@st.composite
def problems(draw):
    n = draw(st.integers(1, 25))
    width = draw(st.sampled_from([1, 3, 8, 17, 33, 64, 72, 130]))
    density = draw(st.sampled_from([0.0, 0.1, 0.6]))
    symmetric = draw(st.booleans())
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    dense = rng.standard_normal((n, n)) * (rng.random((n, n)) < density) / np.sqrt(n)
    if symmetric:
        dense = dense + dense.T
    x = rng.standard_normal((n, width)).astype(np.float32)
    return csr_array(dense.astype(np.float32)), symmetric, x, draw(st.integers(0, 4))


@given(problems())
def test_values_and_gradients_equal_the_dense_ones_in_float64(problem):
    matrix, symmetric, values, layers = problem
    graph = Graph.from_csr(matrix, symmetric)
    x = torch.from_numpy(values).requires_grad_()
    out = propagate_mean(graph, x, layers)
    np.testing.assert_allclose(
        out.detach().numpy(), oracles.propagate_mean(matrix, values, layers), atol=2e-5
    )
    weights = torch.randn(out.shape, generator=torch.Generator().manual_seed(0))
    ((out * weights).sum() + (multiply(graph, x) * weights).sum()).backward()
    # The gradient of ⟨w, f(A) x⟩ is f(Aᵀ) w.
    transposed = csr_array(matrix.T)
    expected = oracles.propagate_mean(transposed, weights.numpy(), layers)
    expected = expected + np.asarray(transposed.todense(), np.float64) @ weights.numpy().astype(np.float64)
    np.testing.assert_allclose(x.grad.numpy(), expected, atol=4e-5)


@given(problems())
def test_the_bits_do_not_depend_on_threads_or_on_the_instruction_path(problem):
    matrix, symmetric, values, layers = problem
    graph = Graph.from_csr(matrix, symmetric)
    x = torch.from_numpy(values)
    outs: dict[torch.dtype, set[bytes]] = {torch.float32: set(), torch.bfloat16: set()}
    with pytest.MonkeyPatch.context() as patch:
        for path in ["portable", None]:
            if path is not None:
                patch.setenv("MAGNET_SIMD", path)
            else:
                patch.delenv("MAGNET_SIMD")
            for threads in [1, 2, 3, 7]:
                runtime.set_num_threads(threads)
                for storage in outs:
                    out = propagate_mean(graph, x, layers, storage=storage)
                    outs[storage].add(out.numpy().tobytes())
    assert [len(bits) for bits in outs.values()] == [1, 1]


@given(problems())
def test_bfloat16_storage_keeps_its_bound_in_values_and_gradients(problem):
    matrix, symmetric, values, layers = problem
    graph = Graph.from_csr(matrix, symmetric)
    x = torch.from_numpy(values).requires_grad_()
    out = propagate_mean(graph, x, layers, storage=torch.bfloat16)
    weights = torch.randn(out.shape, generator=torch.Generator().manual_seed(0))
    (out * weights).sum().backward()
    for a, given_, got in [(matrix, values, out.detach()), (csr_array(matrix.T), weights.numpy(), x.grad)]:
        off = np.abs(got.numpy() - oracles.propagate_mean(a, given_, layers))
        room = oracles.propagate_mean(csr_array(abs(a)), np.abs(given_), layers)
        assert (off <= ((1 + 2**-8) ** layers - 1) * room + 2e-5).all()
        if layers > 0 and a.nnz > 20:
            assert off.max() > 1e-6, "nothing was rounded"
