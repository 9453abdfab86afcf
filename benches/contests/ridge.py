"""The linear item-item model: local systems of 200 items against dense inverses over all items."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.linalg import get_lapack_funcs

from contests import memory
from contests.inputs import taken
from magnet import graph

if TYPE_CHECKING:
    from collections.abc import Callable

    from scipy.sparse import csr_array

    from contests.race import Contest

SUPPORT = 200
RIDGE = 200.0
# Users, items and pairs: the sizes of two public data sets.
SIZES = ((19_445, 7_050, 118_551), (35_598, 18_357, 296_337))
DENSE = "LAPACK, float32"
TARGETS = {DENSE: dict.fromkeys(("amx", "avx512", "avx2"), (10, 50))}
SANSA = "not measured: its wheels need scikit-sparse, which is built from source beside SuiteSparse"
RECTOOLS = "not measured: it needs numpy < 2 on this Python; its EASE is numpy.linalg.inv"
# λ and λ_s of L3AE on baby.
BABY = {"ridge": 50.0, "content_weight": 150.0}


def gram(train: csr_array, dtype: type) -> np.ndarray:
    ones = train.astype(dtype)
    return (ones.T @ ones).toarray(order="F")


def by_lapack(train: csr_array, dtype: type = np.float32) -> np.ndarray:
    """EASE as fast as LAPACK gets it: a Cholesky factor and its inverse, all in the memory of the Gram matrix."""
    system = gram(train, dtype)
    system[np.diag_indices_from(system)] += RIDGE
    factorize, invert = get_lapack_funcs(("potrf", "potri"), (system,))
    factor, failed = factorize(system, lower=True, overwrite_a=True, clean=False)
    assert not failed
    inverse, failed = invert(factor, lower=True, overwrite_c=True)
    assert not failed
    lower = np.tril(inverse, -1)
    lower += lower.T
    lower /= -np.diag(inverse)
    return lower


def by_numpy(train: csr_array) -> np.ndarray:
    """As the paper prints it, and most libraries do it."""
    system = gram(train, np.float64)
    system[np.diag_indices_from(system)] += RIDGE
    inverse = np.linalg.inv(system)
    weights = inverse / -np.diag(inverse)
    np.fill_diagonal(weights, 0)
    return weights


def magnet(train: csr_array, support: int = SUPPORT) -> csr_array:
    return graph.local_ridge(train, ridge=RIDGE, support=support)


def check(train: csr_array) -> None:
    """Fifty systems solved again in float64, and a part of the data small enough for a support of everything."""
    weights = magnet(train).tocsc()
    ones = train.astype(np.float64).tocsc()
    degrees = np.diff(ones.indptr)
    taken_items = np.flatnonzero(degrees > 1)
    for item in np.random.default_rng(0).choice(taken_items, 50, replace=False):
        own = weights.indices[weights.indptr[item] : weights.indptr[item + 1]]
        of_support = ones[:, own]
        system = (of_support.T @ of_support).toarray() + RIDGE * np.eye(len(own))
        right = (of_support.T @ ones[:, [item]]).toarray().ravel()
        found = weights.data[weights.indptr[item] : weights.indptr[item + 1]]
        np.testing.assert_allclose(found, np.linalg.solve(system, right), atol=1e-5)
        shared = (ones.T @ ones[:, [item]]).toarray().ravel()
        shared[item] = 0
        left_out = np.setdiff1d(np.flatnonzero(shared), own)
        assert len(own) == min(SUPPORT, np.count_nonzero(shared))
        assert not len(left_out) or shared[left_out].max() <= right.min()
    popular = np.argsort(-degrees, kind="stable")[:500]
    part = ones[:, popular].tocsr().astype(np.float32)
    np.testing.assert_allclose(magnet(part, 499).toarray(), by_lapack(part, np.float64), atol=1e-5)


def run(contest: Contest) -> None:
    for size in SIZES:
        train = taken(*contest.scaled(*size))
        case = f"{train.shape[1]:,} items, {train.nnz:,} pairs"
        check(train)
        slow: dict[str, Callable[[], Any]] = {DENSE: lambda train=train: by_lapack(train)}
        if train.shape[1] < 10_000 or contest.size == "full":
            slow["numpy.linalg.inv, float64"] = lambda train=train: by_numpy(train)
        contest.add(case, "sansa", note=SANSA)
        contest.add(case, "RecTools", note=RECTOOLS)
        if contest.optional("implicit", case):
            slow["implicit, item neighbours"] = by_implicit(train, contest.threads)
        contest.race(
            case, lambda train=train: magnet(train), {}, slow=slow, targets=TARGETS if size == SIZES[1] else {},
            notes={"implicit, item neighbours": "another model: cosines, no regression"},
        )  # fmt: skip
    baby(contest)
    if contest.size == "full":
        million(contest)


def by_implicit(train: csr_array, threads: int) -> Callable[[], Any]:
    from implicit.nearest_neighbours import CosineRecommender
    from scipy.sparse import csr_matrix

    matrix = csr_matrix(train)
    return lambda: CosineRecommender(K=SUPPORT, num_threads=threads).fit(matrix, show_progress=False)


def baby(contest: Contest) -> None:
    """Quality on real data, where it is there: Recall@20 over that of the dense model."""
    folder = Path(os.environ.get("MAGNET_DATA", Path(__file__).parents[3] / "shared" / "data")) / "baby"
    case = "real: baby, L3AE, test Recall@20"
    if not folder.is_dir():
        contest.add(case, "dense", note=f"not measured: no {folder}; MAGNET_DATA names the folder")
        return
    table = np.loadtxt(folder / "inter.tsv", dtype=np.int32, skiprows=1)
    shape = tuple(table[:, :2].max(axis=0) + 1)
    train, test = (graph.interactions(*table[table[:, 3] == part, :2].T, shape) for part in (0, 2))
    features = np.load(folder / "text_recon128.npy").astype(np.float32)
    content = graph.content_regression(features, ridge=1.0, neighbours=shape[1])
    local = graph.local_ridge(train, content=content, support=SUPPORT, **BABY)
    ours, theirs = (quality(train, test, weights) for weights in (local, dense_l3ae(train, content)))
    ratio = ours[0] / theirs[0]
    contest.add(
        case, "dense", ratio=ratio, low=ratio, high=ratio, must=0.99, stretch=1.0,
        note="Recall@20 / NDCG@20 {:.4f} / {:.4f}, dense {:.4f} / {:.4f}".format(*ours, *theirs),
    )  # fmt: skip


def dense_l3ae(train: csr_array, content: csr_array) -> np.ndarray:
    shared = gram(train, np.float64)
    inverse = np.linalg.inv(shared + sum(BABY.values()) * np.eye(len(shared)))
    free = inverse @ (shared + BABY["content_weight"] * content.toarray())
    return free - inverse * (np.diag(free) / np.diag(inverse))


def quality(train: csr_array, test: csr_array, weights: Any, k: int = 20) -> tuple[float, float]:
    """Recall@k and NDCG@k of all users with something in the test part; training items are not ranked."""
    gains = 1 / np.log2(np.arange(2, k + 2))
    recalls, ndcgs = [], []
    for start in range(0, train.shape[0], 1024):
        own = train[start : start + 1024]
        product = own @ weights
        scores = np.asarray(product.toarray() if hasattr(product, "toarray") else product)
        scores[own.nonzero()] = -np.inf
        best = np.argsort(-scores, axis=1, kind="stable")[:, :k]
        wanted = test[start : start + 1024].toarray()
        hits = np.take_along_axis(wanted, best, axis=1) > 0
        n_wanted = wanted.sum(axis=1).astype(int)
        ideal = np.cumsum(gains)[np.clip(n_wanted, 1, k) - 1]
        recalls.append((hits.sum(axis=1) / np.maximum(n_wanted, 1))[n_wanted > 0])
        ndcgs.append((hits @ gains / ideal)[n_wanted > 0])
    return float(np.concatenate(recalls).mean()), float(np.concatenate(ndcgs).mean())


def million(contest: Contest) -> None:
    seconds, peak, entries = memory.local_ridge(1_000_000, 1_000_000, 10_000_000, SUPPORT)
    for rival, value, must, stretch in (
        ("10 minutes", 600 / seconds, 1, 600 / 180),
        ("8 GB", 8e9 / peak, 1, 2),
    ):
        contest.add(
            "1,000,000 items, 10,000,000 pairs, whole process", rival, magnet=seconds, ratio=value, low=value,
            high=value, must=must, stretch=stretch, note=f"peak {peak / 1e9:.2f} GB, {entries:,} weights",
        )  # fmt: skip
