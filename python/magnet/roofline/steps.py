"""A training step of the backbone, measured part by part beside what it has to do."""

from __future__ import annotations

import time
from dataclasses import dataclass
from itertools import islice
from statistics import median
from typing import TYPE_CHECKING

import torch

from magnet.clock import clocked
from magnet.models.backbone import BackboneTask
from magnet.roofline.cost import Cost, Shapes, step_costs
from magnet.runtime import num_threads, set_num_threads
from magnet.seeds import seeded
from magnet.train.batches import Batches
from magnet.train.descent import Descent
from magnet.train.memory import freed_memory_kept

if TYPE_CHECKING:
    from collections.abc import Sequence

    from magnet.data import Dataset
    from magnet.models.backbone import BackboneConfig
    from magnet.train.task import Batch

__all__ = ["Rates", "StepTimes", "machine_rates", "measure_steps", "shapes_of"]

WARM_UP = 2
# Both arrays of the sums are larger than the caches; the product is large enough to reach the full rate.
_SIDE, _LONG = 1024, 1 << 23


@dataclass(frozen=True)
class Rates:
    """What the machine does per second, measured between the steps."""

    gemm: float  # floating-point operations of float32 products
    memory: float  # bytes, read and written by a sum of two arrays

    def seconds(self, cost: Cost) -> float:
        """Arithmetic at the rate of products, and after it traffic at that of memory."""
        return cost.flops / self.gemm + cost.bytes / self.memory


@dataclass(frozen=True)
class StepTimes:
    """Steps at one number of threads.

    Attributes:
        threads: Of torch and of the kernels.
        rates: Of the machine.
        costs: What each part has to do, on average over the batches.
        part_seconds: What each part took, the median over the steps.
        step_seconds: What the whole step took, likewise.
    """

    threads: int
    rates: Rates
    costs: dict[str, Cost]
    part_seconds: dict[str, float]
    step_seconds: float

    @property
    def total(self) -> Cost:
        """What a step has to do."""
        return sum(self.costs.values(), Cost())

    @property
    def ratio(self) -> float:
        """How many times longer than its roofline a step took."""
        return self.step_seconds / self.rates.seconds(self.total)


def measure_steps(
    dataset: Dataset, config: BackboneConfig, *, threads: Sequence[int], steps: int, seed: int = 0
) -> list[StepTimes]:
    """Train for a few steps and time them.

    Args:
        dataset: Interactions and features.
        config: Everything about the backbone.
        threads: Numbers of threads to measure with, one after the other.
        steps: Steps to time, at each number of threads.
        seed: Of weights and batches.
    """
    before = num_threads(), torch.get_num_threads()
    task = BackboneTask(dataset, config, seed=seed)
    batches = Batches(dataset, config.train.batch_size, seed=seed)
    probe = _Probe()
    try:
        with seeded(seed), freed_memory_kept():
            return [_measure(task, batches, probe, n, steps) for n in threads]
    finally:
        set_num_threads(before[0])
        torch.set_num_threads(before[1])


def _measure(task: BackboneTask, batches: Batches, probe: _Probe, threads: int, steps: int) -> StepTimes:
    set_num_threads(threads)
    task.begin_epoch(0)
    descent = Descent(task, task.config.train.average)
    # The last batch is a short one.
    drawn = list(islice(batches.epoch(0, task.negatives), min(steps, max(1, len(batches) - 1))))
    for number in range(WARM_UP):
        descent.step(drawn[number % len(drawn)])
    probe.restart()
    times: list[dict[str, float]] = []
    wholes: list[float] = []
    for number in range(steps):
        # Beside the steps, so that what else the machine does slows both alike.
        probe.run()
        with clocked() as seconds:
            started = time.perf_counter()
            descent.step(drawn[number % len(drawn)])
            wholes.append(time.perf_counter() - started)
        times.append(seconds)
    costs = [step_costs(shapes_of(task, batch)) for batch in drawn]
    mean = {name: sum((cost[name] for cost in costs), Cost()) * (1 / len(costs)) for name in costs[0]}
    middle = {name: median(seconds[name] for seconds in times) for name in times[0]}
    parts = _by_part(middle, list(mean))
    return StepTimes(threads, probe.rates(), mean, parts, median(wholes))


def _by_part(seconds: dict[str, float], parts: list[str]) -> dict[str, float]:
    """The clock's seconds by part; what the forward pass does outside of all named parts is the one that is missing."""
    named = {name: taken for name, taken in seconds.items() if name != "forward"}
    inside = sum(taken for name, taken in named.items() if name not in ("backward", "optimiser"))
    (rest,) = set(parts) - set(named)
    named[rest] = seconds["forward"] - inside
    return {name: named[name] for name in parts}


class _Probe:
    """Measures the rates of the machine again and again."""

    def __init__(self) -> None:
        self.square = torch.ones(_SIDE, _SIDE)
        self.product = torch.empty_like(self.square)
        self.long = torch.ones(_LONG), torch.ones(_LONG)
        self.sum = torch.empty(_LONG)
        self.gemm: list[float] = []
        self.memory: list[float] = []

    def restart(self) -> None:
        self.run()  # the first touches of memory, and the threads' start
        self.gemm.clear()
        self.memory.clear()

    def run(self) -> None:
        started = time.perf_counter()
        torch.mm(self.square, self.square, out=self.product)
        between = time.perf_counter()
        torch.add(*self.long, out=self.sum)
        self.gemm.append(between - started)
        self.memory.append(time.perf_counter() - between)

    def rates(self) -> Rates:
        return Rates(2 * _SIDE**3 / median(self.gemm), 3 * 4 * _LONG / median(self.memory))


def machine_rates(runs: int = 5) -> Rates:
    """The rates of the machine with the threads of torch, in about a quarter of a second."""
    probe = _Probe()
    probe.restart()
    for _ in range(runs):
        probe.run()
    return probe.rates()


def shapes_of(task: BackboneTask, batch: Batch) -> Shapes:
    """All that the cost of a step on this batch depends on."""
    config, backbone, loss = task.config, task.backbone, task.config.loss
    views = task.views
    groups = task.parameter_groups()
    return Shapes(
        users=backbone.n_users,
        items=backbone.n_items,
        dim=config.dim,
        layers=config.behaviour.layers,
        views=tuple(len(v.forward[1]) for v in (views.interactions, views.augmented) if v is not None),
        near=0 if views.items is None else len(views.items.forward[1]),
        spread=0 if views.items is None else views.items.n_cols,
        pool=0 if views.users is None else len(views.users.forward[1]),
        gates=tuple(f.shape[1] for f in task.inputs.features if backbone.behaviour.content_gates),
        aligned=tuple(map(len, backbone.compared(batch.users, batch.positives, views, loss))),
        pairs=len(batch.users),
        negatives=len(batch.negatives),
        shared=batch.seen is not None,
        penalised=loss.l2 > 0,
        weights=sum(p.numel() for group in groups for p in group["params"]),
        averaged=config.train.average > 0,
    )
