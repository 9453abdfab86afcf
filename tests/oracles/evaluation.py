"""Slow, obviously right versions of the metrics, the protocols and the closed form of EASE."""

from __future__ import annotations

import math

import numpy as np


def metrics_of_user(ranked, relevant, k):
    """The four metrics of one user, from a list of items and a set of items, by their definitions."""
    hits = {position for position, item in enumerate(ranked[:k], start=1) if item in relevant}
    ideal = range(1, min(k, len(relevant)) + 1)
    return {
        f"recall@{k}": len(hits) / len(relevant),
        f"ndcg@{k}": math.fsum(1 / math.log2(p + 1) for p in hits)
        / math.fsum(1 / math.log2(p + 1) for p in ideal),
        f"precision@{k}": len(hits) / k,
        f"hit@{k}": float(len(hits) > 0),
    }


def evaluate_by_hand(scores, parts, part, protocol, ks):
    """Evaluate a dense matrix of scores.

    Args:
        scores: ``(U, I)``.
        parts: ``{"train" | "valid" | "test": {user: {item, …}}}``.
        part, protocol, ks: As for ``evaluate``.

    Returns:
        Values by metric and user, and the users whom popularity answered.
    """
    n_users, n_items = scores.shape
    degree = [sum(item in items for items in parts["train"].values()) for item in range(n_items)]
    values, popular = {}, []
    for user in range(n_users):
        relevant = parts[part].get(user, set())
        history = parts["train"].get(user, set())
        if not relevant or (protocol == "mmrec" and not history):
            continue
        masked = set(history)
        if part == "test" and protocol == "strict":
            masked |= parts["valid"].get(user, set())
        score = scores[user]
        if not history:
            score = degree
            popular.append(user)
        open_items = [item for item in range(n_items) if item not in masked]
        ranked = sorted(open_items, key=lambda item: (-score[item], item))
        for k in ks:
            for name, value in metrics_of_user(ranked, relevant, k).items():
                values.setdefault(name, {})[user] = value
    return values, popular


def ease_by_inverse(train, regularization):
    """EASE from the paper's own formula, with an explicit inverse in float64."""
    x = np.asarray(train, dtype=np.float64)
    p = np.linalg.inv(x.T @ x + regularization * np.eye(x.shape[1]))
    return np.eye(x.shape[1]) - p @ np.diag(1 / np.diag(p))


def ease_by_least_squares(train, regularization):
    """EASE column by column: ridge regression of an item on all others, as the constraint means."""
    x = np.asarray(train, dtype=np.float64)
    n_items = x.shape[1]
    weights = np.zeros((n_items, n_items))
    for item in range(n_items):
        others = [other for other in range(n_items) if other != item]
        a = x[:, others]
        gram = a.T @ a + regularization * np.eye(len(others))
        weights[others, item] = np.linalg.solve(gram, a.T @ x[:, item])
    return weights
