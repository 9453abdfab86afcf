"""Recall, NDCG, precision and hit rate of rankings: one float64 value per user, nothing rounded."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from magnet.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from scipy.sparse import csr_array

__all__ = ["METRICS", "TARGET", "metric_title", "ranking_metrics"]

METRICS = ("recall", "ndcg", "precision", "hit")
"""The names before the ``@``, in the order in which they are reported."""

TARGET = "recall@20"
"""What validation chooses weights and stages by, and what it stops by."""


def metric_title(name: str) -> str:
    """The name of a metric in a text.

    Example:
        >>> metric_title("recall@20"), metric_title("ndcg@5")
        ('Recall@20', 'NDCG@5')
    """
    return name.upper() if name.startswith("ndcg") else name.capitalize()


def ranking_metrics(
    items: NDArray[np.integer[Any]], relevant: csr_array, ks: Sequence[int]
) -> dict[str, NDArray[np.float64]]:
    r"""Measure the rankings of some users at every cut-off.

    With :math:`r_p = 1` where the item at position *p* (from 1) is relevant, and *n* relevant items:

    .. math::
        \mathrm{Recall@K} = \frac{1}{n} \sum_{p \le K} r_p \qquad
        \mathrm{NDCG@K} = \frac{\sum_{p \le K} r_p / \log_2(p + 1)}{\sum_{p \le \min(K, n)} 1 / \log_2(p + 1)}

    Precision divides the hits by *K* even where fewer than *K* items were ranked; Hit is 1 where there is
    any.

    Args:
        items: Ranked item indices, best first, ``(B, k)``; -1 where there was nothing left to rank, which is
            a miss. No item occurs twice in a row.
        relevant: The held-out items of the same users, ``(B, I)``; every stored entry counts, its value does
            not.
        ks: Cut-offs, each from 1 to ``k``.

    Returns:
        Values ``(B,)`` by name, such as ``"recall@20"``, grouped by metric in the order of :data:`METRICS`.

    Raises:
        DataError: If the shapes do not fit, a cut-off is out of range, an item is no column of ``relevant``,
            or a user has no relevant item, for whom no value is defined.

    Example:
        >>> from scipy.sparse import csr_array
        >>> relevant = csr_array(np.array([[1, 0, 1, 0]]))
        >>> values = ranking_metrics(np.array([[0, 1]]), relevant, ks=[2])
        >>> {name: round(float(value[0]), 3) for name, value in values.items()}
        {'recall@2': 0.5, 'ndcg@2': 0.613, 'precision@2': 0.5, 'hit@2': 1.0}
    """
    _check(items, relevant, ks)
    hits = _hits(items, relevant)  # (B, k)
    n_relevant = np.diff(relevant.indptr).astype(np.int64)  # (B,)
    if not n_relevant.all():
        rows = np.flatnonzero(n_relevant == 0)
        raise DataError(
            f"{len(rows)} of {len(n_relevant)} users have no relevant item (rows {rows[:5].tolist()}…): "
            "their metrics are undefined, leave them out"
        )
    discounts = 1.0 / np.log2(np.arange(2, items.shape[1] + 2, dtype=np.float64))  # (k,)
    n_hits = np.cumsum(hits, axis=1, dtype=np.int64)  # (B, k)
    gains = np.cumsum(hits * discounts, axis=1)  # (B, k)
    ideal = np.cumsum(discounts)  # (k,)

    values: dict[str, dict[int, NDArray[np.float64]]] = {metric: {} for metric in METRICS}
    for k in ks:
        found = n_hits[:, k - 1]
        values["recall"][k] = found / n_relevant
        values["ndcg"][k] = gains[:, k - 1] / ideal[np.minimum(k, n_relevant) - 1]
        values["precision"][k] = found / float(k)
        values["hit"][k] = (found > 0).astype(np.float64)
    return {f"{metric}@{k}": values[metric][k] for metric in METRICS for k in ks}


def _hits(items: NDArray[np.integer[Any]], relevant: csr_array) -> NDArray[np.bool_]:
    """Which ranked items are relevant, ``(B, k)``, by one search in the sorted pairs of row and column."""
    n_rows, n_items = relevant.shape
    rows = np.repeat(np.arange(n_rows, dtype=np.int64), np.diff(relevant.indptr))
    pairs = np.sort(rows * n_items + relevant.indices)  # (nnz,)
    wanted = np.arange(n_rows, dtype=np.int64)[:, None] * n_items + items  # (B, k)
    if not len(pairs):
        return np.zeros(items.shape, dtype=np.bool_)
    place = np.minimum(np.searchsorted(pairs, wanted), len(pairs) - 1)
    # Without the second condition, -1 would be the last item of the row before.
    found: NDArray[np.bool_] = (pairs[place] == wanted) & (items >= 0)
    return found


def _check(items: NDArray[np.integer[Any]], relevant: csr_array, ks: Sequence[int]) -> None:
    if items.ndim != 2 or not np.issubdtype(items.dtype, np.integer):
        raise DataError(f"items must be integers of shape (B, k), got {items.dtype} of shape {items.shape}")
    n_rows, n_items = relevant.shape
    if items.shape[0] != n_rows:
        raise DataError(f"{items.shape[0]} rankings came with the relevant items of {n_rows} users")
    wrong = [k for k in ks if not 1 <= k <= items.shape[1]]
    if wrong or not len(ks):
        raise DataError(f"cut-offs must lie between 1 and the {items.shape[1]} ranked items, got {list(ks)}")
    if items.size and (items.max() >= n_items or items.min() < -1):
        raise DataError(
            f"ranked items must lie between -1 and {n_items - 1}, "
            f"got {int(items.min())} to {int(items.max())}"
        )
