"""Runs the trials of one tuning and its final choice, as far as the store lacks them."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NamedTuple

from magnet.config import changed, merged
from magnet.errors import RunError, TrainingError
from magnet.evaluate.metrics import TARGET, TIE
from magnet.models.registry import find_model
from magnet.models.space import nested, value_at
from magnet.run.events import read_events
from magnet.study.contenders import DELIVERED
from magnet.study.identity import takes_seed
from magnet.study.plan import Experiment, plan
from magnet.study.progress import StudyProgress
from magnet.study.runner import lends, run_one
from magnet.study.scoring import METRICS
from magnet.study.trials import Trial
from magnet.study.tuning import Finalist

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from magnet.data import Dataset
    from magnet.study.contenders import Contender
    from magnet.study.search import Search
    from magnet.study.store import Record, RunStore
    from magnet.study.trials import TrialLog

__all__ = ["TUNED", "Budget", "Tuner"]

TUNED = ("valid",)
"""The parts that are scored while tuning."""


class Budget(NamedTuple):
    """What a tuning may cost.

    Attributes:
        trials: At most.
        minutes: Of training after which no trial begins.
        finalists: The best trials, which are run with every seed.
    """

    trials: int
    minutes: float | None
    finalists: int

    def left(self, trials: Sequence[Trial]) -> bool:
        """Whether another trial may begin after these."""
        spent = sum(trial.seconds for trial in trials)
        return len(trials) < self.trials and (self.minutes is None or spent < 60 * self.minutes)


@dataclass(frozen=True)
class _Run:
    """What is shown of a run."""

    key: str
    title: str = ""
    kind: str = "trial"


class _FellBehindError(Exception):
    """Ends the training of a trial that is given up."""


class _Validations:
    """The validations of a trial's first stage that has any: later ones begin elsewhere and do not compare."""

    def __init__(self, falls_behind: Callable[[float], bool]) -> None:
        self.values: list[float] = []
        self.seconds = 0.0  # of the epochs before an interruption
        self._falls_behind = falls_behind
        self._stage: str | None = None

    def resumed(self, records: Sequence[dict[str, Any]]) -> None:
        """Epochs before an interruption."""
        self.seconds = sum(record["seconds"] for record in records)
        for record in records:
            self.see(record)

    def see(self, record: dict[str, Any]) -> None:
        """An epoch is over."""
        if "valid" not in record or record["stage"] != (self._stage or record["stage"]):
            return
        self._stage = record["stage"]
        self.values.append(record["valid"][TARGET])
        if self._falls_behind(self.values[-1]):
            raise _FellBehindError


class Tuner:
    """One tuning of one model on one data set.

    Args:
        given: The model with the settings that tuning begins with.
        dataset: Without its test part.
        search: What to try, and what to give up.
        log: Of the trials.
        store: Of the experiments.
        budget: Of it all.
        seeds: Of the final choice.
        protocol: Of validation.
        show: Whether to show progress.
    """

    def __init__(
        self,
        given: Contender,
        dataset: Dataset,
        search: Search,
        log: TrialLog,
        store: RunStore,
        *,
        budget: Budget,
        seeds: Sequence[int],
        protocol: str,
        show: bool,
    ) -> None:
        self.given, self.dataset, self.search = given, dataset, search
        self.log, self.store, self.budget = log, store, budget
        self.seeds = list(seeds) if takes_seed(given.model) else list(seeds[:1])
        self.protocol, self.show = protocol, show
        self._finals: list[Experiment] = []  # those that are over

    def run(self) -> tuple[list[Trial], list[Finalist]]:
        """Make what lacks.

        Returns:
            All trials in order, and the finalists, the chosen one first.

        Raises:
            TrainingError: If no trial could be trained to its end.
            KeyboardInterrupt: Saying what is kept.
        """
        trials: list[Trial] = []
        try:
            # Another process that tunes the same is waited for, and leaves nothing to do.
            with self.store.claimed(f"tuning-{self.log.key}"):
                for trial in self.log.read():
                    if self.budget.left(trials):
                        trials.append(trial)
                with self._progress(trials) as progress:
                    self._try(trials, progress)
                    return trials, self._choose(trials, progress)
        except KeyboardInterrupt as stop:
            stop.args = (
                f"interrupted; {len(trials)} of {self.budget.trials} trials are in {self.store.path}, and the same "
                "command goes on from there",
            )
            raise

    def _progress(self, trials: Sequence[Trial]) -> StudyProgress:
        waiting = [_Run(f"trial {number}") for number in range(len(trials), self.budget.trials)]
        waiting += [_Run(f"final {n}") for n in range(self.budget.finalists * (len(self.seeds) - 1))]
        known = {"trial": [trial.seconds for trial in trials if trial.state == "complete"]}
        return StudyProgress(waiting, stored=len(trials), known=known, show=self.show)

    def _try(self, trials: list[Trial], progress: StudyProgress) -> None:
        while self.budget.left(trials):
            params = self._begin() if not trials else self.search.next(trials)
            if params is None:
                break
            trial = self._trial(params, trials, progress)
            self.log.add(trial)
            trials.append(trial)
            self._make_room(trials)
        progress.drop([key for key in progress.waiting if key.startswith("trial")])

    @property
    def _on(self) -> str:
        return f"{self.given.model} on {self.dataset.name}:"

    def _begin(self) -> dict[str, Any]:
        config = self.given.recommender(0).config.resolved()
        return {key: value_at(config, key) for key in self.search.space}

    def _trial(self, params: dict[str, Any], trials: Sequence[Trial], progress: StudyProgress) -> Trial:
        number = len(trials)
        shown = _Run(f"trial {number}", f"{self._on} trial {number + 1}, {_words(params)}")
        (one,) = self._experiments(params, self.seeds[:1])
        seen = _Validations(self.search.pruning(trials))

        def watch(record: dict[str, Any]) -> None:
            progress.epoch(record)
            seen.see(record)

        progress.begin(shown)
        started = time.perf_counter()
        trial = Trial(number, params, "complete", training=one.training)
        try:
            record = self._made(one, trials, watch, seen.resumed)
        except (_FellBehindError, TrainingError) as error:
            state = "pruned" if isinstance(error, _FellBehindError) else "failed"
            seconds = time.perf_counter() - started + seen.seconds
            trial = replace(trial, state=state, steps=seen.values, seconds=seconds)
            said = "given up, it fell behind" if state == "pruned" else f"failed: {error}"
        else:
            trial = replace(
                trial,
                key=record.key,
                metrics=_metrics(record),
                steps=seen.values or self._steps(one),
                seconds=record.facts["cost"]["seconds"],
            )
            said = f"validation Recall@20 {trial.value:.4f}"
        progress.end(shown, trial.seconds, said)
        return trial

    def _experiments(self, params: dict[str, Any], seeds: Sequence[int]) -> list[Experiment]:
        contender = replace(self.given, settings=self.settings(params))
        datasets = {self.dataset.name: self.dataset}
        return plan([contender], datasets, seeds, protocol=self.protocol, parts=TUNED)

    def settings(self, params: dict[str, Any]) -> dict[str, Any]:
        """The settings of a trial, as far as they differ from the defaults."""
        config = find_model(self.given.model).config
        values: dict[str, Any] = dict(self.given.settings)
        for key, value in params.items():
            values = merged(values, nested(key, value))
        return changed(config.build(values, where="tune").resolved(), config.build().resolved())

    def _made(
        self,
        one: Experiment,
        trials: Sequence[Trial],
        watch: Callable[[dict[str, Any]], None],
        resumed: Callable[[Sequence[dict[str, Any]]], None] | None = None,
    ) -> Record:
        with self.store.claimed(one.training):
            if (record := self._known(one)) is not None:
                return record
            return run_one(one, self.store, self._lenders(trials), watch, resumed=resumed)

    def _known(self, one: Experiment) -> Record | None:
        """The experiment, or the one of a comparison, which has scored validation as well."""
        return self.store.find(one.key) or self.store.find(one.training)

    def _steps(self, one: Experiment) -> list[float]:
        """The validations of a run that is in the store; none where its folder is gone."""
        seen = _Validations(lambda value: False)
        try:
            seen.resumed(read_events(self.store.run_folder(one.training) / "events.jsonl"))
        except (OSError, RunError):
            return []
        return seen.values

    def _best(self, trials: Sequence[Trial]) -> list[Trial]:
        complete = {trial.training: trial for trial in reversed(trials) if trial.state == "complete"}
        order = sorted(
            complete.values(), key=lambda trial: (-trial.value, -trial.metrics.get(TIE, 0.0), trial.number)
        )
        return order[: self.budget.finalists]

    def _lenders(self, trials: Sequence[Trial]) -> dict[str, Path]:
        """Backbones of the best trials: where only the mixture is tuned, one is trained for each seed."""
        lenders: dict[str, Path] = {}
        best = [self._experiments(trial.params, self.seeds[:1])[0] for trial in self._best(trials)]
        for one in [*best, *self._finals]:
            backbone, folder = one.backbone(), self.store.run_folder(one.training)
            if backbone is not None and backbone not in lenders and lends(folder):
                lenders[backbone] = folder
        return lenders

    def _make_room(self, trials: Sequence[Trial]) -> None:
        """Run folders take the most room; those of trials that will not be chosen are of no more use."""
        kept = {trial.training for trial in self._best(trials)}
        for trial in trials:
            folder = self.store.run_folder(trial.training)
            if trial.training in kept or not folder.is_dir():
                continue
            with self.store.claimed(trial.training, wait=False) as mine:
                if mine and self.store.find(trial.training) is None:
                    self.store.discard_run(trial.training)

    def _choose(self, trials: Sequence[Trial], progress: StudyProgress) -> list[Finalist]:
        best = self._best(trials)
        if not best:
            raise TrainingError(
                f"{self.given.model} on {self.dataset.name}: none of {len(trials)} trials could be trained to its end; "
                "search lower learning rates"
            )
        found = []
        for trial in best:
            metrics: dict[str, list[float]] = {metric: [] for metric in METRICS}
            for one in self._experiments(trial.params, self.seeds):
                values = _metrics(self._final(one, trial.number, trials, progress))
                self._finals.append(one)
                for metric in METRICS:
                    metrics[metric].append(values[metric])
            found.append(Finalist(trial.number, self.settings(trial.params), list(self.seeds), metrics))
        progress.drop([*progress.waiting])
        return sorted(found, key=lambda one: (-one.mean(TARGET), -one.mean(TIE), one.number))

    def _final(
        self, one: Experiment, number: int, trials: Sequence[Trial], progress: StudyProgress
    ) -> Record:
        key = next((key for key in progress.waiting if key.startswith("final")), "")
        if (record := self._known(one)) is not None:
            if one.seed != self.seeds[0]:
                progress.drop([key])
            return record
        shown = _Run(key, f"{self._on} trial {number + 1}, seed {one.seed}")
        progress.begin(shown)
        record = self._made(one, trials, progress.epoch)
        progress.end(
            shown, record.facts["cost"]["seconds"], f"validation Recall@20 {_metrics(record)[TARGET]:.4f}"
        )
        return record


def _metrics(record: Record) -> dict[str, float]:
    facts = record.facts
    scores = facts["scores"][facts["answers"][DELIVERED]]["valid"]
    return {metric: scores[metric] for metric in METRICS}


def _words(params: dict[str, Any]) -> str:
    return ", ".join(f"{key}={value}" for key, value in params.items())
