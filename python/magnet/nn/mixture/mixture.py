"""The mixture over scores: roles, a router of a few hundred numbers, and their sum beside the backbone."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Annotated, Literal

import torch
from pydantic import AfterValidator, Field
from torch import Tensor, nn

from magnet.config import Config
from magnet.nn.mixture.gate import OFF, gate_weights
from magnet.nn.mixture.roles import (
    ROLES,
    Cues,
    dominance_share,
    expert_weights,
    experts_over,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["ExpertsConfig", "Mixture", "RouterConfig"]

_MOST = math.log(20.0)


class ExpertsConfig(Config):
    """Experts over scores.

    Attributes:
        roles: Of the experts, in order. Others are added by :func:`magnet.register_role`.
    """

    roles: tuple[Annotated[str, AfterValidator(ROLES.known)], ...] = Field(
        ("dominant", "balanced", "complementary", "null"), min_length=1
    )


class RouterConfig(Config):
    """What decides between the experts, and how sparse that becomes.

    Attributes:
        kind: What it looks at: user and item together (``pair``), one of them (``user``, ``item``), nothing but learnt
            constants (``global``), both with the inputs of other users and items (``shuffled``), or nothing at all
            (``uniform``).
        top_k: Experts that stay after specialisation; 0 keeps all.
        floor: ε, the share that is spread evenly over the experts in training.
    """

    kind: Literal["pair", "user", "item", "global", "shuffled", "uniform"] = "pair"
    top_k: int = Field(3, ge=0, le=1000)
    floor: float = Field(0.02, ge=0, lt=1)


class Mixture(nn.Module):
    r"""``λ Σ_e p_e s_e`` with ``s_e = Σ_c ω_ec ŝ_c`` and ``p = softmax(a_eᵀ φ(u) + b_eᵀ ψ(i) + c_e)``.

    Since an expert is a weighted sum of scores, the weight of each cue for a pair is one number,
    ``w_c = λ Σ_e p_e ω_ec``: what was fused can be read off, and turned by hand.

    Args:
        cues: Their names, behaviour first.
        user_width: Width of φ.
        item_width: Width of ψ.
        experts: Their roles.
        router: What it looks at.
    """

    explained: Tensor

    def __init__(
        self,
        cues: Sequence[str],
        user_width: int,
        item_width: int,
        experts: ExpertsConfig,
        router: RouterConfig,
    ) -> None:
        super().__init__()
        self.router = router
        self.experts = experts_over(cues, experts.roles)
        n_experts = len(self.experts)
        self.dominance = nn.Parameter(torch.zeros(len(cues)))
        self.log_scale = nn.Parameter(torch.zeros(()))
        self.bias = nn.Parameter(torch.zeros(n_experts))
        self.of_user = nn.Parameter(torch.zeros(user_width, n_experts))
        self.of_item = nn.Parameter(torch.zeros(item_width, n_experts))
        self.register_buffer("explained", torch.zeros(len(cues), len(cues)))

    @property
    def weight(self) -> Tensor:
        """λ, above 0 and at most 20, where the backbone has next to no say left."""
        return self.log_scale.clamp(max=_MOST).exp()

    def roles(self) -> Tensor:
        """What each expert takes of each cue, ``(E, C)``."""
        return expert_weights(self.experts, Cues(dominance_share(self.dominance), self.explained))

    def routed(self) -> list[nn.Parameter]:
        """What the kind of router learns."""
        kind = self.router.kind
        if kind == "uniform":
            return []
        learnt = [self.bias]
        if kind in ("pair", "user", "shuffled"):
            learnt.append(self.of_user)
        if kind in ("pair", "item", "shuffled"):
            learnt.append(self.of_item)
        return learnt

    def user_logits(self, inputs: Tensor, there: Tensor) -> Tensor:
        """The users' half of the logits, biases among it, ``(n, E)``; :data:`OFF` where an expert's cue is missing.

        Args:
            inputs: φ, ``(n, F)``.
            there: Which cues the users have, ``(n, C)``, bool.
        """
        return (inputs @ self.of_user + self.bias).masked_fill(~self._on(there), OFF)

    def item_logits(self, inputs: Tensor, there: Tensor) -> Tensor:
        """The items' half of the logits, ``(n, E)``; see :meth:`user_logits`."""
        return (inputs @ self.of_item).masked_fill(~self._on(there), OFF)

    def _on(self, there: Tensor) -> Tensor:
        """Which experts are on, ``(n, E)``: those whose own cues exist."""
        has = [
            there[:, list(e.group)].all(1) if e.group else there.new_ones(len(there)) for e in self.experts
        ]
        return torch.stack(has, 1)

    def forward(self, users: Tensor, items: Tensor, kinds: Tensor, scores: Tensor, *, top_k: int) -> Tensor:
        """Mix the scores of n users' candidates.

        The router sees a few readable numbers of an item, so that many items are alike to it: it decides once for each
        kind of them.

        Args:
            users: The users' half of the logits, ``(n, E)``.
            items: The other half of each kind of item, ``(P, E)``.
            kinds: Of which kind the candidates are, ``(n, L)``, int64.
            scores: Standardised scores of each cue, ``(n, L, C)``.
            top_k: Experts that stay; 0 keeps all.

        Returns:
            λ Σ_e p_e s_e, ``(n, L)``.
        """
        shares = gate_weights(users[:, None] + items, top_k=top_k, floor=self.floor)  # (n, P, E)
        weights = self.weight * (shares @ self.roles())  # (n, P, C), w_c
        # Whole rows of a flat table: half the time of a gather along the middle dimension.
        first = torch.arange(len(kinds), device=kinds.device)[:, None] * weights.shape[1]
        own = weights.flatten(0, 1).index_select(0, (first + kinds).flatten()).view_as(scores)
        return (own * scores).sum(-1)

    @property
    def floor(self) -> float:
        """ε in training, 0 after it."""
        return self.router.floor if self.training else 0.0

    @torch.no_grad()
    def start(self, scale: float) -> None:
        """Begin with all experts alike and this λ."""
        self.log_scale.fill_(math.log(scale))
        for parameter in (self.dominance, self.bias, self.of_user, self.of_item):
            parameter.zero_()
