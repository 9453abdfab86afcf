"""What a trained model has learnt as a whole: who uses which expert, how training went, what came of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from magnet.errors import MagnetError
from magnet.explain.experts import ExpertInfo, experts_of, roles_of
from magnet.explain.findings import find
from magnet.explain.groups import Group, item_groups, user_groups
from magnet.explain.history import Training, training_of
from magnet.explain.routing import RoutedPairs, RoutingStatistics, route_pairs, routing_statistics
from magnet.files import as_path
from magnet.nn.controller import STARVING_LOAD
from magnet.states import BlendState

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from magnet.run.contents import RunContents

__all__ = ["ExpertUse", "ModelExplanation", "explain_model"]


@dataclass(frozen=True)
class ExpertUse:
    """How some held-out pairs use the experts.

    Attributes:
        kind: ``all``, ``users`` (by training interactions of the user) or ``items`` (of the item).
        name: Of the group, such as ``5-8``.
        routing: Weights, loads and entropies.
        roles: Mean weight after the top k of all experts of a role.
    """

    kind: str
    name: str
    routing: RoutingStatistics
    roles: dict[str, float]

    def to_json(self) -> dict[str, Any]:
        """JSON-compatible data; lists stand in the order of the experts."""
        r = self.routing
        return {
            "kind": self.kind,
            "group": self.name,
            "n_pairs": r.n_pairs,
            "n_without_experts": r.n_without,
            "weights": r.weights,
            "weights_dense": r.dense,
            "loads": r.loads,
            "roles": self.roles,
            "pair_entropy": r.pair_entropy,
            "marginal_entropy": r.marginal_entropy,
            "load_entropy": r.load_entropy,
            "mutual_information": r.mutual_information,
        }


@dataclass(frozen=True)
class ModelExplanation:
    """A trained model as a whole. What concerns experts is empty for a model without a mixture.

    Attributes:
        model: Registered name of the model.
        n_users: Users of the catalogue.
        n_items: Items of the catalogue.
        n_train: Training interactions.
        experts: Name, role and cue weights of each.
        use: On held-out pairs: all of them first, then user groups, then item groups, the long tail first.
        n_cold: Held-out pairs left out because their user has no training interaction: nothing is routed.
        dead: Experts with less than a tenth of an even share of the hard loads.
        router: What the router sees: ``pair``, or a control's name; None without a mixture.
        mixture_weight: λ, None without a mixture.
        top_experts: Experts kept for a pair, None without a mixture.
        training: Epochs, stages, trigger.
        lifts: How much more often content neighbours share users than random items do, by modality.
        graph_weights: Weight of each modality's content graph.
        findings: The most important results in plain sentences.
    """

    model: str
    n_users: int
    n_items: int
    n_train: int
    experts: list[ExpertInfo]
    use: list[ExpertUse]
    n_cold: int
    dead: list[str]
    router: str | None
    mixture_weight: float | None
    top_experts: int | None
    training: Training
    lifts: dict[str, float]
    graph_weights: dict[str, float]
    findings: list[str]

    @property
    def mutual_information(self) -> float | None:
        """H_m − H_s on held-out pairs: how much the experts depend on the pair; None without a mixture."""
        return self.use[0].routing.mutual_information if self.use else None

    def text(self) -> str:
        """A readable page."""
        from magnet.explain.model_text import model_text

        return model_text(self)

    def to_json(self) -> dict[str, Any]:
        """JSON-compatible data, every epoch included."""
        experts = [
            {"name": e.name, "role": e.role, "cue_weights": dict(e.cue_weights), "dead": e.name in self.dead}
            for e in self.experts
        ]
        return {
            "model": self.model,
            "n_users": self.n_users,
            "n_items": self.n_items,
            "n_train": self.n_train,
            "experts": experts,
            "held_out": {
                "mutual_information": self.mutual_information,
                "n_cold": self.n_cold,
                "use": [use.to_json() for use in self.use],
            },
            "dead_experts": self.dead,
            "router": self.router,
            "mixture_weight": self.mixture_weight,
            "top_experts": self.top_experts,
            "training": self.training.to_json(),
            "lifts": self.lifts,
            "graph_weights": self.graph_weights,
            "findings": self.findings,
        }

    def plot(self, path: str | Path) -> None:
        """Draw the training at ``path``, and the use of experts beside it, ``-experts`` added to the name.

        What a model does not have is not drawn.

        Args:
            path: A file (.png, .svg or .pdf).

        Raises:
            MissingExtraError: If matplotlib is not installed.
            DataError: If the file's ending is another.
            MagnetError: If there is nothing to draw, or a file cannot be written.
        """
        path = as_path(path)
        if not self.training.events and not self.use:
            raise MagnetError(
                f"there is nothing to draw of {self.model}: it has neither epochs of training nor experts"
            )
        if self.training.events:
            self.plot_training(path)
        if self.use:
            self.plot_experts(path.with_name(f"{path.stem}-experts{path.suffix}"))

    def plot_training(self, path: str | Path) -> None:
        """Draw entropies, loads and validation by epoch, stages and trigger; raises as :meth:`plot`."""
        from magnet.explain.plot_training import plot_training

        plot_training(self, path)

    def plot_experts(self, path: str | Path) -> None:
        """Draw the use of experts by user group, item popularity and role; raises as :meth:`plot`."""
        from magnet.explain.plot_experts import plot_experts

        plot_experts(self, path)


def explain_model(contents: RunContents, *, model: str) -> ModelExplanation:
    """Explain a trained model by the pairs it was not trained on and the record of its training.

    Args:
        contents: What a finished run knows; the validation part holds the pairs.
        model: Registered name of the model.
    """
    state, facts = contents.state, contents.facts
    n_users, n_items = contents.train.shape
    experts: list[ExpertInfo] = []
    use: list[ExpertUse] = []
    n_cold = 0
    dead: list[str] = []
    weight = kept = router = None
    if isinstance(state, BlendState):
        experts = experts_of(facts, state.experts)
        weight, kept, router = state.weight, state.top_experts, facts.get("router")
        use, n_cold = _use(contents, state, experts)
        bar = STARVING_LOAD / len(experts)
        if use[0].routing.n_pairs:
            dead = [e.name for e, load in zip(experts, use[0].routing.loads, strict=True) if load < bar]
    training = training_of(contents.events, facts)
    return ModelExplanation(
        model=model,
        n_users=n_users,
        n_items=n_items,
        n_train=contents.train.nnz,
        experts=experts,
        use=use,
        n_cold=n_cold,
        dead=dead,
        router=router,
        mixture_weight=weight,
        top_experts=kept,
        training=training,
        lifts=facts.get("lifts", {}),
        graph_weights=facts.get("graph_weights", {}),
        findings=find(training, use[0].routing if use else None, n_cold=n_cold, dead=dead, router=router),
    )


def _use(contents: RunContents, state: BlendState, experts: list[ExpertInfo]) -> tuple[list[ExpertUse], int]:
    degree = np.diff(contents.train.indptr)
    valid = contents.valid
    users = np.repeat(np.arange(valid.shape[0]), np.diff(valid.indptr))
    warm = degree[users] > 0
    users, items = users[warm], valid.indices[warm].astype(np.int64)
    routed = route_pairs(state, users, items)
    use = [_group(routed, None, "all", "all", experts)]
    sides: list[tuple[str, NDArray[np.int64], list[Group]]] = [
        ("users", users, user_groups(degree)),
        ("items", items, item_groups(contents.popularity)),
    ]
    for kind, index, groups in sides:
        use += [_group(routed, group.members[index], kind, group.name, experts) for group in groups]
    return use, int((~warm).sum())


def _group(
    routed: RoutedPairs, chosen: NDArray[np.bool_] | None, kind: str, name: str, experts: list[ExpertInfo]
) -> ExpertUse:
    routing = routing_statistics(routed, chosen)
    roles = dict.fromkeys(roles_of(experts), 0.0)
    for expert, weight in zip(experts, routing.weights, strict=True):
        roles[expert.role] += weight
    return ExpertUse(kind, name, routing, roles)
