"""Magnet's Rust core; every function is wrapped, checked and documented in the package that uses it."""

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "__version__",
    "bipartite",
    "blend_pair",
    "blend_scores",
    "dot_rows",
    "drop_edges",
    "interactions",
    "k_core",
    "knn",
    "knn_approximate",
    "local_ridge",
    "membership",
    "num_threads",
    "propagate_mean",
    "pseudo_edges",
    "rank_blend",
    "rank_dots",
    "rank_scores",
    "sample_negatives",
    "sample_shared",
    "score_dots",
    "set_num_threads",
    "shared_users",
    "simd_paths",
    "similarity",
    "sparse_rows",
    "spmm",
    "union_max",
]

_Indptr: TypeAlias = NDArray[np.int32] | NDArray[np.int64]
_Triple: TypeAlias = tuple[_Indptr, NDArray[np.int32], NDArray[np.float32]]
_Matrix: TypeAlias = tuple[_Indptr, NDArray[np.int32], NDArray[np.float32], int]

__version__: str

def num_threads() -> int: ...
def set_num_threads(threads: int) -> None: ...
def simd_paths() -> list[tuple[str, bool]]: ...

_Seen: TypeAlias = tuple[_Indptr, NDArray[np.int32]]

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
    half: bool,
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
def rank_dots(
    users: NDArray[np.float32],
    items: NDArray[np.float32],
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
def score_dots(
    users: NDArray[np.float32],
    items: NDArray[np.float32],
    user_rows: NDArray[np.int32],
    item_rows: NDArray[np.int32],
    out: NDArray[np.float32],
) -> None: ...
def dot_rows(
    users: NDArray[np.float32],
    items: NDArray[np.float32],
    rows: NDArray[np.int32],
    out: NDArray[np.float32],
) -> None: ...
def sparse_rows(
    left_pointers: _Indptr,
    left_indices: NDArray[np.int32],
    left_values: NDArray[np.float32],
    pointers: _Indptr,
    indices: NDArray[np.int32],
    values: NDArray[np.float32],
    out: NDArray[np.float32],
) -> None: ...
def blend_scores(
    base: NDArray[np.float32],
    cues: NDArray[np.float32],
    user_logits: NDArray[np.float32],
    item_logits: NDArray[np.float32],
    roles: NDArray[np.float32],
    weight: float,
    top_experts: int,
    compress: bool,
    out: NDArray[np.float32],
) -> None: ...
def blend_pair(
    base: NDArray[np.float32],
    cues: NDArray[np.float32],
    user_logits: NDArray[np.float32],
    item_logits: NDArray[np.float32],
    roles: NDArray[np.float32],
    weight: float,
    top_experts: int,
    compress: bool,
    item: int,
) -> tuple[
    float, float, NDArray[np.float32], NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]
]: ...
def rank_blend(
    tables: tuple[NDArray[np.float32], NDArray[np.float32]],
    history: _Triple,
    operators: list[_Triple | NDArray[np.float32] | None],
    rows: NDArray[np.float32],
    logits: tuple[NDArray[np.float32], NDArray[np.float32]],
    mixing: tuple[NDArray[np.float32], float, int, bool],
    users: NDArray[np.int32],
    seen: _Seen | None,
    out_items: NDArray[np.int32],
    out_scores: NDArray[np.float32],
) -> None: ...

# Graphs. A matrix goes in as (indptr, indices, values, n_cols) and comes out as (indptr, indices, values).
def knn(features: NDArray[np.float32], present: NDArray[np.bool_], k: int) -> _Triple: ...
def knn_approximate(
    features: NDArray[np.float32] | NDArray[np.uint16],
    present: NDArray[np.bool_],
    k: int,
    clusters: int,
    overlap: int,
    rounds: int,
    sample: int,
    seed: int,
) -> tuple[_Triple, float]: ...
def interactions(
    users: NDArray[np.int32] | NDArray[np.int64],
    items: NDArray[np.int32] | NDArray[np.int64],
    n_users: int,
    n_items: int,
) -> _Triple: ...
def bipartite(weights: _Matrix) -> _Triple: ...
def similarity(neighbours: _Matrix) -> _Triple: ...
def union_max(a: _Matrix, b: _Matrix) -> _Triple: ...
def pseudo_edges(
    taken: _Matrix, similarity: _Matrix, per_user: int, per_item: int, strength: float
) -> _Triple: ...
def drop_edges(edges: _Matrix, n_kept: int, by_degree: bool, seed: int) -> _Triple: ...
def k_core(taken: _Matrix, per_user: int, per_item: int) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]: ...
def shared_users(taken: _Matrix, edges: _Matrix) -> int: ...
def local_ridge(
    train: _Matrix, content: _Matrix | None, ridge: float, content_weight: float, support: int
) -> _Triple: ...
