"""Pairs to the normalised adjacency, edge dropout, and pseudo edges."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from scipy.sparse import bmat, coo_array, csr_array, diags_array, dok_matrix

from contests import memory
from contests.inputs import SIZES, features, pairs
from magnet import graph

if TYPE_CHECKING:
    from contests.race import Contest

BEST_SCIPY = {
    160_000: dict.fromkeys(("amx", "avx512", "avx2"), (1.8, 3)),
    1_600_000: dict.fromkeys(("amx", "avx512", "avx2"), (2.6, 4)),
    10_000_000: dict.fromkeys(("amx", "avx512", "avx2"), (2.6, 4)),
}


def by_best_scipy(users: np.ndarray, items: np.ndarray, n_users: int, n_items: int) -> csr_array:
    """Two conversions and gathers, nothing else: the parts of the block matrix are laid side by side."""
    ones = np.ones(len(users), np.float32)
    forth = coo_array((ones, (users, items)), shape=(n_users, n_items)).tocsr()
    back = forth.T.tocsr()  # (I, U)
    su = (1 / np.sqrt(np.maximum(np.diff(forth.indptr), 1))).astype(np.float32)
    si = (1 / np.sqrt(np.maximum(np.diff(back.indptr), 1))).astype(np.float32)
    data = np.concatenate(
        [
            np.repeat(su, np.diff(forth.indptr)) * si[forth.indices],
            np.repeat(si, np.diff(back.indptr)) * su[back.indices],
        ]
    )
    indices = np.concatenate([forth.indices + np.int32(n_users), back.indices])
    indptr = np.concatenate([forth.indptr, forth.indptr[-1] + back.indptr[1:]])
    return csr_array((data, indices, indptr), shape=(n_users + n_items,) * 2)


def by_plain_scipy(users: np.ndarray, items: np.ndarray, n_users: int, n_items: int) -> csr_array:
    """Bmat and two diagonal products, as many models write it."""
    taken = csr_array((np.ones(len(users), np.float32), (users, items)), shape=(n_users, n_items))
    taken.data[:] = 1
    adjacency = csr_array(bmat([[None, taken], [taken.T, None]], format="csr"))
    degree = np.diff(adjacency.indptr)
    scale = diags_array((1 / np.sqrt(np.maximum(degree, 1))).astype(np.float32))
    return csr_array(scale @ adjacency @ scale)


def by_dok(users: np.ndarray, items: np.ndarray, n_users: int, n_items: int) -> csr_array:
    """A dictionary of keys, as LightGCN's and MMRec's code do."""
    adjacency = dok_matrix((n_users + n_items,) * 2, dtype=np.float32)
    for user, item in zip(users.tolist(), items.tolist(), strict=True):
        adjacency[user, n_users + item] = 1
        adjacency[n_users + item, user] = 1
    degree = np.asarray(adjacency.sum(axis=1)).ravel()
    scale = diags_array((1 / np.sqrt(np.maximum(degree, 1))).astype(np.float32))
    return csr_array(scale @ adjacency.tocsr() @ scale)


def by_torch(users: np.ndarray, items: np.ndarray, n_users: int, n_items: int) -> torch.Tensor:
    """coalesce, degrees, CSR."""
    n = n_users + n_items
    u, i = torch.from_numpy(users).long(), torch.from_numpy(items).long() + n_users
    at = torch.stack([torch.cat([u, i]), torch.cat([i, u])])
    rows, columns = (
        torch.sparse_coo_tensor(at, torch.ones(at.shape[1]), (n, n), check_invariants=False)
        .coalesce()
        .indices()
    )
    scale = torch.bincount(rows, minlength=n).clamp(min=1).float().rsqrt()
    values = scale[rows] * scale[columns]
    return torch.sparse_coo_tensor(
        torch.stack([rows, columns]), values, (n, n), is_coalesced=True, check_invariants=False
    ).to_sparse_csr()


def run(contest: Contest) -> None:
    for size in SIZES if contest.size == "full" else SIZES[:2]:
        pairs_to_adjacency(contest, *contest.scaled(*size), BEST_SCIPY[size[2]])
        edge_dropout(contest, *contest.scaled(*size))
    pseudo(contest, *contest.scaled(*SIZES[0]))
    if contest.size == "full":
        seconds, peak, entries = memory.adjacency(5_000_000, 1_000_000, 100_000_000)
        contest.add(
            "100,000,000 pairs, whole process", "8 GiB", ratio=2**33 / peak, low=2**33 / peak, high=2**33 / peak,
            must=1, stretch=2**33 / 6e9, note=f"peak {peak / 2**30:.2f} GiB, {seconds:.1f} s, {entries:,} entries",
        )  # fmt: skip


def pairs_to_adjacency(contest: Contest, n_users: int, n_items: int, n: int, targets: dict) -> None:
    args = (*pairs(n_users, n_items, n), n_users, n_items)

    def magnet() -> csr_array:
        return graph.bipartite(graph.interactions(args[0], args[1], args[2:]))

    mine = magnet()
    for build in (by_best_scipy, by_plain_scipy):
        theirs = build(*args)
        theirs.sort_indices()
        np.testing.assert_array_equal(mine.indices, theirs.indices)
        np.testing.assert_allclose(mine.data, theirs.data, rtol=1e-6)
    theirs = by_torch(*args)
    np.testing.assert_array_equal(mine.indices, theirs.col_indices().numpy())
    np.testing.assert_allclose(mine.data, theirs.values().numpy(), rtol=1e-6)
    contest.race(
        f"{n:,} pairs to D^-1/2 A D^-1/2",
        magnet,
        {"scipy, best written": lambda: by_best_scipy(*args)},
        slow={
            "scipy, bmat and diags": lambda: by_plain_scipy(*args),
            "torch coalesce": lambda: by_torch(*args),
            **({"dok, as MMRec": lambda: by_dok(*args)} if n <= 1_600_000 else {}),
        },
        targets={"scipy, best written": targets},
    )


def edge_dropout(contest: Contest, n_users: int, n_items: int, n: int) -> None:
    """A fifth of the edges drawn by degree, renormalised."""
    taken = graph.interactions(*pairs(n_users, n_items, n), (n_users, n_items))
    rows, columns = map(torch.from_numpy, taken.tocoo().coords)
    rows, columns = rows.long(), columns.long()
    n_kept = round(0.2 * taken.nnz)

    def normalised(rows: torch.Tensor, columns: torch.Tensor) -> torch.Tensor:
        du = torch.bincount(rows, minlength=n_users).clamp(min=1).float().rsqrt()
        di = torch.bincount(columns, minlength=n_items).clamp(min=1).float().rsqrt()
        return du[rows] * di[columns]

    weights = normalised(rows, columns)

    def freedom() -> torch.Tensor:
        kept = torch.multinomial(weights, n_kept)
        u, i = rows[kept], columns[kept]
        values = normalised(u, i).repeat(2)
        at = torch.stack([torch.cat([u, i + n_users]), torch.cat([i + n_users, u])])
        return torch.sparse_coo_tensor(at, values, (n_users + n_items,) * 2, check_invariants=False)

    def magnet() -> csr_array:
        return graph.bipartite(graph.drop_edges(taken, keep=0.2, seed=0, epoch=0))

    assert magnet().nnz == freedom()._nnz() == 2 * n_kept
    if len(weights) < 2**24:
        contest.race(
            f"edge dropout and renormalising, {n:,} pairs",
            magnet,
            {"torch.multinomial, as FREEDOM": freedom},
            targets={"torch.multinomial, as FREEDOM": dict.fromkeys(("amx", "avx512", "avx2"), (10, 30))},
        )


def best_of_rows(matrix: csr_array, m: int) -> csr_array:
    """The m largest of each row."""
    rows = np.repeat(np.arange(matrix.shape[0]), np.diff(matrix.indptr))
    order = np.lexsort((matrix.indices, -matrix.data, rows))
    kept = order[np.arange(len(order)) - matrix.indptr[rows] < m]
    return csr_array((matrix.data[kept], (rows[kept], matrix.indices[kept])), shape=matrix.shape)


def pseudo(contest: Contest, n_users: int, n_items: int, n: int) -> None:
    taken = graph.interactions(*pairs(n_users, n_items, n), (n_users, n_items))
    alike = graph.similarity(graph.knn_graph(features(n_items, 64), 10))

    def scipy_product() -> csr_array:
        found = csr_array(taken @ alike)
        top = found.max(axis=1).toarray().ravel()
        degree = np.bincount(taken.indices, minlength=n_items)
        rare = csr_array(found.T)[degree < np.median(degree)]
        union = best_of_rows(found, 10)
        of_items = best_of_rows(rare, 5).tocoo()
        items = np.flatnonzero(degree < np.median(degree))[of_items.coords[0]]
        added = csr_array((of_items.data, (of_items.coords[1], items)), shape=taken.shape)
        union = union.maximum(added)
        union.data *= 0.5 / np.repeat(top, np.diff(union.indptr))
        return union

    mine, theirs = graph.pseudo_edges(taken, alike), scipy_product()
    # Sums in float32 and float64 differ in the last digits, so that a near-tie may fall either way.
    assert abs(mine.nnz - theirs.nnz) <= 1e-4 * mine.nnz
    difference = abs(mine - theirs)
    assert (difference.data > 1e-4).sum() <= 1e-3 * mine.nnz
    contest.race(
        f"pseudo edges, {n:,} pairs",
        lambda: graph.pseudo_edges(taken, alike),
        {"scipy product and top m": scipy_product},
        targets={"scipy product and top m": dict.fromkeys(("amx", "avx512", "avx2"), (5, 10))},
    )
