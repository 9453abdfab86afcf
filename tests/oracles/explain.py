"""Slow, obviously right versions of routing, its statistics, nearness and recovery: loops over pairs."""

from __future__ import annotations

import math

import numpy as np

from oracles.blend import blend


def dot(a, b):
    return math.fsum(float(x) * float(y) for x, y in zip(a, b, strict=True))


def route(state, user, item):
    """Weights of one pair by name: dense, after the top k, and places among the top three."""
    logits = {
        name: float(state.user_logits[user, e]) + float(state.item_logits[item, e])
        for e, name in enumerate(state.experts)
    }
    on = [name for name in state.experts if logits[name] > -math.inf]
    if not on:
        zero = dict.fromkeys(state.experts, 0.0)
        return zero, dict(zero), dict(zero)
    total = math.fsum(math.exp(logits[name]) for name in on)
    dense = {name: math.exp(logits[name]) / total if name in on else 0.0 for name in state.experts}
    best = sorted(on, key=lambda name: (-logits[name], state.experts.index(name)))
    kept = best[: state.top_experts]
    share = math.fsum(dense[name] for name in kept)
    used = {name: dense[name] / share if name in kept else 0.0 for name in state.experts}
    loads = dict.fromkeys(state.experts, 0.0)
    places = min(3, len(state.experts))
    for name in on:
        better = sum(logits[other] > logits[name] for other in on)
        equal = sum(logits[other] == logits[name] for other in on)
        loads[name] = min(1.0, max(0.0, (places - better) / equal))
    return dense, used, loads


def entropy(shares):
    """As a share of the largest there is."""
    values = list(shares)
    return -math.fsum(p * math.log(p) for p in values if p > 0) / math.log(max(2, len(values)))


def routing_statistics(state, pairs):
    """The statistics of some pairs, pair by pair."""
    routed = [route(state, user, item) for user, item in pairs]
    routed = [r for r in routed if any(r[0].values())]
    n = len(routed)
    mean = [{name: math.fsum(r[k][name] for r in routed) / n for name in state.experts} for k in range(3)]
    places = math.fsum(mean[2].values())
    loads = {name: value / places for name, value in mean[2].items()}
    return {
        "n_pairs": n,
        "pair_entropy": math.fsum(entropy(r[0].values()) for r in routed) / n,
        "marginal_entropy": entropy(mean[0].values()),
        "load_entropy": entropy(loads.values()),
        "dense": list(mean[0].values()),
        "weights": list(mean[1].values()),
        "loads": list(loads.values()),
    }


def mixture_score(state, user, item):
    """The score of one pair in its parts: backbone, and what each expert adds."""
    rows = [user], slice(None)
    base, cues = (part.astype(np.float64) for part in state.raw(np.array([user], np.int32)))
    logits = state.user_logits.numpy()[rows], state.item_logits.numpy()
    _, base, cues, _, kept, _ = blend(
        base, cues, *logits, state.roles.numpy(), state.weight, state.top_experts, state.compress
    )
    said = state.roles.double().numpy() @ cues[:, 0, item]  # (E,)
    added = state.weight * kept[0, item] * said
    return base[0, item], dict(zip(state.experts, added.tolist(), strict=True))


def nearest(rows, history, item, k):
    """The k items of a history with the largest cosine to an item; none if its own row is zero."""
    norm = {i: math.sqrt(dot(rows[i], rows[i])) for i in [*history, item]}
    if norm[item] == 0:
        return []
    cosines = {i: dot(rows[i], rows[item]) for i in history if i != item and norm[i] > 0}
    return sorted(cosines.items(), key=lambda pair: (-pair[1], pair[0]))[:k]


def name_cues(scores, users, cues):
    """The cue that each user's scores depend on most, and the order of all; ``{cue or None: [score, …]}``."""
    named, order = {}, {}
    for user in sorted(set(users)):
        own = [n for n, other in enumerate(users) if other == user]
        effect = {
            cue: math.fsum(abs(scores[cue][n] - scores[None][n]) for n in own) / len(own) for cue in cues
        }
        order[user] = sorted(cues, key=lambda cue: (-effect[cue], cues.index(cue)))
        named[user] = order[user][0] if max(effect.values()) > 0 else None
    return named, order
