"""The gate: from logits to weights of experts, and sums over pairs of what was decided."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

__all__ = [
    "LOAD_TOP",
    "OFF",
    "Routing",
    "RoutingSums",
    "gate",
    "gate_weights",
    "is_off",
    "log_experts",
    "summarise",
]

# The logit of an expert that is off: a true minus infinity turns 0 · ∞ into NaN in the backward pass.
OFF = -1e30
# An expert's hard load is the share of pairs that have it among this many of their highest weights.
LOAD_TOP = 3


class Routing(NamedTuple):
    """What the router decided for some pairs."""

    weights: Tensor  # (..., E), after the top k; rows sum to 1, or to 0 where every expert is off
    dense: Tensor  # (..., E), before the top k
    entropy: Tensor  # (...), of ``dense``; 0 = one expert, 1 = all alike


class RoutingSums(NamedTuple):
    """Sums over pairs from which an epoch's routing statistics are made; sums add over batches and ranks."""

    pairs: Tensor  # ()
    entropy: Tensor  # ()
    weights: Tensor  # (E,)
    loads: Tensor  # (E,), pairs that have the expert in their top three, ties shared
    even: Tensor  # (E,), what a router would give that weighs all experts alike that are on
    even_entropy: Tensor  # (), of those weights


def is_off(logits: Tensor) -> Tensor:
    """Which experts are off, by their logits or by the biases of one side: sums of :data:`OFF` and what is added."""
    return logits < OFF / 2


def gate(logits: Tensor, *, top_k: int, floor: float) -> Routing:
    """Turn logits into weights.

    ``p = (1 − ε) softmax(r) + ε / n`` over the n experts that are on, then the top k (ties by expert order), then
    renormalised. Where none is on, all weights are zero.

    Args:
        logits: ``(..., E)``.
        top_k: Experts to keep; 0 keeps all.
        floor: ε.
    """
    dense = _dense(logits, floor)
    entropy = -torch.xlogy(dense, dense.clamp(min=1e-20)).sum(-1) / log_experts(dense)
    return Routing(_kept(dense, top_k), dense, entropy)


def gate_weights(logits: Tensor, *, top_k: int, floor: float) -> Tensor:
    """The weights of :func:`gate` alone: all that scores of many candidates take."""
    return _kept(_dense(logits, floor), top_k)


def _dense(logits: Tensor, floor: float) -> Tensor:
    off = is_off(logits)
    dense = torch.softmax(logits, -1).masked_fill(off, 0.0)
    if floor:
        on = ~off
        dense = (1 - floor) * dense + floor * on / on.sum(-1, keepdim=True).clamp(min=1)
    return dense


def _kept(dense: Tensor, top_k: int) -> Tensor:
    if top_k == 0 or top_k >= dense.shape[-1]:
        return dense
    # A stable sort keeps expert order among equals, which topk does not promise.
    order = dense.detach().sort(dim=-1, descending=True, stable=True).indices[..., :top_k]
    kept = torch.zeros_like(dense).scatter(-1, order, 1.0) * dense
    return kept / kept.sum(-1, keepdim=True).clamp(min=1e-20)


def log_experts(weights: Tensor) -> Tensor:
    """The largest entropy of weights ``(..., E)``, log E, on their device; log 2 for a single expert."""
    return weights.new_full((), max(2, weights.shape[-1])).log()


@torch.no_grad()
def summarise(routing: Routing) -> RoutingSums:
    """Sum one batch of pairs ``(B, E)`` for the epoch's statistics."""
    p = routing.dense
    bar = p.topk(min(LOAD_TOP, p.shape[-1]), -1).values[..., -1:]
    above, level = (p > bar).float(), ((p == bar) & (p > 0)).float()
    # Where fewer experts are on than there are places, each of them has one.
    places = (p > 0).sum(-1, keepdim=True).clamp(max=LOAD_TOP)
    loads = above + level * (places - above.sum(-1, keepdim=True)) / level.sum(-1, keepdim=True).clamp(min=1)
    on = (p > 0).to(p.dtype)
    count = on.sum(-1, keepdim=True).clamp(min=1)
    return RoutingSums(
        pairs=p.new_full((), len(p)),
        entropy=routing.entropy.sum(),
        weights=p.sum(0),
        loads=loads.sum(0),
        even=(on / count).sum(0),
        even_entropy=(count.log() / log_experts(p)).sum(),
    )
