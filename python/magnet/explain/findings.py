"""The most important results about a trained model in plain sentences, bad ones included."""

from __future__ import annotations

from typing import TYPE_CHECKING

from magnet.evaluate.metrics import metric_title

if TYPE_CHECKING:
    from collections.abc import Sequence

    from magnet.explain.history import Training
    from magnet.explain.routing import RoutingStatistics

__all__ = ["CONSTANT", "find"]

# Below this held-out mutual information, a share of log E, the pair hardly matters to the router.
CONSTANT = 0.01
_FIRED = {
    "criterion": "fired by its criterion",
    "cap": "did not fire by its criterion; the cap on epochs ended coverage",
    "fixed": "was set to a fixed epoch",
    "no evidence": "did not fire: the router had learnt nothing when its time was up, so coverage went on",
}
_CONTROLS = {
    "uniform": "weighs all experts alike and learns nothing",
    "global": "learns constants and sees neither user nor item",
    "shuffled": "sees the inputs of other users and items",
    "user": "sees the user only",
    "item": "sees the item only",
}


def find(
    training: Training,
    held_out: RoutingStatistics | None,
    *,
    n_cold: int = 0,
    dead: Sequence[str] = (),
    router: str | None = None,
) -> list[str]:
    """Put into sentences what a reader of the numbers should not miss.

    Args:
        training: The course of the training.
        held_out: Routing over all held-out pairs, None without a mixture.
        n_cold: Held-out pairs of users without training interactions.
        dead: Names of dead experts.
        router: What the router sees.
    """
    said = [*_delivered(training), *_trigger(training, held_out)]
    if held_out is None:
        return said
    if router in _CONTROLS:
        said.append(f"This run is a control: its router {_CONTROLS[router]}.")
    said += _routing(training, held_out, dead)
    if held_out.n_without:
        said.append(
            f"For {held_out.n_without} held-out pairs no expert has its cues; the backbone alone scores them."
        )
    if n_cold:
        said.append(
            f"{n_cold} held-out pairs are of users without training interactions, who get popular items; "
            "they are left out here."
        )
    return said


def _delivered(training: Training) -> list[str]:
    if not training.events:
        return ["The model is solved in closed form: there are no epochs to tell of."]
    stage = training.stage(training.delivered)
    if stage is None or stage.best is None:
        return []
    others = [s for s in training.stages if s.name != stage.name and s.best is not None]
    rest = ", ".join(f"{s.name} {s.best:.4f}" for s in others)
    said = [
        f"Delivered: {stage.name}, whose best validation {metric_title(training.metric)} is {stage.best:.4f}, "
        f"in epoch {stage.best_epoch}" + (f" (others: {rest})." if rest else ".")
    ]
    backbone = training.stage("backbone")
    if backbone is None or backbone.best is None or not others:
        return said
    mixed = stage if stage is not backbone else max(others, key=lambda s: s.best or 0.0)
    if mixed.best is not None and mixed.best > backbone.best:
        gain = 100 * (mixed.best / backbone.best - 1) if backbone.best > 0 else float("inf")
        said.append(f"On validation the mixture adds {gain:+.1f} % to the backbone it started from.")
    else:
        said.append(
            f"On validation the backbone alone ({backbone.best:.4f}) is not worse than with the mixture "
            f"({mixed.best:.4f}): the mixture does not pay on these data."
        )
    return said


def _trigger(training: Training, held_out: RoutingStatistics | None) -> list[str]:
    if training.fired_by is not None:
        after = "" if training.fired_at is None else f", after epoch {training.fired_at}"
        return [f"The trigger {_FIRED.get(training.fired_by, training.fired_by)}{after}."]
    if held_out is not None and training.stage("coverage") is not None:
        return ["The trigger did not fire: training ended in coverage, and the router never specialised."]
    return []


def _routing(training: Training, held_out: RoutingStatistics, dead: Sequence[str]) -> list[str]:
    if held_out.n_pairs == 0:
        return ["There are no held-out pairs, so nothing can be said about routing."]
    said = []
    if training.delivered == "global":
        return [
            "Constants were delivered: every pair weighs the experts alike, but for those whose cues are missing. A "
            "router that looks at user and item was trained as well, and was no better on validation."
        ]
    information = held_out.mutual_information
    most = held_out.marginal_entropy
    measured = f"mutual information on held-out pairs is {information:.4f} of at most {most:.4f}"
    if information < CONSTANT:
        said.append(
            f"Routing is nearly constant: {measured}. Every pair gets about the same experts, and which "
            "ones says little about the user or the item: take the experts as an ensemble and the router as "
            "decoration."
        )
    else:
        said.append(
            f"Routing depends on the pair: {measured}. Compare it with a run of router.kind=shuffled."
        )
    trained = [r for r in training.routed if r.get("mutual_information") is not None]
    if trained and trained[-1]["mutual_information"] > 2 * max(information, CONSTANT):
        said.append(
            f"On training pairs it was {trained[-1]['mutual_information']:.4f} in the last epoch: much "
            "of what the router learnt does not carry over to new pairs."
        )
    if dead:
        said.append(f"Dead experts (under a tenth of an even load): {', '.join(dead)}.")
    return said
