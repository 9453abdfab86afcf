"""A training's position as named tensors and JSON-compatible data, and back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor

    from magnet.train.adamw import AdamW
    from magnet.train.average import WeightAverage
    from magnet.train.task import Task

__all__ = ["Snapshot", "backbone_only", "restore_task", "restore_weights", "take"]

_MODEL = "model/"


@dataclass(frozen=True)
class Snapshot:
    """Weights, an optimiser's moments and averages, beside what is not a tensor."""

    tensors: dict[str, Tensor]
    meta: dict[str, Any]


def take(
    task: Task,
    meta: dict[str, Any],
    optimizer: AdamW | None = None,
    average: WeightAverage | None = None,
) -> Snapshot:
    """Copy a task's weights and progress, and what else going on needs: moments and averages."""
    tensors = {_MODEL + name: t.detach().clone() for name, t in task.module.state_dict().items()}
    if optimizer is not None:
        tensors |= optimizer.tensors()
    if average is not None:
        tensors |= average.tensors()
    return Snapshot(tensors, meta | {"task": task.progress()})


def restore_task(task: Task, snapshot: Snapshot) -> None:
    """Put weights and progress back."""
    task.restore(snapshot.meta["task"])
    restore_weights(task, snapshot)
    task.ready()


def restore_weights(task: Task, snapshot: Snapshot) -> None:
    """Put the weights back and leave the progress as it is."""
    weights = {
        name.removeprefix(_MODEL): t for name, t in snapshot.tensors.items() if name.startswith(_MODEL)
    }
    task.module.load_state_dict(weights, strict=not snapshot.meta.get("partial", False))


def backbone_only(
    snapshot: Snapshot, prefixes: tuple[str, ...], progress: dict[str, Any] | None = None
) -> Snapshot:
    """The part of a snapshot that another model with the same backbone can start from.

    Args:
        snapshot: Of a moment at which the backbone was done.
        prefixes: Of the backbone's tensors within the task's module.
        progress: What of the task's progress the other model has to find out by itself.
    """
    wanted = tuple(_MODEL + prefix for prefix in prefixes)
    tensors = {name: t for name, t in snapshot.tensors.items() if name.startswith(wanted)}
    task = snapshot.meta["task"] | (progress or {})
    return Snapshot(tensors, snapshot.meta | {"partial": True, "task": task})
