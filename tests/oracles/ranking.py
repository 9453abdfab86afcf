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


def rank_row(scores, seen_items, k):
    """Items of the k highest scores: higher first, then lower items; -1 where there are none left."""
    order = sorted(
        (item for item in range(len(scores)) if item not in seen_items and scores[item] > -math.inf),
        key=lambda item: (-scores[item], item),
    )
    return (order + [-1] * k)[:k]
