"""Inputs for the graph kernels that are hard on them."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st
from scipy.sparse import csr_array

KINDS = ("gaussian", "integers", "twins", "near ties", "constant", "one-hot", "scaled", "sparse", "rounded")


def features(kind, n, width, seed):
    """Feature rows of one of the `KINDS`."""
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((n, width))
    if kind == "integers":
        x = rng.integers(-2, 3, (n, width))
    elif kind == "twins":
        x = x[rng.integers(0, max(1, n // 5), n)]
    elif kind == "near ties":
        x = 1 + 1e-6 * x
    elif kind == "constant":
        x = np.ones((n, width)) * rng.integers(1, 4, (n, 1))
    elif kind == "one-hot":
        x = np.zeros((n, width))
        x[np.arange(n), rng.integers(0, width, n)] = rng.integers(-3, 4, n)
    elif kind == "scaled":
        x = x * 10.0 ** rng.integers(-37, 37, (n, 1))
    elif kind == "sparse":
        x = np.where(rng.random((n, width)) < 0.8, 0, x)
    elif kind == "rounded":
        x = x.astype(np.float16)
    return np.ascontiguousarray(x, dtype=np.float32)


@st.composite
def matrices(draw, square=False, low=0.0):
    """Small sparse float32 matrices, some rows and columns of them empty."""
    n_rows = draw(st.integers(1, 12))
    n_columns = n_rows if square else draw(st.integers(1, 12))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    dense = rng.choice([0.25, 0.5, 1.0, 3.0], (n_rows, n_columns)) + rng.random() * rng.random(
        (n_rows, n_columns)
    )
    dense -= 0 if low >= 0 else 1
    dense[rng.random(dense.shape) > draw(st.sampled_from([0.1, 0.4, 0.9]))] = 0
    if square:
        np.fill_diagonal(dense, 0)
    return csr_array(dense.astype(np.float32))


def same_bits(a, b):
    """Whether two matrices agree in structure and in every bit of their values."""
    return (
        a.shape == b.shape
        and np.array_equal(a.indptr, b.indptr)
        and np.array_equal(a.indices, b.indices)
        and np.array_equal(a.data.view(np.int32), b.data.view(np.int32))
    )
