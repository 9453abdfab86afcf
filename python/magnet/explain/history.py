"""The course of a training, read from its records: stages, their best validation, the trigger."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from magnet.evaluate.target import CHOSEN_BY, USUAL
from magnet.run.events import trigger_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["Stage", "Training", "training_of"]


@dataclass(frozen=True)
class Stage:
    """A run of epochs with one aim.

    Attributes:
        name: ``backbone``, ``coverage``, ``specialisation``, or whatever a model calls its only stage.
        first: Its first epoch.
        last: Its last epoch.
        best: Best validation value of the metric that the training chose by, None if it was never validated.
        best_epoch: The epoch that reached it.
    """

    name: str
    first: int
    last: int
    best: float | None
    best_epoch: int | None


@dataclass(frozen=True)
class Training:
    """The course of a training.

    Attributes:
        events: The record of each epoch, as it was logged; empty for a model in closed form.
        stages: In the order they came.
        delivered: The stage whose best weights the model has, None if not known.
        fired_by: ``criterion``, ``cap``, ``fixed`` or ``no evidence``; None if nothing fired.
        fired_at: The epoch after which it fired; None if the records do not tell.
        metric: What validation chose by, such as ``recall@20``.
    """

    events: list[dict[str, Any]]
    stages: list[Stage]
    delivered: str | None
    fired_by: str | None
    fired_at: int | None
    metric: str = USUAL.metric

    @property
    def routed(self) -> list[dict[str, Any]]:
        """Records of the epochs that had a router."""
        return [record for record in self.events if "pair_entropy" in record]

    def stage(self, name: str | None) -> Stage | None:
        """The stage of that name, if there was one."""
        return next((stage for stage in self.stages if stage.name == name), None)

    def to_json(self) -> dict[str, Any]:
        """JSON-compatible data."""
        return {
            "stages": [vars(stage) for stage in self.stages],
            "delivered": self.delivered,
            "fired_by": self.fired_by,
            "fired_at": self.fired_at,
            "chosen_by": self.metric,
            "epochs": self.events,
        }


def training_of(events: Sequence[dict[str, Any]], facts: Mapping[str, Any]) -> Training:
    """Read the course of a training.

    Args:
        events: The record of each epoch, in order.
        facts: Of the run: ``best`` of each stage and ``delivered``.
    """
    spans: dict[str, list[int]] = {}
    for record in events:
        spans.setdefault(record["stage"], []).append(record["epoch"])
    best, metric = facts.get("best", {}), facts.get(CHOSEN_BY, USUAL.metric)
    stages = []
    for name, epochs in spans.items():
        known = best.get(name, {})
        value, epoch = known.get(metric), known.get("epoch")
        stages.append(Stage(name, min(epochs), max(epochs), value, None if epoch is None else int(epoch)))
    # The records come first: facts of older runs have another number under "fired_at", the epochs of coverage.
    fired_by, fired_at = trigger_of(events)
    return Training(
        events=list(events),
        stages=stages,
        delivered=facts.get("delivered") or None,
        fired_by=fired_by or facts.get("fired_by"),
        fired_at=fired_at,
        metric=metric,
    )
