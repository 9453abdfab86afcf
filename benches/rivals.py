"""The same work done by Magnet and by the libraries people use for it, on the same threads.

`python benches/rivals.py [SECTION …] [--full] [--threads N]`; without names all sections run. Results are
compared before anything is timed, the contestants take turns, and the ratio is that of the medians. A new
section is a function with `@section` that ends in `race`.
"""

from __future__ import annotations

import argparse
import statistics
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from scipy.sparse import csr_array, diags_array

from magnet import graph
from magnet.runtime import num_threads, set_num_threads

if TYPE_CHECKING:
    from collections.abc import Callable

SECTIONS: dict[str, Callable[[bool], None]] = {}


def section(run: Callable[[bool], None]) -> Callable[[bool], None]:
    """Adds a section under the function's name; it is told whether to run at full size."""
    SECTIONS[run.__name__] = run
    return run


def race(
    title: str, magnet: Callable[[], Any], rivals: dict[str, Callable[[], Any]], rounds: int = 3
) -> None:
    """Times Magnet and its rivals in turn and prints how many times slower each rival is."""
    contestants = {"magnet": magnet, **rivals}
    times: dict[str, list[float]] = {name: [] for name in contestants}
    for _ in range(rounds):
        for name, run in contestants.items():
            start = time.perf_counter()
            run()
            times[name].append(time.perf_counter() - start)
    medians = {name: statistics.median(seconds) for name, seconds in times.items()}
    print(f"{title:42} magnet {medians['magnet'] * 1e3:9.1f} ms", end="")
    for name in rivals:
        print(f"   {name} {medians[name] * 1e3:9.1f} ms = {medians[name] / medians['magnet']:.2f} x", end="")
    print(flush=True)


def cpu() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else "unknown processor"


def clustered(n: int, width: int, seed: int = 0) -> np.ndarray:
    """Rows scattered around a hundred centres."""
    rng = np.random.default_rng(seed)
    centres = rng.standard_normal((100, width), dtype=np.float32)
    return centres[rng.integers(0, 100, n)] + rng.standard_normal((n, width), dtype=np.float32)


def torch_knn(features: np.ndarray, k: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Blocked product and top-k, as FREEDOM and its successors build their graphs, without the full N x N."""
    x = torch.nn.functional.normalize(torch.from_numpy(features))
    scores, rows = [], []
    for start in range(0, len(x), 2048):
        block = x[start : start + 2048] @ x.T
        block[torch.arange(len(block)), torch.arange(start, start + len(block))] = -torch.inf
        best = block.topk(k)
        scores.append(best.values)
        rows.append(best.indices)
    return torch.cat(scores), torch.cat(rows)


@section
def knn(full: bool) -> None:
    for n, width in [(7050, 4096), (50_000, 64)] if full else [(3500, 4096), (20_000, 64)]:
        features = clustered(n, width)
        scores, _ = torch_knn(features, 10)
        mine = np.sort(graph.knn_graph(features, 10).data.reshape(n, 10))[:, ::-1]
        np.testing.assert_allclose(mine, scores, atol=2e-5)
        race(
            f"cosine kNN, {n:,} x {width:,}, k = 10",
            lambda features=features: graph.knn_graph(features, 10),
            {"torch mm + topk": lambda features=features: torch_knn(features, 10)},
        )


def scipy_bipartite(users: np.ndarray, items: np.ndarray, n_users: int, n_items: int) -> csr_array:
    """One COO of both halves, one conversion, two diagonal products."""
    n = n_users + n_items
    rows = np.concatenate([users, items + n_users])
    columns = np.concatenate([items + n_users, users])
    adjacency = csr_array((np.ones(len(rows), np.float32), (rows, columns)), shape=(n, n))
    adjacency.sum_duplicates()
    adjacency.data[:] = 1
    degrees = np.diff(adjacency.indptr).astype(np.float32)
    scale = diags_array(np.divide(1, np.sqrt(degrees), where=degrees > 0, out=np.zeros_like(degrees)))
    return csr_array(scale @ adjacency @ scale)


@section
def adjacency(full: bool) -> None:
    sizes = [(20_000, 7000, 160_000), (190_000, 63_000, 1_600_000)]
    for n_users, n_items, n_pairs in sizes if full else sizes[:1]:
        rng = np.random.default_rng(0)
        users = (rng.random(n_pairs) ** 2 * n_users).astype(np.int32)
        items = (rng.random(n_pairs) ** 2 * n_items).astype(np.int32)
        args = (users, items, n_users, n_items)

        def build(args: tuple[np.ndarray, np.ndarray, int, int] = args) -> csr_array:
            return graph.bipartite(graph.interactions(args[0], args[1], args[2:]))

        mine, theirs = build(), scipy_bipartite(*args)
        theirs.sort_indices()
        np.testing.assert_array_equal(mine.indices, theirs.indices)
        np.testing.assert_allclose(mine.data, theirs.data, rtol=1e-6)
        race(
            f"pairs to D^-1/2 A D^-1/2, {n_pairs:,}",
            build,
            {"scipy": lambda args=args: scipy_bipartite(*args)},
            rounds=5,
        )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("sections", nargs="*", metavar="SECTION", help=f"of: {', '.join(SECTIONS)}")
    parser.add_argument("--full", action="store_true", help="the sizes of real data sets; takes minutes")
    parser.add_argument("--threads", type=int, default=num_threads(), help="for Magnet and for torch")
    options = parser.parse_args()
    unknown = [name for name in options.sections if name not in SECTIONS]
    if unknown:
        parser.error(f"no section {unknown[0]!r}; there are: {', '.join(SECTIONS)}")
    set_num_threads(options.threads)
    print(f"{cpu()}, {options.threads} threads")
    for name in options.sections or SECTIONS:
        SECTIONS[name](options.full)


if __name__ == "__main__":
    main()
