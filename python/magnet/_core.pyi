"""Magnet's Rust core; every function is wrapped, checked and documented in the package that uses it."""

import numpy as np
from numpy.typing import NDArray

__version__: str

def num_threads() -> int: ...
def set_num_threads(threads: int) -> None: ...

_Indptr = NDArray[np.int32] | NDArray[np.int64]
_Seen = tuple[_Indptr, NDArray[np.int32]]
_Mixture = tuple[
    NDArray[np.float32], NDArray[np.float32], NDArray[np.float32], NDArray[np.float32], float, int
]

def spmm(
    pointers: _Indptr,
    indices: NDArray[np.int32],
    values: NDArray[np.float32],
    dense: NDArray[np.float32],
    out: NDArray[np.float32],
) -> None: ...
def propagate_mean(
    pointers: _Indptr,
    indices: NDArray[np.int32],
    values: NDArray[np.float32],
    x: NDArray[np.float32],
    layers: int,
    out: NDArray[np.float32],
) -> None: ...
def sample_negatives(
    pointers: _Indptr,
    indices: NDArray[np.int32],
    n_items: int,
    users: NDArray[np.int32],
    seed: int,
    first: int,
    pool: NDArray[np.int32] | None = None,
    weights: NDArray[np.float64] | None = None,
) -> NDArray[np.int32]: ...
def sample_shared(
    n_draws: int,
    n_items: int,
    seed: int,
    first: int,
    pool: NDArray[np.int32] | None = None,
    weights: NDArray[np.float64] | None = None,
) -> NDArray[np.int32]: ...
def membership(
    pointers: _Indptr,
    indices: NDArray[np.int32],
    n_items: int,
    users: NDArray[np.int32],
    items: NDArray[np.int32],
    out: NDArray[np.bool_],
) -> None: ...
def rank_towers(
    users: NDArray[np.float32],
    items: NDArray[np.float32],
    mixture: _Mixture | None,
    rows: NDArray[np.int32],
    seen: _Seen | None,
    out_items: NDArray[np.int32],
    out_scores: NDArray[np.float32],
) -> None: ...
def rank_scores(
    scores: NDArray[np.float32],
    rows: NDArray[np.int32],
    seen: _Seen | None,
    out_items: NDArray[np.int32],
    out_scores: NDArray[np.float32],
) -> None: ...
def score_towers(
    users: NDArray[np.float32],
    items: NDArray[np.float32],
    mixture: _Mixture | None,
    user_rows: NDArray[np.int32],
    item_rows: NDArray[np.int32],
    out: NDArray[np.float32],
    wishes: NDArray[np.float32],
) -> None: ...
