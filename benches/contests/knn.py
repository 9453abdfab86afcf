"""Exact cosine neighbours, k = 10, on rows of unit length."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from contests.inputs import features
from contests.memory import extra_of_knn
from magnet import graph

if TYPE_CHECKING:
    from contests.race import Contest

K = 10
# (must, stretch) by width and kind of machine.
FAISS = {
    384: {"amx": (8, 10), "avx512": (1.8, 2.5), "avx2": (2.8, 4.5)},
    4096: {"amx": (8, 10), "avx512": (1.6, 2), "avx2": (2, 3.2)},
    64: {"amx": (5, 8), "avx512": (2.6, 3), "avx2": (3.5, 5.5)},
}
REAL = {"amx": (3, 6), "avx512": (1.4, 2), "avx2": (1.5, 2.5)}
TORCH = {
    4096: {"amx": (8, 12), "avx512": (1.8, 3), "avx2": (3, 4.5)},
    384: {"amx": (8, 12), "avx512": (1.8, 3), "avx2": (3, 4.5)},
    64: {"amx": (8, 12), "avx512": (1.8, 6), "avx2": (3, 8)},
}


def by_torch(x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Blocked product and top-k, as FREEDOM builds its graph, without the whole N x N."""
    scores, rows = [], []
    for start in range(0, len(x), 2048):
        block = x[start : start + 2048] @ x.T
        block[torch.arange(len(block)), torch.arange(start, start + len(block))] = -torch.inf
        best = block.topk(K)
        scores.append(best.values)
        rows.append(best.indices)
    return torch.cat(scores), torch.cat(rows)


def by_faiss(faiss: object, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The flat index; each row finds itself as well, hence one more."""
    index = faiss.IndexFlatIP(x.shape[1])
    index.add(x)
    return index.search(x, K + 1)


def run(contest: Contest) -> None:
    large = contest.kind in ("amx", "avx512")
    for n, width in ((23_033 if large else 7_050, 4096), (100_000 if large else 50_000, 384),
                     (100_000 if large else 50_000, 64)):  # fmt: skip
        (rows,) = contest.scaled(n)
        one(contest, f"{rows:,} x {width:,}", features(rows, width), FAISS[width], TORCH[width])
    folder = Path(os.environ.get("MAGNET_DATA", Path(__file__).parents[3] / "shared" / "data"))
    names = ("baby/text_recon128", "baby/image_recon128", "mlsmall/image_mobilenetv2", "tiktok/image_feat")
    for name in names:
        path = folder / f"{name}.npy"
        if not path.exists():
            contest.add(
                f"real: {name}", "faiss flat", note=f"not measured: no {path}; MAGNET_DATA names the folder"
            )
            continue
        x = np.load(path).astype(np.float32)
        norms = np.linalg.norm(x, axis=1, keepdims=True)
        one(contest, f"real: {name}, {len(x):,} x {x.shape[1]}", x / np.where(norms > 0, norms, 1), REAL, {})
    if contest.size == "quick":
        return  # threads and tables would outweigh so few features
    rows = 23_033 if large else 7_050
    extra = extra_of_knn(rows, 4096)
    contest.add(
        f"extra memory, {rows:,} x 4,096", "the features themselves", ratio=1 / extra, low=1 / extra,
        high=1 / extra, must=1 / 1.1, stretch=1 / 0.6, note=f"extra = {extra:.2f} x features",
    )  # fmt: skip


def one(contest: Contest, case: str, x: np.ndarray, faiss_targets: dict, torch_targets: dict) -> None:
    """One matrix: compared by its cosines (equal cosines may name either neighbour), then timed."""
    tensor = torch.from_numpy(x)
    mine = graph.knn_graph(x, K)
    full = np.diff(mine.indptr) == K
    expected = by_torch(tensor)[0].numpy()[full]
    found = mine.data[np.repeat(full, np.diff(mine.indptr))].reshape(-1, K)
    np.testing.assert_allclose(np.sort(found)[:, ::-1], expected, atol=3e-5)
    rivals, slow = {"torch mm + topk": lambda: by_torch(tensor)}, {}
    faiss = contest.optional("faiss", case)
    if faiss:
        faiss.omp_set_num_threads(contest.threads)
        theirs = by_faiss(faiss, x)[0][full]
        # Equal rows may stand before a row itself: only the cosines of the others are compared.
        np.testing.assert_allclose(np.sort(theirs)[:, ::-1][:, 1:], expected, atol=3e-5)
        rivals["faiss flat"] = lambda: by_faiss(faiss, x)
    if contest.optional("sklearn", case) and x.shape[0] * x.shape[1] <= 30e6:
        from sklearn.neighbors import NearestNeighbors

        slow["scikit-learn brute"] = lambda: (
            NearestNeighbors(n_neighbors=K, metric="cosine", algorithm="brute").fit(x).kneighbors()
        )
    contest.race(
        case,
        lambda: graph.knn_graph(x, K),
        rivals,
        slow=slow,
        targets={"faiss flat": faiss_targets, "torch mm + topk": torch_targets},
    )
