"""Metrics of rankings: how they are registered, found and computed. Nothing is rounded."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

import numpy as np

from magnet.errors import ConfigError, DataError
from magnet.evaluate.rankings import Rankings
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
    "aggregate",
    "find_metrics",
    "measure",
    "metric_title",
    "name_parts",
    "ranking_metrics",
    "register_metric",
    "uncut",
]


# From rankings and a cut-off, within the places that were ranked, to a value for each user, (B,), or for all lists.
Metric: TypeAlias = Callable[[Rankings, int], "NDArray[np.float64] | float"]
M = TypeVar("M", bound=Metric)

DEFAULT_METRICS = ("recall", "ndcg", "precision", "hit")
"""The names before the ``@`` that are reported if nothing else is asked for, in this order."""

_MORE = ("map", "mrr", "auc")
_BEYOND = ("novelty", "diversity", "tail", "calibration", "coverage", "gini")
METRICS: Registry[Metric] = Registry(
    "metric",
    modules=dict.fromkeys((*DEFAULT_METRICS, *_MORE), "magnet.evaluate.accuracy")
    | dict.fromkeys(_BEYOND, "magnet.evaluate.beyond"),
)


_AGGREGATE, _UNCUT = "magnet_aggregate", "magnet_uncut"


def _name_of(metric: Any) -> str:
    if not callable(metric):
        raise ConfigError(f"a metric is a name or a function of rankings and a cut-off, got {metric!r}")
    return str(getattr(metric, "__name__", type(metric).__name__))


def register_metric(metric: M, *, name: str | None = None, replace: bool = False) -> M:
    """Let a metric be asked for by its name; may stand as a decorator before it.

    Args:
        metric: ``metric(rankings, k)`` returns a value for each user, ``(B,)``, NaN where none is defined; one that is
            marked by :func:`aggregate` a number. See :class:`Rankings`.
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


def aggregate(metric: M) -> M:
    """Mark a metric of all lists together: it returns one number, and no user has a value of their own.

    Stands below :func:`register_metric` where both decorate.

    Example:
        >>> @aggregate
        ... def distinct(r, k):
        ...     return float(len(np.unique(r.items[:, :k])))
    """
    setattr(metric, _AGGREGATE, True)
    return metric


def uncut(metric: M) -> M:
    """Mark a metric of full rankings, which is the same at every cut-off: it is reported once, without an ``@``."""
    setattr(metric, _UNCUT, True)
    return metric


TARGET = "recall@20"
"""What validation chooses weights and stages by, and what it stops by."""

TIE = "ndcg@20"
"""What decides between equals of that, which a small validation part has many of."""


def name_parts(name: str) -> tuple[str, str]:
    """The kind of a metric and its cut-off as text, which is empty where it has none.

    Example:
        >>> name_parts("recall@20"), name_parts("auc")
        (('recall', '20'), ('auc', ''))
    """
    kind, found, cut = name.rpartition("@")
    return (kind, cut) if found else (name, "")


_INITIALS = ("ndcg", "map", "mrr", "auc")


def metric_title(name: str) -> str:
    """The name of a metric in a text.

    Example:
        >>> metric_title("recall@20"), metric_title("ndcg@5")
        ('Recall@20', 'NDCG@5')
    """
    return name.upper() if name_parts(name)[0] in _INITIALS else name.capitalize()


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
        ConfigError: If there is no metric of a name, or one is of all lists together.

    Example:
        >>> from scipy.sparse import csr_array
        >>> relevant = csr_array(np.array([[1, 0, 1, 0]]))
        >>> values = ranking_metrics(np.array([[0, 1]]), relevant, ks=[2])
        >>> {name: round(float(value[0]), 3) for name, value in values.items()}
        {'recall@2': 0.5, 'ndcg@2': 0.613, 'precision@2': 0.5, 'hit@2': 1.0}
    """
    _check(items, relevant, ks)
    named = find_metrics(metrics)
    per_user, together = measure(Rankings(items, relevant), ks, named)
    if together:
        raise ConfigError(
            f"{', '.join(map(repr, together))}: of all lists together, no user has a value; ask evaluate(…) for it"
        )
    return per_user


def find_metrics(metrics: str | Metric | Sequence[str | Metric]) -> dict[str, Metric]:
    """Metrics by name.

    Args:
        metrics: Names of registered metrics, or functions as :func:`register_metric` takes them; one or several.

    Raises:
        ConfigError: If there is no metric of a name, or two have the same.
    """
    if isinstance(metrics, str) or callable(metrics):
        metrics = [metrics]
    if not isinstance(metrics, Iterable):
        raise ConfigError(
            f"expected metrics, names or functions, got {metrics!r}; there are {', '.join(METRICS)}"
        )
    named: dict[str, Metric] = {}
    for metric in metrics:
        name = metric if isinstance(metric, str) else _name_of(metric)
        if name in named:
            raise ConfigError(f"two metrics are called {name!r}; give the functions names of their own")
        named[name] = METRICS.find(metric) if isinstance(metric, str) else metric
    if not named:
        raise ConfigError(f"no metric was asked for; there are {', '.join(METRICS)}")
    return named


def measure(
    rankings: Rankings, ks: Sequence[int], metrics: Mapping[str, Metric]
) -> tuple[dict[str, NDArray[np.float64]], dict[str, float]]:
    """Compute metrics of rankings at every cut-off.

    Args:
        rankings: With at least as many places as the largest cut-off.
        ks: Cut-offs.
        metrics: By name, see :func:`find_metrics`.

    Returns:
        Values of each user, ``(B,)``, by names such as ``"recall@20"``, or ``"auc"`` of a metric that is
        :func:`uncut`; and those of :func:`aggregate` metrics, by names of the same kind.

    Raises:
        DataError: If a user has no relevant item, a metric does not return what it should, or reads what the rankings
            came without.
    """
    if not rankings.n_relevant.all():
        rows = np.flatnonzero(rankings.n_relevant == 0)
        raise DataError(
            f"{len(rows)} of {len(rankings.items)} users have no relevant item (rows {rows[:5].tolist()}…): "
            "their metrics are undefined, leave them out"
        )
    per_user, together = {}, {}
    for name, metric in metrics.items():
        whole = hasattr(metric, _UNCUT)
        for k in [rankings.items.shape[1]] if whole else ks:
            full = name if whole else f"{name}@{k}"
            if hasattr(metric, _AGGREGATE):
                together[full] = _number(name, metric(rankings, k))
            else:
                per_user[full] = _values(name, metric(rankings, k), len(rankings.items))
    return per_user, together


def _values(name: str, returned: object, n_users: int) -> NDArray[np.float64]:
    found = np.asarray(returned)
    if found.shape != (n_users,) or found.dtype.kind not in "fiub":
        raise DataError(
            f"the metric {name!r} must return a number for each of {n_users} users, an array of shape ({n_users},); "
            f"got {found.dtype} of shape {found.shape}"
        )
    return found.astype(np.float64, copy=False)


def _number(name: str, returned: object) -> float:
    found = np.asarray(returned)
    if found.shape != () or found.dtype.kind not in "fiub":
        raise DataError(
            f"the metric {name!r} is of all lists together and must return one number; got {found.dtype} of shape "
            f"{found.shape}"
        )
    return float(found)


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
