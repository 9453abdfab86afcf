"""Statistics by their definitions, as slowly as that takes."""

from __future__ import annotations

import itertools

import numpy as np


def holm(p_values):
    """By closed testing: a hypothesis falls when every set of hypotheses that it belongs to falls by Bonferroni."""
    indices = range(len(p_values))
    sets = [s for size in range(1, len(p_values) + 1) for s in itertools.combinations(indices, size)]
    bonferroni = {s: min(1.0, len(s) * min(p_values[i] for i in s)) for s in sets}
    return [max(bonferroni[s] for s in sets if i in s) for i in indices]


def bootstrap(one, other, *, draws, random):
    """Resampled means of both, user by user."""
    n = len(one)
    means = []
    for _ in range(draws):
        chosen = [int(user) for user in random.integers(n, size=n)]
        means.append((sum(one[u] for u in chosen) / n, sum(other[u] for u in chosen) / n))
    return np.array(means)
