"""Slow and obviously right: negatives, propagation and ranking in plain Python and float64."""

from __future__ import annotations

import math

import numpy as np


def propagate_mean(matrix, x, layers):
    """The mean of A^l x, layer by layer, in float64."""
    dense = np.asarray(matrix.todense(), dtype=np.float64)
    powers = [np.asarray(x, dtype=np.float64)]
    for _ in range(layers):
        powers.append(dense @ powers[-1])
    return sum(powers) / len(powers)


def negative_probabilities(seen_items, weights, pool):
    """How probable each item is as the negative of a user, by definition."""
    probabilities = np.zeros(len(weights))
    for item in pool:
        if item not in seen_items:
            probabilities[item] = weights[item]
    return probabilities / probabilities.sum()


def mixture_score(state, user, item):
    """The score of one pair, from its definition."""
    base = _dot(state.users[user], state.items[item])
    logits = [_dot(u, i) for u, i in zip(state.user_keys[user], state.item_keys[item], strict=True)]
    values = [_dot(u, i) for u, i in zip(state.user_towers[user], state.item_towers[item], strict=True)]
    on = [e for e, logit in enumerate(logits) if logit > -math.inf]
    best = sorted(on, key=lambda e: (-logits[e], e))[: state.top_experts]
    if not best:
        return base
    p = {e: math.exp(logits[e] - logits[best[0]]) for e in best}
    return base + state.weight * sum(p[e] * values[e] for e in best) / sum(p.values())


def rank_row(scores, seen_items, k):
    """Items of the k highest scores: higher first, then lower items; -1 where there are none left."""
    order = sorted(
        (item for item in range(len(scores)) if item not in seen_items and scores[item] > -math.inf),
        key=lambda item: (-scores[item], item),
    )
    return (order + [-1] * k)[:k]


def _dot(a, b):
    return float(sum(float(x) * float(y) for x, y in zip(a, b, strict=True)))
