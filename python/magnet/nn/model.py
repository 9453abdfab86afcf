"""The wiring of MAGNET: encoders, experts and router over tensors and graphs."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import torch
from pydantic import Field
from torch import Tensor, nn

from magnet.config import Config
from magnet.nn.behaviour import BehaviourConfig, BehaviourEncoder
from magnet.nn.content import Content, ContentConfig, ContentEncoder, profiles
from magnet.nn.experts import Cues, Experts, ExpertsConfig
from magnet.nn.parts import part
from magnet.nn.router import Router, RouterConfig, Routing, Side, cross, gate, paired
from magnet.nn.rows import take_rows
from magnet.nn.states import MixtureState
from magnet.seeds import torch_generator

if TYPE_CHECKING:
    from magnet.nn.propagate import Graph

__all__ = ["Inputs", "MagnetModel", "Mixture", "ModelConfig"]


class ModelConfig(Config):
    """The network.

    Attributes:
        dim: Width D of embeddings and cues.
        mixture: Whether the experts take part at all; without them the backbone alone answers.
        mixture_weight: λ_mix, the weight of the experts' score beside the backbone's.
        behaviour: Propagation and views.
        content: Content cues.
        experts: Roles and towers.
        router: What the router sees.
    """

    dim: int = Field(64, ge=1, le=1024)
    mixture: bool = True
    mixture_weight: float = Field(0.3, ge=0)
    behaviour: BehaviourConfig = BehaviourConfig()
    content: ContentConfig = ContentConfig()
    experts: ExpertsConfig = ExpertsConfig()
    router: RouterConfig = RouterConfig()


class Inputs(NamedTuple):
    """What is known before training and never changes."""

    features: list[Tensor]  # (I, d_m) each, L2-normalised
    present: Tensor  # (I, M), bool
    user_degree: Tensor  # (U,), float
    item_degree: Tensor  # (I,), float
    interactions: Graph  # (U, I), training, ones
    content_graphs: list[Graph]  # (I, I) each, normalised


class Mixture(NamedTuple):
    """The experts' part of a batch's scores, and how it came about."""

    positive: Tensor  # (B,)
    negative: Tensor  # (B,), or (B, N) for shared negatives
    routing: Routing  # of the positives
    logits: Tensor  # (B, E), of the positives
    content: Content


class MagnetModel(nn.Module):
    """``score(u, i) = ⟨Z_u, Z_i⟩ + λ_mix Σ_e p_e(u, i) ⟨h_e(u), h_e(i)⟩`` (MAGNET, arXiv 2602.20723).

    Args:
        n_users: Number of users U.
        n_items: Number of items I.
        modalities: Name and width of each modality's features.
        config: The network.
        seed: Of the noise that the ``noise`` control feeds to its router.
    """

    def __init__(
        self, n_users: int, n_items: int, modalities: dict[str, int], config: ModelConfig, *, seed: int = 0
    ) -> None:
        super().__init__()
        self.config = config
        self.n_users, self.n_items = n_users, n_items
        self.modalities = list(modalities)
        dim, n_modalities = config.dim, len(modalities)
        self.behaviour = BehaviourEncoder(n_users, n_items, dim, config.behaviour)
        self.content = ContentEncoder(list(modalities.values()), dim, config.content)
        self.experts = Experts(["behaviour", *modalities], dim, config.experts)
        width = dim * (1 + n_modalities) + n_modalities + 1
        self.router = Router(len(self.experts.templates), width, width, config.router)
        if config.router.kind == "noise":
            noise = torch.randn(n_users + n_items, width, generator=torch_generator(seed, "router noise"))
            self.register_buffer("noise", noise * (1 + n_modalities) ** 0.5 / width**0.5)
            self.noise: Tensor

    @property
    def expert_names(self) -> list[str]:
        """Role and cues of each expert, in order."""
        return [template.name for template in self.experts.templates]

    def encode_content(self, inputs: Inputs) -> Content:
        """Content cues of all items."""
        embeddings = self.behaviour.embeddings[self.n_users :]
        with part("content cues"):
            content: Content = self.content(
                inputs.features, inputs.present, embeddings, inputs.content_graphs
            )
        return content

    def forward(
        self,
        z: Tensor,
        inputs: Inputs,
        users: Tensor,
        positives: Tensor,
        negatives: Tensor,
        *,
        shared: bool,
        top_k: int,
    ) -> Mixture:
        """Score a batch by the experts.

        Args:
            z: Behaviour of users and items, ``(U + I, D)``.
            inputs: What never changes.
            users: ``(B,)``.
            positives: A training item of each user, ``(B,)``; it is left out of the profile and the degrees.
            negatives: One item of each user ``(B,)``; or, if ``shared``, items for all users alike ``(N,)``.
            shared: Which of the two.
            top_k: Experts to keep; 0 keeps all.
        """
        content = self.encode_content(inputs)
        with part("profiles"):
            history = self.content.histories(content, inputs.interactions.rows(users))
            profile, has = profiles(history, content, without=positives)
        with part("experts"):
            # Each distinct item passes through the experts once, and users beside them.
            ids, place = torch.unique(torch.cat([positives, negatives]), return_inverse=True)
            at_positive, at_negative = place[: len(users)], place[len(users) :]
            cues = self._cues(
                take_rows(z, torch.cat([users, self.n_users + ids])),
                torch.cat([inputs.user_degree[users], inputs.item_degree[ids]]),
                torch.cat([profile, take_rows(content.smoothed, ids)]),
                torch.cat([has, content.present[ids]]),
            )
            mixes = self.experts.mixes(cues)
            on_user, on_item = mixes.on[: len(users)], mixes.on[len(users) :]  # (B, E), (n, E)

        with part("router"):
            user_side = self._user_side(users, inputs, profile, has, on_user, left_out=1)
            positive_side = self._item_side(positives, inputs, content, on_item[at_positive], left_out=1)
            negative_side = self._item_side(negatives, inputs, content, on_item[at_negative])
            floor = self.config.router.floor if self.training else 0.0
            logits = paired(user_side, positive_side)  # (B, E)
            routing = self.route(logits, top_k=top_k, floor=floor)
            others = (cross if shared else paired)(user_side, negative_side)  # (B, N, E) or (B, E)
            other = self.route(others, top_k=top_k, floor=floor)
        if shared:
            scores = self.experts.products(mixes, at_positive[:, None])[:, 0]
            towers = self.experts.towers(mixes)  # (B + n, E, D)
            drawn = take_rows(towers[len(users) :], at_negative)  # (N, E, D)
            other_scores = torch.einsum("bed,ned->bne", towers[: len(users)], drawn)
        else:
            both = self.experts.products(mixes, torch.stack([at_positive, at_negative], 1))
            scores, other_scores = both.unbind(1)
        return Mixture(
            (routing.weights * scores).sum(-1),
            (other.weights * other_scores).sum(-1),
            routing,
            logits,
            content,
        )

    def route(self, logits: Tensor, *, top_k: int, floor: float) -> Routing:
        """Weights of the experts; the uniform control ignores what the router says but not which experts are on."""
        if self.config.router.kind == "uniform":
            return gate(logits.detach().clamp(max=0.0) * (logits < -1e20), top_k=0, floor=0.0)
        return gate(logits, top_k=top_k, floor=floor)

    def _cues(self, behaviour: Tensor, degree: Tensor, content: Tensor, present: Tensor) -> Cues:
        """Projected cues of some users or items: ``(n, D)``, ``(n,)``, ``(n, M, D)`` and ``(n, M)``."""
        values = torch.cat([behaviour[:, None], content], 1)  # (n, C, D)
        return self.experts.project(
            Cues(values.transpose(0, 1), torch.cat([degree[:, None] > 0, present], 1).T)
        )

    @torch.no_grad()
    def refresh(self, z: Tensor, inputs: Inputs) -> None:
        """Refit what each cue explains of the others; once an epoch."""
        content = self.encode_content(inputs)
        self.experts.refresh(
            self._cues(z[self.n_users :], inputs.item_degree, content.smoothed, content.present)
        )

    def _user_side(
        self, users: Tensor, inputs: Inputs, profile: Tensor, has: Tensor, on: Tensor, *, left_out: int = 0
    ) -> Side:
        if self.config.router.kind == "noise":
            return self.router.users(self.noise[users], on)
        row = _router_inputs(
            self.behaviour.embeddings[users], profile, has, inputs.user_degree[users], left_out=left_out
        )
        return self.router.users(row, on)

    def _item_side(
        self, items: Tensor, inputs: Inputs, content: Content, on: Tensor, *, left_out: int = 0
    ) -> Side:
        kind = self.config.router.kind
        if kind == "noise":
            return self.router.items(self.noise[self.n_users + items], on)
        row = _router_inputs(
            self.behaviour.embeddings[self.n_users + items],
            content.cues[items],
            content.present[items],
            inputs.item_degree[items],
            left_out=left_out,
        )
        return self.router.items(torch.zeros_like(row) if kind == "user" else row, on)

    @torch.no_grad()
    def mixture_state(
        self,
        z: Tensor,
        inputs: Inputs,
        backbone: tuple[Tensor, Tensor],
        *,
        top_k: int,
        without: str | None = None,
    ) -> MixtureState:
        """Everything that scores any pair, evaluated once per user and per item.

        Args:
            z: Behaviour, ``(U + I, D)``, over all edges.
            inputs: What never changes.
            backbone: The vectors whose product is the backbone's score: ``(U, D)`` and ``(I, D)``.
            top_k: Experts to keep; 0 keeps all.
            without: A cue to occlude: experts and router see it as missing everywhere; the backbone is not touched.
        """
        if without is not None:
            inputs = self._occluded(inputs, without)
        content = self.encode_content(inputs)
        all_users, all_items = torch.arange(self.n_users), torch.arange(self.n_items)
        profile, has = profiles(self.content.histories(content, inputs.interactions), content)
        users = self.experts(self._cues(z[: self.n_users], inputs.user_degree, profile, has))
        items = self.experts(
            self._cues(z[self.n_users :], inputs.item_degree, content.smoothed, content.present)
        )
        user_side = self._user_side(all_users, inputs, profile, has, users.on)
        item_side = self._item_side(all_items, inputs, content, items.on)
        if self.config.router.kind == "uniform":
            user_side, item_side = (_indifferent(side) for side in (user_side, item_side))
            top_k = 0
        n_experts = len(self.experts.templates)
        return MixtureState(
            users=backbone[0].contiguous(),
            items=backbone[1].contiguous(),
            user_towers=users.values.contiguous(),
            item_towers=items.values.contiguous(),
            user_keys=_folded(user_side, bias_first=True),
            item_keys=_folded(item_side, bias_first=False),
            weight=self.config.mixture_weight,
            top_experts=top_k or n_experts,
            experts=self.expert_names,
        )

    def _occluded(self, inputs: Inputs, cue: str) -> Inputs:
        if cue == "behaviour":
            return inputs._replace(
                user_degree=torch.zeros_like(inputs.user_degree),
                item_degree=torch.zeros_like(inputs.item_degree),
            )
        present = inputs.present.clone()
        present[:, self.modalities.index(cue)] = False
        return inputs._replace(present=present)


def _router_inputs(
    embeddings: Tensor, cues: Tensor, present: Tensor, degree: Tensor, *, left_out: int
) -> Tensor:
    """What the router reads of one side; detached, since it must not shape what it reads."""
    known = (degree > 0).float()[:, None]  # an embedding without interactions is noise
    # The third brings log-degrees to the scale of the rest.
    log_degree = torch.log1p((degree - left_out).clamp(min=0))[:, None] / 3
    return torch.cat([embeddings * known, cues.flatten(1), present.float(), log_degree], 1).detach()


def _indifferent(side: Side) -> Side:
    return Side(torch.zeros_like(side.vectors), side.bias.clamp(max=0.0) * (side.bias < -1e20))


def _folded(side: Side, *, bias_first: bool) -> Tensor:
    """Append the biases as two columns, so that one product gives the logit: ``(n, E, R + 2)``."""
    bias = side.bias.masked_fill(side.bias < -1e20, -torch.inf)[..., None]
    one = torch.ones_like(bias)
    return torch.cat([side.vectors, *((bias, one) if bias_first else (one, bias))], -1).contiguous()
