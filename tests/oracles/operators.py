"""Item–item operators as whole matrices in float64, from their definitions."""

from __future__ import annotations

import numpy as np


def powers(degree, exponent):
    """``degree^exponent``, 0 where the degree is 0."""
    return np.array([float(d) ** exponent if d > 0 else 0.0 for d in degree])


def filter_matrix(history, coefficients, exponent):
    """``D_I^-1/4 · Σ c_l P^l · D_I^β``, ``(I, I)``."""
    r = (np.asarray(history.todense()) != 0).astype(np.float64)
    users, items = r.sum(1), r.sum(0)
    walk = powers(users, -0.5)[:, None] * r * powers(items, -0.5)
    p = walk.T @ walk
    total = sum(c * np.linalg.matrix_power(p, hops) for hops, c in enumerate(coefficients, start=1))
    return powers(items, -0.25)[:, None] * total * powers(items, exponent)
