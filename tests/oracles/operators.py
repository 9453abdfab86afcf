"""Item–item operators as whole matrices in float64, from their definitions."""

from __future__ import annotations

import numpy as np


def powers(degree, exponent):
    """``degree^exponent``, 0 where the degree is 0."""
    return np.array([float(d) ** exponent if d > 0 else 0.0 for d in degree])


def filter_matrix(history, coefficients, exponent):
    """``D_I^-1/4 · Σ c_l P^l · D_I^β``, ``(I, I)``."""
    p, items = shared_walk(history)
    total = sum(c * np.linalg.matrix_power(p, hops) for hops, c in enumerate(coefficients, start=1))
    return powers(items, -0.25)[:, None] * total * powers(items, exponent)


def shared_walk(history):
    """``P = R̃ᵀR̃`` and the items' degrees."""
    r = (np.asarray(history.todense()) != 0).astype(np.float64)
    users, items = r.sum(1), r.sum(0)
    walk = powers(users, -0.5)[:, None] * r * powers(items, -0.5)
    return walk.T @ walk, items


def spectral_matrix(history, response, exponent, rank, weight, vectors_exponent):
    """``D^-a h(P) D^a + w D^-b V Vᵀ D^b`` from all eigenvectors, ``response`` being h on eigenvalues."""
    p, items = shared_walk(history)
    values, vectors = np.linalg.eigh(p)
    series = (vectors * response(values)) @ vectors.T
    low = vectors[:, ::-1][:, :rank]
    a, b = (powers(items, e) for e in (exponent, vectors_exponent))
    back_a, back_b = (powers(items, -e) for e in (exponent, vectors_exponent))
    return back_a[:, None] * series * a + weight * back_b[:, None] * (low @ low.T) * b
