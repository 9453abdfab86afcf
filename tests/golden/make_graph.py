"""Writes `graph.json`; to be run again (`python tests/golden/make_graph.py`) only where a definition changes.

The truth is made by the oracles, not by the kernels, so the file pins what they should do: which neighbours
are chosen among ties, which edges a seed keeps, and which items the local ridge regresses on.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
from scipy.sparse import csr_array

FOLDER = Path(__file__).resolve().parent


def inputs() -> tuple[np.ndarray, csr_array]:
    """Features with ties, twins and a zero row, and interactions; made by arithmetic, not by a generator."""
    features = np.array(
        [[(i * i * j + 3 * i + j) % 7 - 2 for j in range(1, 6)] for i in range(24)], np.float32
    )
    features[5] = features[4]
    features[9] = 0
    pairs = [(u, i) for u in range(9) for i in range(12) if (u * u + 2 * i * i + u * i) % 5 < 2]
    users, items = np.array(pairs).T
    return features, csr_array((np.ones(len(pairs), np.float32), (users, items)), shape=(9, 12))


def pairs(matrix: csr_array) -> list[list[int]]:
    """The entries as (row, column)."""
    return np.transpose(matrix.nonzero()).tolist()


if __name__ == "__main__":
    sys.path.insert(0, str(FOLDER.parent))
    from magnet.seeds import derive
    from oracles import graph as oracles
    from oracles.ridge import local_ridge

    features, train = inputs()
    neighbours = oracles.knn(features, 4)
    kept = {
        f"{by} {seed} {epoch}": pairs(
            oracles.drop_edges(train, round(0.2 * train.nnz), by, derive(seed, "edge dropout", epoch))
        )
        for by in ("degree", "uniform")
        for seed, epoch in [(0, 0), (0, 1), (1, 0)]
    }
    weights = csr_array(local_ridge(train, 2.0, 4, oracles.knn(features[:12], 3), 1.5))
    golden = {
        "neighbours": pairs(neighbours),
        "cosines": neighbours.data.view(np.int32).tolist(),
        "kept": kept,
        "supports": pairs(weights),
        "weights": weights.data.round(7).tolist(),
    }
    (FOLDER / "graph.json").write_text(json.dumps(golden) + "\n")
