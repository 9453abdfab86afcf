"""The linear item-item model by its definition, in dense float64."""

from __future__ import annotations

import numpy as np


def local_ridge(train, ridge, support, content=None, content_weight=0.0):
    """One system for each item over the items of largest right-hand side; ties go to the lower item."""
    taken = (train.toarray() != 0).astype(np.float64)
    shared = taken.T @ taken  # (I, I)
    weight = 0.0 if content is None else content_weight
    right = shared.copy()
    if content is not None:
        right += weight * content.toarray().astype(np.float64)
    np.fill_diagonal(right, 0)
    n_items = len(shared)
    system = shared + (ridge + weight) * np.eye(n_items)
    weights = np.zeros((n_items, n_items))
    for j in range(n_items):
        others = np.delete(np.arange(n_items), j)
        if not right[others, j].any():
            continue
        if support < n_items - 1:
            # What is ranked is rounded: sums that differ in float64 only are equal.
            magnitude = np.abs(right[others, j]).astype(np.float32)
            others = others[np.argsort(-magnitude, kind="stable")[:support]]
            others = others[right[others, j] != 0]
        weights[others, j] = np.linalg.solve(system[np.ix_(others, others)], right[others, j])
    return weights


def dense_ease(train, ridge, content=None, content_weight=0.0):
    """EASE and L3AE in closed form over all items."""
    taken = (train.toarray() != 0).astype(np.float64)
    weight = 0.0 if content is None else content_weight
    shared = taken.T @ taken
    inverse = np.linalg.inv(shared + (ridge + weight) * np.eye(len(shared)))
    right = shared if content is None else shared + weight * content.toarray().astype(np.float64)
    free = inverse @ right
    return free - inverse * (np.diag(free) / np.diag(inverse))


def content_regression(features, ridge, present=None):
    """EASE of the features: the inverse over all items, `(I, I)`, not over dimensions."""
    f = features.astype(np.float64)
    if present is not None:
        f = np.where(present[:, None], f, 0)
    inverse = np.linalg.inv(f @ f.T + ridge * np.eye(len(f)))
    weights = -inverse / np.diag(inverse)
    np.fill_diagonal(weights, 0)
    return weights
