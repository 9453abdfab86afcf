"""Nearest neighbours for more rows than all pairs can be afforded."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from magnet import core
from magnet.errors import DataError
from magnet.graph.arrays import checked_features, checked_present, from_rust

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from scipy.sparse import csr_array

__all__ = ["ApproximateGraph", "approximate_knn_graph"]

# Rows in a cluster on average, before rows that are in several are counted more than once.
_ROWS_PER_CLUSTER = 500


class ApproximateGraph(NamedTuple):
    """A graph with most of the nearest neighbours."""

    graph: csr_array  # (I, I)
    recall: float  # share of the true neighbours that were found, on a sample of rows


def approximate_knn_graph(
    features: NDArray[np.float32 | np.float16],
    k: int,
    *,
    present: NDArray[np.bool_] | None = None,
    clusters: int | None = None,
    overlap: int = 4,
    rounds: int = 1,
    sample: int = 256,
    seed: int = 0,
) -> ApproximateGraph:
    """Connect each row to ``k`` rows of large cosine, nearly always the largest.

    Spherical k-means divides the rows; each is in its ``overlap`` nearest clusters, all pairs of a cluster are
    compared, and then each row with its neighbours' neighbours. Cosines and ties are those of
    :func:`~magnet.graph.knn.knn_graph`; only which pairs are compared is approximate. The result depends on
    ``seed`` and not on the number of threads or the machine. float16 and memory-mapped features are read row
    by row, never copied as a whole.

    Args:
        features: ``(I, d)``, contiguous ones are not copied.
        k: Neighbours of a row, at least 1.
        present: Which rows have features, ``(I,)``; all by default.
        clusters: One for about 500 rows by default.
        overlap: Clusters that a row is in; more find more and cost in proportion to the square.
        rounds: Rounds over neighbours of neighbours; without overlap they find nothing new.
        sample: Rows that are searched exactly to measure the recall.
        seed: In ``[0, 2**64)``; of the clusters and of the sample.

    Raises:
        DataError: If a present row holds NaN or infinity, or a shape, type or option is wrong.

    Example:
        >>> x = np.random.default_rng(0).standard_normal((2000, 8), dtype=np.float32)
        >>> found = approximate_knn_graph(x, 5)
        >>> found.graph.nnz, found.recall > 0.8
        (10000, True)
    """
    features = checked_features(features)
    n_rows = features.shape[0]
    if clusters is None:
        clusters = max(1, n_rows // _ROWS_PER_CLUSTER)
    if k < 1 or clusters < 1 or overlap < 1 or rounds < 0 or sample < 0 or not 0 <= seed < 2**64:
        raise DataError(
            "k, clusters and overlap must be at least 1, rounds, sample and seed at least 0; got "
            f"k {k}, clusters {clusters}, overlap {overlap}, rounds {rounds}, sample {sample}, seed {seed}"
        )
    values: NDArray[Any] = np.ascontiguousarray(features)
    if values.dtype == np.float16:
        # float16 is passed as its bits, because Rust has no type for it.
        values = values.view(np.uint16)
    triple, recall = core.knn_approximate(
        values, checked_present(present, n_rows), k, clusters, overlap, rounds, sample, seed
    )
    return ApproximateGraph(from_rust(triple, (n_rows, n_rows)), recall)
