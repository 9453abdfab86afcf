"""Metrics of accuracy: whether what was held out is found, and how far up. See ``docs/metrics.md``."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

import numpy as np

from magnet.evaluate.metrics import register_metric, uncut

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from magnet.evaluate.rankings import Rankings

__all__ = ["auc", "average_precision", "hit", "mrr", "ndcg", "precision", "recall"]


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


@functools.partial(register_metric, name="map")
def average_precision(r: Rankings, k: int) -> NDArray[np.float64]:
    """The precision at each hit among the first k, summed and divided by the hits that k places can hold."""
    precisions = r.hits[:, :k] * r.n_hits[:, :k] / np.arange(1, k + 1)  # (B, k)
    means: NDArray[np.float64] = precisions.sum(axis=1) / np.minimum(k, r.n_relevant)
    return means


@register_metric
def mrr(r: Rankings, k: int) -> NDArray[np.float64]:
    """One over the place of the first hit among the first k, 0 without one."""
    hits = r.hits[:, :k]
    return np.where(hits.any(axis=1), 1.0 / (1 + hits.argmax(axis=1)), 0.0)


@register_metric
@uncut
def auc(r: Rankings, k: int) -> NDArray[np.float64]:
    """The share of pairs of a relevant and another unseen item that the full ranking has in the right order.

    NaN where a user has no other unseen item.
    """
    del k
    rows = np.repeat(np.arange(len(r.n_relevant)), r.n_relevant)
    others = r.n_unseen - r.n_relevant  # (B,)
    # Of those that cannot be ranked, none comes before any other item.
    places = np.where(r.places < 0, r.n_items, r.places)
    order = np.lexsort((places, rows))
    starts = np.repeat(r.relevant.indptr[:-1].astype(np.int64), r.n_relevant)
    before = places[order] - (np.arange(len(rows)) - starts)  # others before each relevant item, (nnz,)
    wrong = np.bincount(rows, np.minimum(before, others[rows]), minlength=len(others))
    shares = np.full(len(others), np.nan)
    np.divide(wrong, others * r.n_relevant, out=shares, where=others > 0)
    return 1.0 - shares
