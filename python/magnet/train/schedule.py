"""How long each phase of a training took until its best weights, so that it can be done again without validation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["schedule_of"]


def schedule_of(events: Sequence[Mapping[str, Any]], facts: Mapping[str, Any]) -> list[int | None]:
    """Epochs of each phase, up to the one that was delivered.

    A phase counts until the best weights of the stage in which it ended, and the last one until those that were
    delivered. A phase that was never validated has None: the task says how long it takes.

    Args:
        events: The record of each epoch, in order.
        facts: Of the run: ``best`` of each stage and ``delivered``.

    Example:
        >>> record = {"stage": "training", "phase_epochs": 1}
        >>> events = [record | {"epoch": e, "phase_epochs": e + 1} for e in range(5)]
        >>> schedule_of(events, {"best": {"training": {"epoch": 2}}, "delivered": "training"})
        [3]
    """
    best, delivered = facts.get("best", {}), facts.get("delivered")
    phases: list[list[Mapping[str, Any]]] = []
    for record in events:
        if record["phase_epochs"] == 1:
            phases.append([])
        phases[-1].append(record)
    schedule: list[int | None] = []
    for phase in phases:
        stages = {record["stage"] for record in phase}
        last = delivered if delivered in stages else phase[-1]["stage"]
        known = best.get(last)
        schedule.append(None if known is None else int(known["epoch"]) + 1 - phase[0]["epoch"])
        if delivered in stages:
            break
    return schedule
