"""Metrics beyond accuracy: what lists are like, whatever is found in them. See ``docs/metrics.md``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.sparse import csr_array

from magnet.errors import DataError
from magnet.evaluate.groups import head_items, popularity_bands
from magnet.evaluate.metrics import aggregate, register_metric

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from magnet.evaluate.rankings import Rankings

__all__ = ["calibration", "coverage", "diversity", "gini", "novelty", "tail"]

_MIX = 0.01
"""How much of the history is mixed into the distribution of the list, so that its divergence is finite."""

_BLOCK = 1 << 21
"""Numbers in memory at a time."""


@register_metric
def novelty(r: Rankings, k: int) -> NDArray[np.float64]:
    """Mean self-information of the first k, in bits; NaN for an empty list.

    −log₂ of the share of training users who took the item; one that nobody took counts as if one had.
    """
    share = np.maximum(r.popularity, 1) / max(1, r.n_trained)
    return _mean_over_list(r, k, -np.log2(share))


@register_metric
def tail(r: Rankings, k: int) -> NDArray[np.float64]:
    """The share of the first k that are not of the head, the most popular fifth of the items; NaN for an empty list."""
    return _mean_over_list(r, k, ~head_items(r.popularity))


@register_metric
def diversity(r: Rankings, k: int) -> NDArray[np.float64]:
    """1 − cosine of the content of two items of the first k, averaged over all pairs, and over the modalities.

    NaN where no modality has two of the items.
    """
    if not r.content:
        raise DataError(
            "the metric 'diversity' compares what items look or read like, and the data have no modality"
        )
    of_each = np.stack([_unlike(r.items[:, :k], rows) for rows in r.content.values()])  # (M, B)
    known = ~np.isnan(of_each)
    total, count = np.where(known, of_each, 0.0).sum(axis=0), known.sum(axis=0)
    return _divided(total, count)


@register_metric
def calibration(r: Rankings, k: int) -> NDArray[np.float64]:
    """How far the first k are from the history in their bands of popularity, a divergence in nats; 0 is best.

    Kullback-Leibler divergence of the history from the list (Steck, *Calibrated Recommendations*, RecSys 2018,
    α = .01) over the bands of :func:`magnet.evaluate.groups.popularity_bands`, as data have no categories of items.
    NaN for users without history and for an empty list.
    """
    bands = popularity_bands(r.popularity)
    member = np.eye(3)[bands]  # (I, 3)
    history = csr_array((np.ones(r.history.nnz), r.history.indices, r.history.indptr), shape=r.history.shape)
    p = _shares(np.asarray(history @ member))
    listed = r.items[:, :k]
    counts = [((bands[listed] == band) & (listed >= 0)).sum(axis=1) for band in range(3)]
    q = (1 - _MIX) * _shares(np.stack(counts, axis=1).astype(np.float64)) + _MIX * p
    # A band that the history lacks adds nothing.
    terms = np.where(p == 0, 0.0, p * np.log(np.divide(p, q, out=np.ones_like(p), where=p > 0)))
    return np.where(np.isnan(p + q).any(axis=1), np.nan, np.maximum(terms.sum(axis=1), 0.0))


@register_metric
@aggregate
def coverage(r: Rankings, k: int) -> float:
    """The share of the catalogue that stands among somebody's first k."""
    return np.count_nonzero(_exposure(r, k)) / r.n_items


@register_metric
@aggregate
def gini(r: Rankings, k: int) -> float:
    """Gini coefficient of how often each item of the catalogue stands among somebody's first k.

    0 where all stand there equally often, 1 − 1 / I where only one ever does.
    """
    shown = np.sort(_exposure(r, k))
    weights = 2 * np.arange(1, r.n_items + 1) - r.n_items - 1
    total = int(shown.sum())
    return float((weights * shown).sum()) / (r.n_items * total) if total else float("nan")


def _exposure(r: Rankings, k: int) -> NDArray[np.int64]:
    listed = r.items[:, :k]
    return np.bincount(listed[listed >= 0], minlength=r.n_items).astype(np.int64)


def _mean_over_list(r: Rankings, k: int, values: NDArray[Any]) -> NDArray[np.float64]:
    """The mean of values of items, ``(I,)``, over the first k of each list."""
    ranked = r.ranked[:, :k]
    total = np.where(ranked, values[r.items[:, :k]], 0.0).sum(axis=1)
    return _divided(total, ranked.sum(axis=1))


def _divided(total: NDArray[Any], count: NDArray[Any]) -> NDArray[np.float64]:
    """The quotient, NaN where the divisor is 0."""
    out = np.full(total.shape, np.nan)
    np.divide(total, count, out=out, where=count > 0)
    return out


def _shares(counts: NDArray[np.float64]) -> NDArray[np.float64]:
    return _divided(counts, np.broadcast_to(counts.sum(axis=1, keepdims=True), counts.shape))


def _unlike(items: NDArray[np.integer[Any]], content: NDArray[np.float32]) -> NDArray[np.float64]:
    """Mean of 1 − cosine over the pairs of each list that have content, ``(B,)``.

    The cosines of all pairs are (‖sum of the n unit rows‖² − n) / 2: no pair is looked at by itself.
    """
    known = np.any(content != 0, axis=1)
    out = np.full(len(items), np.nan)
    step = max(1, _BLOCK // max(1, content.shape[1]))
    for start in range(0, len(items), step):
        listed = items[start : start + step]
        kept = (listed >= 0) & known[listed]
        n = kept.sum(axis=1)  # (b,)
        ends = np.concatenate([[0], np.cumsum(n)])
        chosen = csr_array((np.ones(ends[-1], np.float32), listed[kept], ends), shape=(len(n), len(content)))
        sums = (chosen @ content).astype(np.float64)  # (b, d)
        pairs = n * (n - 1) / 2
        cosines = (np.einsum("bd,bd->b", sums, sums) - n) / 2
        np.divide(pairs - cosines, pairs, out=out[start : start + step], where=pairs > 0)
    return out
