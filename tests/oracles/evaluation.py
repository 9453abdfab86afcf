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


def more_metrics_of_user(ranked, relevant, k):
    """Average precision and reciprocal rank, by their definitions."""
    hits = [position for position, item in enumerate(ranked[:k], start=1) if item in relevant]
    precisions = [(place + 1) / position for place, position in enumerate(hits)]
    return {
        f"map@{k}": math.fsum(precisions) / min(k, len(relevant)),
        f"mrr@{k}": 1 / hits[0] if hits else 0.0,
    }


def auc_by_pairs(order, relevant):
    """The share of pairs in the right order, pair by pair; NaN where there is none.

    Args:
        order: All unseen items, best first; those that cannot be ranked are left out and lose every pair.
        relevant: The items to be found.
    """
    ranked, unseen = order
    others = unseen - relevant
    place = {item: position for position, item in enumerate(ranked)}
    right = [
        item in place and place[item] < place.get(other, math.inf) for item in relevant for other in others
    ]
    return sum(right) / len(right) if right else math.nan


def beyond_by_hand(lists, train, n_users, n_items, content, k):
    """What lists are like, item by item and pair by pair.

    Args:
        lists: Items of each user, best first.
        train: Sets of training items by user, for the same users and others.
        content: By modality, rows as lists of numbers, zeros where missing.

    Returns:
        By metric: values of each user, NaN where none is defined, or one number.
    """
    degree = [sum(item in items for items in train.values()) for item in range(n_items)]
    trained = sum(bool(items) for items in train.values())
    order = sorted(range(n_items), key=lambda item: (-degree[item], item))
    head = set(order[: round(0.2 * n_items)])
    band, before = {}, 0
    for item in order:
        band[item] = "head" if before < sum(degree) / 5 else "mid" if before < 4 * sum(degree) / 5 else "tail"
        before += degree[item]

    def mean(values):
        values = [value for value in values if not math.isnan(value)]
        return math.fsum(values) / len(values) if values else math.nan

    def cosine(a, b):
        return float(np.dot(a, b) / np.linalg.norm(a) / np.linalg.norm(b))

    def shares(items):
        return {
            name: sum(band[item] == name for item in items) / len(items) for name in ("head", "mid", "tail")
        }

    found = {name: [] for name in ("novelty", "tail", "diversity", "calibration")}
    for user, ranked in lists.items():
        top = ranked[:k]
        found["novelty"].append(mean(-math.log2(max(degree[item], 1) / trained) for item in top))
        found["tail"].append(mean(float(item not in head) for item in top))
        found["diversity"].append(
            mean(
                mean(
                    1 - cosine(rows[a], rows[b])
                    for place, a in enumerate(top)
                    for b in top[place + 1 :]
                    if any(rows[a]) and any(rows[b])
                )
                for rows in content.values()
            )
        )
        history = train.get(user, set())
        if not top or not history:
            found["calibration"].append(math.nan)
            continue
        p, q = shares(history), shares(top)
        found["calibration"].append(
            math.fsum(
                p[name] * math.log(p[name] / (0.99 * q[name] + 0.01 * p[name])) for name in p if p[name]
            )
        )
    shown = [sum(item in ranked[:k] for ranked in lists.values()) for item in range(n_items)]
    found["coverage"] = sum(times > 0 for times in shown) / n_items
    # Half the mean difference of two items, relative to the mean.
    apart = math.fsum(abs(a - b) for a in shown for b in shown) / n_items**2
    found["gini"] = apart / (2 * sum(shown) / n_items)
    return found
