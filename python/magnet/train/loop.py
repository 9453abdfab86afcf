"""The one training loop: epochs, batches, validation, stages, stopping."""

from __future__ import annotations

import time
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch

from magnet.evaluate.target import CHOSEN_BY, USUAL, Target
from magnet.forks import use_openmp
from magnet.run.events import trigger_of
from magnet.seeds import derive, seeded
from magnet.train.batches import Batches
from magnet.train.descent import Descent
from magnet.train.memory import freed_memory_kept
from magnet.train.snapshot import Snapshot, restore_task, restore_weights, take
from magnet.train.stopping import EarlyStopping
from magnet.train.sums import LossSums

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from contextlib import AbstractContextManager

    from magnet.data import Dataset
    from magnet.states import State
    from magnet.train.config import TrainConfig
    from magnet.train.task import Task

    Evaluator = Callable[[State], Mapping[str, float]]
    Watcher = Callable[[dict[str, Any]], None]
    Keeper = Callable[[str, Snapshot], None]

__all__ = ["History", "train"]


@dataclass
class History:
    """What happened, epoch by epoch.

    Attributes:
        records: One mapping for each epoch: loss terms, stage, routing, validation metrics, seconds.
        best: Best validation metrics of each stage, those it is chosen by, and the epoch that reached them.
        delivered: The stage whose best weights the model has now.
        target: The metric that both were chosen by.
    """

    records: list[dict[str, Any]] = field(default_factory=list)
    best: dict[str, dict[str, float]] = field(default_factory=dict)
    delivered: str = ""
    target: Target = USUAL

    def facts(self) -> dict[str, Any]:
        """What a run keeps of it: the best of each stage, the delivered one, by what, and the trigger if one fired."""
        fired_by, fired_at = trigger_of(self.records)
        facts: dict[str, Any] = {"best": self.best, "delivered": self.delivered}
        if self.best:
            facts[CHOSEN_BY] = self.target.metric
        if fired_by is not None:
            facts |= {"fired_by": fired_by, "fired_at": fired_at}
        return facts


class _Loop:
    """The state of one training; :func:`train` is its public function."""

    def __init__(
        self,
        task: Task,
        dataset: Dataset,
        config: TrainConfig,
        *,
        seed: int,
        evaluate: Evaluator,
        target: Target,
        log: Watcher,
        watch: Watcher,
        keep: Keeper,
        schedule: Sequence[int | None] | None,
    ) -> None:
        self.task, self.config, self.seed = task, config, seed
        self.evaluate, self.log, self.watch, self.keep = evaluate, log, watch, keep
        self.dataset = dataset
        self.batches = self._batches()
        self.target = target
        self.history = History(target=target)
        self.best: dict[str, Snapshot] = {}
        self.epoch = 0  # epochs that are over
        self.step = 0  # steps that were taken
        self.validated = 0  # steps before the last validation
        self.phase_start = 0
        self.stopping = EarlyStopping(config.patience)
        self.descent = Descent(task, config.average)
        self.schedule = None if schedule is None else list(schedule)
        self.phase = 0

    def _batches(self) -> Batches:
        """Of the phase that the task is in."""
        data, size = self.task.data or self.dataset, self.task.batch_size or self.config.batch_size
        return Batches(data, size, seed=self.seed)

    def resume(self, last: Snapshot, best: Mapping[str, Snapshot]) -> None:
        """Restore the position of an interrupted training after its last whole epoch."""
        restore_task(self.task, last)
        self.batches = self._batches()
        self.descent = Descent(self.task, self.config.average)
        self.descent.optimizer.restore(last.tensors)
        self.descent.average.restore(last.tensors)
        self.epoch, self.phase_start = last.meta["epoch"], last.meta["phase_start"]
        self.step, self.validated = last.meta["step"], last.meta["validated"]
        self.stopping.load_state_dict(last.meta["stopping"])
        self.history.best = {k: dict(v) for k, v in last.meta["best"].items()}
        self.best = {stage: best[stage] for stage in self.history.best}

    def run(self) -> None:
        while True:
            with self._draws():
                record = self._epoch()
            over = self.stopping.should_stop or self._at_limit
            self.history.records.append(record)
            # Before the checkpoint that counts it, so that no epoch is ever without its record.
            self.log(record)
            if over and not self._next_phase():
                self.watch(record)
                break
            self.keep("last", take(self.task, self._position(), self.descent.optimizer, self.descent.average))
            self.watch(record)
        self._deliver()

    def _draws(self) -> AbstractContextManager[None]:
        """What an epoch runs in: torch's own generators, seeded by the epoch, so that training can resume at any.

        Nothing where the task does without them: trainings in several threads then need not take turns. Its own class
        has to say so, since a subclass may draw where its base does not.
        """
        if "draws_by_torch" in vars(type(self.task)) and not self.task.draws_by_torch:  # type: ignore[attr-defined]
            return nullcontext()
        return seeded(derive(self.seed, "dropout", self.epoch), module=self.task.module)

    def _epoch(self) -> dict[str, Any]:
        started = time.perf_counter()
        task = self.task
        task.begin_epoch(self.epoch)
        sums = LossSums(self.epoch)
        device = next(task.module.parameters()).device
        for batch in self.batches.epoch(self.epoch, task.negatives):
            sums.add(self.descent.step(batch.to(device, non_blocking=True)))
            self.step += 1
        # Numbers that went bad end the training here: before the controller, validation or a checkpoint sees them.
        sums.read()
        self.descent.check(self.epoch)
        record: dict[str, Any] = {"epoch": self.epoch, **task.end_epoch()}
        record["terms"] = means = sums.means()
        self.stopping.learn(means["loss"], first=sums.first)
        record["step"] = self.step
        record["train_seconds"] = time.perf_counter() - started
        self.epoch += 1
        record["phase_epochs"] = self.epoch - self.phase_start
        record["phase_limit"] = self._limit
        # The last epoch of a stage or a phase is validated as well, so that none ends without having been.
        last = self._at_limit or task.stage != record["stage"]
        every = self.config.validate_every if task.validate_every is None else task.validate_every
        if self.schedule is None and every and (last or self.step - self.validated >= every):
            self.validated = self.step
            with self.descent.average.applied():
                record["valid"] = self._validate(record["stage"])
        record["seconds"] = time.perf_counter() - started
        return record

    def _validate(self, stage: str) -> dict[str, float]:
        metrics = dict(self.evaluate(self.task.state()))
        value = metrics[self.target.metric]
        known = self.history.best.get(stage)
        if known is None or self.target.standing(metrics) > self.target.standing(known):
            chosen_by = {name: metrics[name] for name in self.target[:2] if name in metrics}
            self.history.best[stage] = chosen_by | {"epoch": self.epoch - 1}
            self.best[stage] = take(
                self.task, {**self._position(), "stage": stage, "delivers": self.task.delivers}
            )
            self.keep(f"best-{stage}", self.best[stage])
        # Validations before the task may stop do not use up patience.
        if self.task.may_stop:
            self.stopping.update(value, self.epoch - 1, step=self.step)
        return metrics

    @property
    def _at_limit(self) -> bool:
        """Whether the epochs of the phase are used up."""
        return self.epoch - self.phase_start >= self._limit

    @property
    def _limit(self) -> int:
        """Epochs of the phase at most."""
        if self.schedule is not None and self.schedule[self.phase] is not None:
            return self.schedule[self.phase] or 1
        return self.task.max_epochs or self.config.epochs

    def _next_phase(self) -> bool:
        stage = self.task.stage
        epochs = self.epoch - self.phase_start
        if self.schedule is not None:
            self._settle()
            if self.phase + 1 >= len(self.schedule):
                return False
            self.phase += 1
        if stage in self.best:
            restore_weights(self.task, self.best[stage])
            epochs = int(self.history.best[stage]["epoch"]) + 1 - self.phase_start
        if not self.task.advance(epochs):
            return False
        self.batches = self._batches()
        self.phase_start, self.validated = self.epoch, self.step
        self.stopping = EarlyStopping(self.config.patience)
        self.descent = Descent(self.task, self.config.average)
        self.keep(f"start-{self.task.stage}", take(self.task, self._position()))
        return True

    def _settle(self) -> None:
        """Put the average of the weights in their place for good, as it is where validation takes it."""
        with self.descent.average.applied():
            snapshot = take(self.task, self._position())
        restore_weights(self.task, snapshot)

    def _deliver(self) -> None:
        if self.schedule is not None:
            self.history.delivered = self.task.stage
            return
        if not self.best:
            with self.descent.average.applied():
                self._validate(self.task.stage)
        ready = [s for s, snapshot in self.best.items() if snapshot.meta["delivers"]]
        chosen = max(ready, key=lambda s: self.target.standing(self.history.best[s]))
        restore_task(self.task, self.best[chosen])
        self.history.delivered = chosen

    def _position(self) -> dict[str, Any]:
        return {
            "epoch": self.epoch,
            "step": self.step,
            "phase_start": self.phase_start,
            "validated": self.validated,
            "stopping": self.stopping.state_dict(),
            "best": {stage: dict(best) for stage, best in self.history.best.items()},
        }


def _ignore(*_: Any) -> None:
    pass


def train(
    task: Task,
    dataset: Dataset,
    config: TrainConfig,
    *,
    seed: int,
    evaluate: Evaluator,
    target: Target = USUAL,
    log: Watcher = _ignore,
    watch: Watcher = _ignore,
    keep: Keeper = _ignore,
    resume: tuple[Snapshot, Mapping[str, Snapshot]] | None = None,
    schedule: Sequence[int | None] | None = None,
) -> History:
    """Train a task to its end and leave it with the weights that validation chose.

    The best weights of every stage are kept; the stage that is better on validation is delivered. The same seed,
    versions and number of threads give the same bits, also across an interruption.

    Args:
        task: The model with its data.
        dataset: Training interactions.
        config: Epochs, batches, stopping.
        seed: Of orders, negatives and dropout.
        evaluate: Validation metrics of a state, that of ``target`` among them.
        target: What weights and stages are chosen by.
        log: Called with the record of each epoch, before the checkpoint that follows it.
        watch: Called with the same, after that checkpoint.
        keep: Given each checkpoint under its name: ``last`` after every epoch, ``best-STAGE`` at each improvement,
            ``start-STAGE`` where a new phase begins.
        resume: The last checkpoint and the best of each stage, to go on from.
        schedule: Epochs of each phase, None for what the task says. Nothing is validated then, and the weights after
            the last of these phases are delivered.

    Raises:
        TrainingError: If the loss becomes NaN or infinite; epoch and batch are named. The error comes some steps later,
            at the end of that epoch at the latest: weights that went bad are neither validated nor kept.
        DataError: If there is nothing to train on.
        ForkError: If threads that torch had before a fork are missing now.
    """
    use_openmp("training", threads=torch.get_num_threads())
    loop = _Loop(
        task,
        dataset,
        config,
        seed=seed,
        evaluate=evaluate,
        target=target,
        log=log,
        watch=watch,
        keep=keep,
        schedule=schedule,
    )
    if resume is not None:
        loop.resume(*resume)
    with freed_memory_kept():
        loop.run()
    return loop.history
