"""The router: how much each expert counts for a user and an item together."""

from __future__ import annotations

from typing import Literal, NamedTuple

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn

from magnet.config import Config
from magnet.nn.ops.experts import paired_logits

__all__ = [
    "LOAD_TOP",
    "OFF",
    "Router",
    "RouterConfig",
    "Routing",
    "RoutingSums",
    "Side",
    "cross",
    "folded",
    "gate",
    "indifferent",
    "is_off",
    "log_experts",
    "paired",
    "router_inputs",
    "summarise",
]

# The logit of an expert that is off: a true minus infinity turns 0 · ∞ into NaN in the backward pass.
OFF = -1e30
# An expert's hard load is the share of pairs that have it among this many of their highest weights.
LOAD_TOP = 3


class RouterConfig(Config):
    """What the router sees and how sparse it becomes.

    Attributes:
        kind: ``pair`` looks at user and item; ``user`` at the user alone; ``noise`` at fixed random inputs; ``uniform``
            weighs all experts alike and learns nothing. The last three are controls.
        rank: Width of the bilinear form.
        temperature: Divides the logits.
        floor: ε, the share that is spread evenly over the experts in training.
        top_k: Experts that stay after specialisation; 0 keeps all.
    """

    kind: Literal["pair", "user", "noise", "uniform"] = "pair"
    rank: int = Field(16, ge=1, le=256)
    temperature: float = Field(1.0, gt=0)
    floor: float = Field(0.02, ge=0, lt=1)
    top_k: int = Field(3, ge=0)


class Side(NamedTuple):
    """One side of the bilinear form for n users or items."""

    rows: Tensor  # (n, E · R + E): a vector for each expert, and after them a bias for each
    on: Tensor  # (n, E), bool: experts whose cue exists

    @property
    def vectors(self) -> Tensor:
        """``(n, E, R)``."""
        n_experts = self.on.shape[1]
        return self.rows[:, :-n_experts].reshape(len(self.rows), n_experts, -1)

    @property
    def bias(self) -> Tensor:
        """``(n, E)``; :data:`OFF` where the expert's cue is missing."""
        return self.rows[:, -self.on.shape[1] :].masked_fill(~self.on, OFF)


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


class Router(nn.Module):
    """Bilinear logits ``r_e = (⟨q_e(u), k_e(i)⟩ + a_e(u) + b_e(i)) / T``.

    The maps to ``q``, ``a`` and ``b`` start at zero and ``k`` at random: the router starts indifferent, and still every
    part has a gradient from the second step on (with ``q`` and ``k`` both zero neither would ever move).

    Args:
        n_experts: Number of experts E.
        user_width: Width of a user's inputs.
        item_width: Width of an item's inputs.
        config: Rank and temperature.
    """

    def __init__(self, n_experts: int, user_width: int, item_width: int, config: RouterConfig) -> None:
        super().__init__()
        self.config = config
        self.n_experts = n_experts
        self.query = nn.Linear(user_width, n_experts * config.rank)
        self.key = nn.Linear(item_width, n_experts * config.rank)
        self.user_bias = nn.Linear(user_width, n_experts)
        self.item_bias = nn.Linear(item_width, n_experts)
        for layer in (self.query, self.user_bias, self.item_bias):
            nn.init.zeros_(layer.weight)
            nn.init.zeros_(layer.bias)
        nn.init.normal_(self.key.weight, std=0.25)
        nn.init.zeros_(self.key.bias)

    def users(self, inputs: Tensor, on: Tensor) -> Side:
        """The users' side: inputs ``(n, width)``, and which experts are on, ``(n, E)``."""
        return self._side(self.query, self.user_bias, inputs, on)

    def items(self, inputs: Tensor, on: Tensor) -> Side:
        """The items' side: inputs ``(n, width)``, and which experts are on, ``(n, E)``."""
        return self._side(self.key, self.item_bias, inputs, on)

    def _side(self, vectors: nn.Linear, bias: nn.Linear, inputs: Tensor, on: Tensor) -> Side:
        # Each side takes half of 1/T of the product and all of it of its own bias.
        scale = self.config.temperature**-0.5
        weight = torch.cat([vectors.weight * scale, bias.weight * scale**2])
        return Side(F.linear(inputs, weight, torch.cat([vectors.bias * scale, bias.bias * scale**2])), on)


def is_off(logits: Tensor) -> Tensor:
    """Which experts are off, by their logits or by the biases of one side: sums of :data:`OFF` and what is added."""
    return logits < OFF / 2


def paired(user: Side, item: Side, pairs: Tensor) -> Tensor:
    """Logits of given pairs.

    Args:
        user: B users.
        item: n items.
        pairs: The items that each user is paired with, ``(B, P)``, int64.

    Returns:
        ``(B, P, E)``.
    """
    on = user.on[:, None] & item.on[pairs]
    return paired_logits(user.rows, item.rows, pairs, on.shape[-1]).masked_fill(~on, OFF)


def cross(user: Side, item: Side) -> Tensor:
    """Logits of every user with every item: ``(B, N, E)``."""
    product = torch.einsum("ber,ner->bne", user.vectors, item.vectors)
    return product + user.bias[:, None] + item.bias[None]


def gate(logits: Tensor, *, top_k: int, floor: float) -> Routing:
    """Turn logits into weights.

    ``p = (1 − ε) softmax(r) + ε / n`` over the n experts that are on, then the top k (ties by expert order), then
    renormalised. Where none is on, all weights are zero.

    Args:
        logits: ``(..., E)``.
        top_k: Experts to keep; 0 keeps all.
        floor: ε.
    """
    n_experts = logits.shape[-1]
    on = ~is_off(logits)
    count = on.sum(-1, keepdim=True).clamp(min=1)
    dense = torch.softmax(logits, -1) * on
    if floor:
        dense = (1 - floor) * dense + floor * on / count
    entropy = -torch.xlogy(dense, dense.clamp(min=1e-20)).sum(-1) / log_experts(dense)
    if top_k == 0 or top_k >= n_experts:
        return Routing(dense, dense, entropy)
    # A stable sort keeps expert order among equals, which topk does not promise.
    order = dense.detach().sort(dim=-1, descending=True, stable=True).indices[..., :top_k]
    kept = torch.zeros_like(dense).scatter(-1, order, 1.0) * dense
    return Routing(kept / kept.sum(-1, keepdim=True).clamp(min=1e-20), dense, entropy)


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


def router_inputs(
    embeddings: Tensor, cues: Tensor, present: Tensor, degree: Tensor, *, left_out: Tensor | int
) -> Tensor:
    """The router's inputs of n users or items, ``(n, width)``; no gradient passes through them.

    Args:
        embeddings: ``(n, D)``.
        cues: Content cues, ``(M, n, D)``.
        present: Which of them exist, ``(M, n)``, bool.
        degree: Training interactions, ``(n,)``.
        left_out: How many of these do not count: 1 where the pair's own edge is among them.
    """
    embeddings, cues = embeddings.detach(), cues.detach()
    known = (degree > 0).float()[:, None]  # an embedding without interactions is noise
    # Divided by 3, log-degrees have about the scale of the other inputs.
    log_degree = torch.log1p((degree - left_out).clamp(min=0))[:, None] / 3
    return torch.cat([embeddings * known, *cues, present.T.float(), log_degree], 1)


def indifferent(side: Side) -> Side:
    """A side whose logits are 0 and which keeps only which experts are on."""
    return Side(torch.zeros_like(side.rows), side.on)


def folded(side: Side, *, bias_first: bool) -> Tensor:
    """Append the biases as two columns, so that one product gives the logit: ``(n, E, R + 2)``."""
    bias = side.bias.masked_fill(is_off(side.bias), -torch.inf)[..., None]
    one = torch.ones_like(bias)
    return torch.cat([side.vectors, *((bias, one) if bias_first else (one, bias))], -1).contiguous()
