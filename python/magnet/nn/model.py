"""The wiring of MAGNET: encoders, experts and router over tensors and graphs."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import torch
from pydantic import Field
from torch import Tensor, nn

from magnet.clock import timed
from magnet.config import Config
from magnet.nn.behaviour import Behaviour, BehaviourConfig, BehaviourEncoder
from magnet.nn.content import Content, ContentConfig, ContentEncoder, profiles
from magnet.nn.experts import Cues, Experts, ExpertsConfig
from magnet.nn.losses import (
    CONTRAST_ROWS,
    LOSSES,
    alignment,
    backbone_scores,
    contrast,
    embedding_penalty,
    routing_terms,
)
from magnet.nn.ops.gather import distinct, gather_cues, take_rows
from magnet.nn.propagate import multiply
from magnet.nn.router import (
    Router,
    RouterConfig,
    Routing,
    Side,
    cross,
    folded,
    gate,
    indifferent,
    is_off,
    paired,
    router_inputs,
    summarise,
)
from magnet.seeds import torch_generator
from magnet.states import MixtureState

if TYPE_CHECKING:
    from magnet.nn.behaviour import Views
    from magnet.nn.controller import StageWeights
    from magnet.nn.losses import LossConfig
    from magnet.nn.propagate import Graph
    from magnet.nn.router import RoutingSums

__all__ = ["BatchLoss", "Inputs", "MagnetModel", "Mixture", "ModelConfig"]


class ModelConfig(Config):
    """The network.

    Attributes:
        dim: Width D of embeddings and cues.
        mixture: Whether the experts take part at all; without them the backbone alone answers.
        mixture_weight: λ_mix, the weight of the experts' score beside the backbone's.
        popularity: β, an exponent: the score of an item is multiplied by ``(degree / mean degree)^β``, in training and
            after it; items without users count as of degree 1.
        behaviour: Propagation and views.
        content: Content cues.
        experts: Roles and towers.
        router: What the router sees.
    """

    dim: int = Field(64, ge=1, le=1024)
    mixture: bool = True
    mixture_weight: float = Field(0.3, ge=0)
    popularity: float = Field(0.0, ge=-1, le=1)
    behaviour: BehaviourConfig = BehaviourConfig()
    content: ContentConfig = ContentConfig()
    experts: ExpertsConfig = ExpertsConfig()
    router: RouterConfig = RouterConfig()


class Inputs(NamedTuple):
    """What is known before training and never changes."""

    features: list[Tensor]  # (I, d_m) each, L2-normalised
    present: Tensor  # (M, I), bool
    user_degree: Tensor  # (U,), float
    item_degree: Tensor  # (I,), float
    interactions: Graph  # (U, I), training, ones
    content_graph: Graph  # (M · I, M · I), normalised, one modality after the other

    def to(self, device: torch.device | str) -> Inputs:
        """The same on another device."""
        return Inputs(
            features=[rows.to(device) for rows in self.features],
            present=self.present.to(device),
            user_degree=self.user_degree.to(device),
            item_degree=self.item_degree.to(device),
            interactions=self.interactions.to(device),
            content_graph=self.content_graph.to(device),
        )


class Mixture(NamedTuple):
    """The experts' part of a batch's scores, and how it came about."""

    positive: Tensor  # (B,)
    negative: Tensor  # (B,), or (B, N) for shared negatives
    routing: Routing  # of the positives
    logits: Tensor  # (B, E), of the positives
    content: Content


class BatchLoss(NamedTuple):
    """What the network makes of a batch in training."""

    terms: dict[str, Tensor]  # of the loss, weighted, by name
    routing: RoutingSums | None  # of the positives, for the controller; None while the backbone is alone


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
        self.behaviour = BehaviourEncoder(
            n_users, n_items, dim, config.behaviour, widths=list(modalities.values())
        )
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
        with timed("content cues"):
            content: Content = self.content(inputs.features, inputs.present, embeddings, inputs.content_graph)
        return content

    def forward(
        self,
        views: Views,
        inputs: Inputs,
        users: Tensor,
        positives: Tensor,
        negatives: Tensor,
        seen: Tensor | None,
        *,
        loss: LossConfig,
        stage: StageWeights | None,
        top_k: int = 0,
        entries: int | None = None,
        resting: Tensor | None = None,
    ) -> BatchLoss:
        """The terms of the loss of a batch. Training enters the network here, once a step.

        Args:
            views: The graphs of the epoch.
            inputs: What never changes.
            users: ``(B,)``.
            positives: A training item of each user, ``(B,)``.
            negatives: One item of each user ``(B,)``; or, with ``seen``, items for all users alike ``(N,)``.
            seen: Which of the shared negatives each user has in truth, ``(B, N)``, bool; None for negatives of one
                user each.
            loss: What is minimised.
            stage: What the stage asks of the router; None trains the backbone alone.
            top_k: Experts to keep; 0 keeps all.
            entries: Training interactions of ``users``, each user counted as often as it is named; spares devices
                other than the CPU a wait.
            resting: Behaviour of users and items, ``(U + I, D)``, where the backbone keeps its weights; it is then
                not encoded anew.
        """
        if resting is not None:
            behaviour = Behaviour(resting, None, 0.0)
        else:
            with timed("propagation"):
                behaviour = self.behaviour(views, inputs.features)
        drawn = torch.cat([users, self.n_users + positives, self.n_users + negatives])
        compared = self.compared(users, positives, views, loss) if resting is None else []
        own, content = behaviour.rows(torch.cat([drawn, *compared]))
        z = behaviour.join(own[: len(drawn)], None if content is None else content[: len(drawn)])  # (n, D)
        u, i, j = z.split_with_sizes([len(users), len(positives), len(negatives)])
        weight = self.popularity(inputs.item_degree)
        positive, negative = backbone_scores(u, i, j, seen, loss)
        if weight is not None:
            positive, negative = positive * weight[positives], negative * weight[negatives]
        asked: dict[str, Tensor] = {}
        sums: RoutingSums | None = None
        if compared and content is not None:
            sizes = [len(index) for index in compared]
            pairs = zip(
                own[len(drawn) :].split_with_sizes(sizes),
                content[len(drawn) :].split_with_sizes(sizes),
                strict=True,
            )
            asked["alignment"] = loss.alignment * torch.stack([alignment(a, b, loss) for a, b in pairs]).sum()
        if stage is not None:
            mixture = self.mixture(
                behaviour.z,
                inputs,
                users,
                positives,
                negatives,
                shared=seen is not None,
                top_k=top_k,
                entries=entries,
            )
            positive = positive + self.config.mixture_weight * mixture.positive
            negative = negative + self.config.mixture_weight * mixture.negative
            sums = summarise(mixture.routing)
            asked |= routing_terms(mixture.routing, mixture.logits, stage, sums.loads)
            asked |= self._contrast(behaviour.z, positives, mixture.content, loss)
        ranking = LOSSES.find(loss.kind).function(positive, negative, seen)
        terms = {"ranking": ranking, **asked}
        if loss.l2 and resting is None:
            # Negatives that the batch shares are few and drawn for each batch: they are not held down.
            last = len(drawn) if seen is None else 2 * len(users)
            rows = (
                z[:last] if loss.l2_of == "propagated" else take_rows(self.behaviour.embeddings, drawn[:last])
            )
            terms["l2"] = loss.l2 * embedding_penalty(rows, pairs=len(users))
        return BatchLoss(terms, sums)

    def compared(self, users: Tensor, positives: Tensor, views: Views, loss: LossConfig) -> list[Tensor]:
        """Rows of items and of users of a batch whose two parts are aligned, each once."""
        if not loss.alignment or views.items is None:
            return []
        # A batch is in random order: its first pairs are a random part of it, and no item is left out for good.
        sides = [self.n_users + distinct(positives[:CONTRAST_ROWS], self.n_items)[0]]
        if views.users is not None:
            sides.append(distinct(users[:CONTRAST_ROWS], self.n_users)[0])
        return sides

    def popularity(self, item_degree: Tensor) -> Tensor | None:
        """What the score of each item is multiplied by, ``(I,)``; None for nothing."""
        if not self.config.popularity:
            return None
        known = item_degree.clamp(min=1)
        return (known / known.mean()) ** self.config.popularity

    def _contrast(
        self, z: Tensor, positives: Tensor, content: Content, loss: LossConfig
    ) -> dict[str, Tensor]:
        if not loss.contrast:
            return {}
        items = distinct(positives[:CONTRAST_ROWS], self.n_items)[0]
        terms = contrast(z, self.n_users, content.cues, content.present, items, loss.contrast_temperature)
        return {"contrast": loss.contrast * torch.stack(terms).sum()} if terms else {}

    def mixture(
        self,
        z: Tensor,
        inputs: Inputs,
        users: Tensor,
        positives: Tensor,
        negatives: Tensor,
        *,
        shared: bool,
        top_k: int,
        entries: int | None = None,
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
            entries: As :meth:`forward` takes it.
        """
        content = self.encode_content(inputs)
        with timed("profiles"):
            history = inputs.interactions.rows(users, without=positives, entries=entries)
            profile, has = self._profiles(content, history)
        n = len(users)
        with timed("experts"):
            # Each distinct item passes through the experts once, in one batch with the users.
            ids, place = distinct(torch.cat([positives, negatives]), self.n_items)
            at_positive, at_negative = place[:n], place[n:]
            cues = gather_cues(z, profile, content.smoothed, torch.cat([users, self.n_users + ids]), ids)
            degree = torch.cat([inputs.user_degree[users], inputs.item_degree[ids]])
            present = torch.cat([has, content.present[:, ids]], 1)
            mixes = self.experts.mixes(self.experts.project(_with_behaviour(cues, degree, present)))
            on_user, on_item = mixes.on[:n], mixes.on[n:]  # (B, E), (n, E)

        with timed("router"):
            user_side = self._user_side(users, inputs, profile, has, on_user, left_out=1)
            # Each distinct item once as a positive and once as a negative: only a positive leaves out its own edge.
            own, at_own = distinct(at_positive, len(ids))
            other, at_other = distinct(at_negative, len(ids))
            both = torch.cat([own, other])
            left_out = (torch.arange(len(both), device=both.device) < len(own)).float()
            item_side = self._item_side(ids[both], inputs, content, on_item[both], left_out=left_out)
            floor = self.config.router.floor if self.training else 0.0
            if shared:
                logits = paired(user_side, item_side, at_own[:, None])[:, 0]  # (B, E)
                drawn = len(own) + at_other
                others = cross(user_side, Side(take_rows(item_side.rows, drawn), item_side.on[drawn]))
                routing = self.route(logits, top_k=top_k, floor=floor)
                weights = self.route(others, top_k=top_k, floor=floor).weights  # (B, N, E)
            else:
                pairs = torch.stack([at_own, len(own) + at_other], 1)
                all_logits = paired(user_side, item_side, pairs)  # (B, 2, E)
                logits = all_logits[:, 0]
                routings = self.route(all_logits, top_k=top_k, floor=floor)
                routing, weights = Routing(*(each[:, 0] for each in routings)), routings.weights[:, 1]
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
            (weights * other_scores).sum(-1),
            routing,
            logits,
            content,
        )

    def route(self, logits: Tensor, *, top_k: int, floor: float) -> Routing:
        """Weights of the experts; the uniform control ignores what the router says but not which experts are on."""
        if self.config.router.kind == "uniform":
            return gate(logits.detach().clamp(max=0.0) * is_off(logits), top_k=0, floor=0.0)
        return gate(logits, top_k=top_k, floor=floor)

    def _profiles(self, content: Content, interactions: Graph) -> tuple[Tensor, Tensor]:
        """Profiles of users, ``(M, B, D)``, and which of them exist, ``(M, B)``."""
        with torch.no_grad():
            has = multiply(interactions, content.present.T.float()).T > 0.5
        return profiles(content.cues, interactions, has), has

    @torch.no_grad()
    def refresh(self, z: Tensor, inputs: Inputs) -> None:
        """Refit what each cue explains of the others; once an epoch."""
        content = self.encode_content(inputs)
        self.experts.refresh(
            self._cues(z[self.n_users :], inputs.item_degree, content.smoothed, content.present)
        )

    def _cues(self, behaviour: Tensor, degree: Tensor, content: Tensor, present: Tensor) -> Cues:
        """Projected cues of some users or items: ``(n, D)``, ``(n,)``, ``(M, n, D)`` and ``(M, n)``."""
        return self.experts.project(_with_behaviour(torch.cat([behaviour[None], content]), degree, present))

    def _user_side(
        self, users: Tensor, inputs: Inputs, profile: Tensor, has: Tensor, on: Tensor, *, left_out: int = 0
    ) -> Side:
        if self.config.router.kind == "noise":
            return self.router.users(self.noise[users], on)
        row = router_inputs(
            self.behaviour.embeddings.index_select(0, users),
            profile,
            has,
            inputs.user_degree[users],
            left_out=left_out,
        )
        return self.router.users(row, on)

    def _item_side(
        self, items: Tensor, inputs: Inputs, content: Content, on: Tensor, *, left_out: Tensor | int = 0
    ) -> Side:
        kind = self.config.router.kind
        if kind == "noise":
            return self.router.items(self.noise[self.n_users + items], on)
        row = router_inputs(
            self.behaviour.embeddings.index_select(0, self.n_users + items),
            content.cues.index_select(1, items),
            content.present[:, items],
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
        all_users, all_items = (torch.arange(n, device=z.device) for n in (self.n_users, self.n_items))
        profile, has = self._profiles(content, inputs.interactions)
        users = self.experts(self._cues(z[: self.n_users], inputs.user_degree, profile, has))
        items = self.experts(
            self._cues(z[self.n_users :], inputs.item_degree, content.smoothed, content.present)
        )
        user_side = self._user_side(all_users, inputs, profile, has, users.on)
        item_side = self._item_side(all_items, inputs, content, items.on)
        if self.config.router.kind == "uniform":
            user_side, item_side = (indifferent(side) for side in (user_side, item_side))
            top_k = 0
        n_experts = len(self.experts.templates)
        return MixtureState(
            users=backbone[0].contiguous(),
            items=backbone[1].contiguous(),
            user_towers=users.values.contiguous(),
            item_towers=items.values.contiguous(),
            user_keys=folded(user_side, bias_first=True),
            item_keys=folded(item_side, bias_first=False),
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
        present[self.modalities.index(cue)] = False
        return inputs._replace(present=present)


def _with_behaviour(cues: Tensor, degree: Tensor, present: Tensor) -> Cues:
    """Add the presence of behaviour: only users and items with interactions have it."""
    return Cues(cues, torch.cat([degree[None] > 0, present]))
