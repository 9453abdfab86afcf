"""Metrics of rankings: functions from rankings and a cut-off to one float64 value per user, nothing rounded."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from magnet.errors import ConfigError, DataError
from magnet.registry import Registry

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from scipy.sparse import csr_array

__all__ = [
    "DEFAULT_METRICS",
    "METRICS",
    "TARGET",
    "TIE",
    "Metric",
    "Rankings",
    "metric_title",
    "ranking_metrics",
    "register_metric",
]


@dataclass(frozen=True, eq=False)
class Rankings:
    """The rankings of some users beside the items that had to be found. What every metric reads.

    Attributes:
        items: Ranked item indices, best first, ``(B, k)``; -1 where there was nothing left to rank, which is a miss.
        relevant: The held-out items of the same users, ``(B, I)``; every stored entry counts, its value does not.
    """

    items: NDArray[np.integer[Any]]
    relevant: csr_array

    @cached_property
    def hits(self) -> NDArray[np.bool_]:
        """Which ranked items are relevant, ``(B, k)``."""
        return _hits(self.items, self.relevant)

    @cached_property
    def n_relevant(self) -> NDArray[np.int64]:
        """How many items had to be found, ``(B,)``; at least 1."""
        return np.diff(self.relevant.indptr).astype(np.int64)

    @cached_property
    def n_hits(self) -> NDArray[np.int64]:
        """How many were found up to each place, ``(B, k)``."""
        return np.cumsum(self.hits, axis=1, dtype=np.int64)

    @cached_property
    def discounts(self) -> NDArray[np.float64]:
        """What a hit at each place is worth to NDCG, ``(k,)``."""
        return 1.0 / np.log2(np.arange(2, self.items.shape[1] + 2, dtype=np.float64))

    @cached_property
    def gains(self) -> NDArray[np.float64]:
        """Discounted hits up to each place, ``(B, k)``."""
        return np.cumsum(self.hits * self.discounts, axis=1)


# From rankings and a cut-off, within the places that were ranked, to a value for each user, (B,).
Metric: TypeAlias = Callable[[Rankings, int], "NDArray[np.float64]"]

METRICS: Registry[Metric] = Registry("metric")


def _name_of(metric: Any) -> str:
    if not callable(metric):
        raise ConfigError(f"a metric is a name or a function of rankings and a cut-off, got {metric!r}")
    return str(getattr(metric, "__name__", type(metric).__name__))


def register_metric(metric: Metric, *, name: str | None = None, replace: bool = False) -> Metric:
    """Let a metric be asked for by its name; may stand as a decorator before it.

    Args:
        metric: ``metric(rankings, k)`` returns a value for each user, ``(B,)``; see :class:`Rankings`.
        name: What stands before the ``@``; the function's own name by default.
        replace: Whether a metric of that name may be replaced, as when a notebook's cell runs again.

    Raises:
        ConfigError: If the name is taken, or holds an ``@``.
    """
    name = _name_of(metric) if name is None else name
    if "@" in name:
        raise ConfigError(
            f"the name of a metric ends where its cut-off begins: {name!r} must not hold an '@'"
        )
    METRICS.add(name, metric, module=metric.__module__, replace=replace)
    return metric


@register_metric
def recall(r: Rankings, k: int) -> NDArray[np.float64]:
    """The share of the relevant items that stand among the first k."""
    shares: NDArray[np.float64] = r.n_hits[:, k - 1] / r.n_relevant
    return shares


@register_metric
def ndcg(r: Rankings, k: int) -> NDArray[np.float64]:
    """Discounted hits among the first k, divided by those of the best possible ranking."""
    ideal = np.cumsum(r.discounts)  # (k,)
    shares: NDArray[np.float64] = r.gains[:, k - 1] / ideal[np.minimum(k, r.n_relevant) - 1]
    return shares


@register_metric
def precision(r: Rankings, k: int) -> NDArray[np.float64]:
    """The share of the first k places that hold a relevant item, also where fewer than k items were ranked."""
    return r.n_hits[:, k - 1] / float(k)


@register_metric
def hit(r: Rankings, k: int) -> NDArray[np.float64]:
    """1 where a relevant item stands among the first k, else 0."""
    return (r.n_hits[:, k - 1] > 0).astype(np.float64)


DEFAULT_METRICS = tuple(METRICS)
"""The names before the ``@`` that are reported if nothing else is asked for, in this order."""

TARGET = "recall@20"
"""What validation chooses weights and stages by, and what it stops by."""

TIE = "ndcg@20"
"""What decides between equals of that, which a small validation part has many of."""


def metric_title(name: str) -> str:
    """The name of a metric in a text.

    Example:
        >>> metric_title("recall@20"), metric_title("ndcg@5")
        ('Recall@20', 'NDCG@5')
    """
    return name.upper() if name.startswith("ndcg") else name.capitalize()


def ranking_metrics(
    items: NDArray[np.integer[Any]],
    relevant: csr_array,
    ks: Sequence[int],
    metrics: Sequence[str | Metric] = DEFAULT_METRICS,
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
        metrics: Names of registered metrics, or functions as :func:`register_metric` takes them.

    Returns:
        Values ``(B,)`` by name, such as ``"recall@20"``, grouped by metric in the order of ``metrics``.

    Raises:
        DataError: If the shapes do not fit, a cut-off is out of range, an item is no column of ``relevant``, a user
            has no relevant item, for whom no value is defined, or a metric does not return a number for each user.
        ConfigError: If there is no metric of a name.

    Example:
        >>> from scipy.sparse import csr_array
        >>> relevant = csr_array(np.array([[1, 0, 1, 0]]))
        >>> values = ranking_metrics(np.array([[0, 1]]), relevant, ks=[2])
        >>> {name: round(float(value[0]), 3) for name, value in values.items()}
        {'recall@2': 0.5, 'ndcg@2': 0.613, 'precision@2': 0.5, 'hit@2': 1.0}
    """
    _check(items, relevant, ks)
    named = _named(metrics)
    rankings = Rankings(items, relevant)
    if not rankings.n_relevant.all():
        rows = np.flatnonzero(rankings.n_relevant == 0)
        raise DataError(
            f"{len(rows)} of {items.shape[0]} users have no relevant item (rows {rows[:5].tolist()}…): "
            "their metrics are undefined, leave them out"
        )
    return {f"{name}@{k}": _values(name, metric, rankings, k) for name, metric in named.items() for k in ks}


def _named(metrics: Sequence[str | Metric]) -> dict[str, Metric]:
    if isinstance(metrics, str) or callable(metrics):
        metrics = [metrics]
    named: dict[str, Metric] = {}
    for metric in metrics:
        name = metric if isinstance(metric, str) else _name_of(metric)
        if name in named:
            raise ConfigError(f"two metrics are called {name!r}; give the functions names of their own")
        named[name] = METRICS.find(metric) if isinstance(metric, str) else metric
    if not named:
        raise ConfigError(f"no metric was asked for; there are {', '.join(METRICS)}")
    return named


def _values(name: str, metric: Metric, rankings: Rankings, k: int) -> NDArray[np.float64]:
    found = np.asarray(metric(rankings, k))
    n_users = rankings.items.shape[0]
    if found.shape != (n_users,) or found.dtype.kind not in "fiub":
        raise DataError(
            f"the metric {name!r} must return a number for each of {n_users} users, an array of shape ({n_users},); "
            f"got {found.dtype} of shape {found.shape}"
        )
    return found.astype(np.float64, copy=False)


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
