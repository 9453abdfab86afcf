"""Runs experiments that the store does not have yet: train, score every answer, keep."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from magnet.engine import Trainer, backbone_facts
from magnet.errors import MagnetError, RunError
from magnet.evaluate.metrics import TARGET
from magnet.models.registry import find_model
from magnet.run.folder import RunDescription, RunFolder
from magnet.runtime import num_threads, versions
from magnet.study.contenders import DELIVERED, ROUTED, without_modalities
from magnet.study.cost import measured
from magnet.study.identity import experiment, key_of, takes_seed
from magnet.study.progress import StudyProgress
from magnet.study.scoring import score_states
from magnet.train.snapshot import Snapshot, restore_task

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from pathlib import Path

    from magnet.data import Dataset
    from magnet.states import State
    from magnet.study.contenders import Contender
    from magnet.study.store import Record, RunStore

__all__ = ["PARTS", "Experiment", "plan", "run_all"]

PARTS = ("valid", "test")

_ROUTED_STAGES = ("coverage", "specialisation")


@dataclass(frozen=True, eq=False)
class Experiment:
    """One run of one model on one data set.

    Attributes:
        contender: The model.
        dataset: The data, without the modalities that are taken from this model.
        data: Name of the data in tables.
        seed: Of the training.
        protocol: ``strict`` or ``mmrec``.
        parts: Which are scored.
        description: All that its figures depend on.
        key: Its name in a store.
    """

    contender: Contender
    dataset: Dataset
    data: str
    seed: int
    protocol: str
    parts: tuple[str, ...]
    description: dict[str, Any]
    key: str

    @property
    def kind(self) -> str:
        """Runs of the same kind take about as long as each other."""
        return f"{self.contender.name} on {self.data}"

    @property
    def title(self) -> str:
        """Model, data and seed in words."""
        return f"{self.kind}, seed {self.seed}" if takes_seed(self.contender.model) else self.kind

    def backbone(self) -> str | None:
        """What runs that can share a trained backbone agree in; None where there is none to share."""
        config = self.description["config"]
        mixing = config.get("mixing", {})
        if self.contender.model != "magnet" or not config["mixture"] or mixing.get("cross_fit") != "holdout":
            return None
        described = RunDescription(
            model=self.contender.model,
            config=config,
            content_hash=self.dataset.content_hash,
            protocol=self.protocol,
            seed=self.seed,
            versions={},
        )
        return json.dumps(backbone_facts(described), sort_keys=True)


def plan(
    contenders: Iterable[Contender],
    datasets: dict[str, Dataset],
    seeds: Sequence[int],
    *,
    protocol: str,
    parts: tuple[str, ...] = PARTS,
) -> list[Experiment]:
    """List the runs that a comparison asks for: data by data, seed by seed, in the order of the models.

    A model that draws nothing has one run, whatever the seeds.

    Raises:
        ConfigError: If there is no such model, a setting is wrong, or the data lack a modality to leave out.
    """
    wanted = list(contenders)
    found = []
    for name, dataset in datasets.items():
        seen = {one.without: without_modalities(dataset, one.without) for one in wanted}
        for position, seed in enumerate(seeds):
            for contender in wanted:
                if position and not takes_seed(contender.model):
                    continue
                data, config = seen[contender.without], contender.recommender(seed).config
                described = experiment(
                    data, contender.model, config, seed=seed, protocol=protocol, parts=parts
                )
                found.append(
                    Experiment(
                        contender,
                        data,
                        name,
                        described["seed"],
                        protocol,
                        parts,
                        described,
                        key_of(described),
                    )
                )
    return found


def run_all(experiments: Sequence[Experiment], store: RunStore, *, show: bool = True) -> dict[str, Record]:
    """Make what the store lacks, and return all of it by key.

    Runs of which another process has taken hold are left to it, and waited for at the end.

    Raises:
        MagnetError: If a run fails; those before it are kept.
    """
    found: dict[str, Record] = {}
    waiting: dict[str, Experiment] = {}
    known: dict[str, list[float]] = {}
    lenders: dict[str, Path] = {}
    for one in experiments:
        if one.key in found or one.key in waiting:
            continue
        record = store.find(one.key)
        if record is None:
            waiting[one.key] = one
            continue
        _keep(one, record, found, lenders, store)
        known.setdefault(one.kind, []).append(record.facts["cost"]["spent_seconds"])
    with StudyProgress(waiting.values(), stored=len(found), known=known, show=show) as progress:
        wait = False
        while waiting:
            before = len(waiting)
            for one in list(waiting.values()):
                with store.claimed(one.key, wait=wait) as mine:
                    if not mine:
                        continue
                    record = store.find(one.key)
                    made = record is None
                    if record is None:
                        progress.begin(one)
                        record = _run(one, store, lenders, progress.epoch)
                    _keep(one, record, found, lenders, store)
                del waiting[one.key]
                wait = False
                seconds = record.facts["cost"]["spent_seconds"] if made else None
                progress.end(one, seconds, _outcome(record))
            if len(waiting) == before:
                # All that is left is with other processes.
                wait = True
                progress.wait()
    return found


def _keep(
    one: Experiment, record: Record, found: dict[str, Record], lenders: dict[str, Path], store: RunStore
) -> None:
    found[one.key] = record
    backbone, folder = one.backbone(), store.run_folder(one.key)
    if backbone is not None and backbone not in lenders and _lends(folder):
        lenders[backbone] = folder


def _lends(folder: Path) -> bool:
    try:
        return RunFolder.open(folder).checkpoints.exists("start-global")
    except RunError:  # somebody made room, or it is damaged: a backbone can always be trained again
        return False


def _outcome(record: Record) -> str:
    facts = record.facts
    value = facts["scores"][facts["answers"][DELIVERED]]["valid"][TARGET]
    return f"validation Recall@20 {value:.4f}"


def _run(
    one: Experiment, store: RunStore, lenders: dict[str, Path], watch: Callable[[dict[str, Any]], None]
) -> Record:
    folder = store.run_folder(one.key) if find_model(one.contender.model).task is not None else None
    resume = folder is not None and _resumable(folder)
    here: list[float] = []  # seconds of the epochs of this session

    def note(record: dict[str, Any]) -> None:
        here.append(record["seconds"])
        watch(record)

    trainer = Trainer(
        one.contender.recommender(one.seed),
        one.dataset,
        protocol=one.protocol,
        folder=folder,
        overwrite=folder is not None and not resume,
        resume=resume,
        backbone=lenders.get(one.backbone() or ""),
        progress=False,
        watch=note,
    )
    try:
        with measured() as cost:
            contents = trainer.fit()
    except MagnetError as error:
        error.args = (f"{one.title}: {error}", *error.args[1:])
        raise
    # What was trained before an interruption, or by the run that lent the backbone, belongs to the cost.
    earlier = sum(record["seconds"] for record in contents.events) - sum(here)
    answers, states = _answers(trainer, contents.facts)
    scores, values = score_states(states, one.dataset, protocol=one.protocol, parts=one.parts)
    facts: dict[str, Any] = {
        "model": one.contender.model,
        "data": {
            "name": one.dataset.name,
            "source": None if one.dataset.source is None else one.dataset.source.to_json(),
        },
        "answers": answers,
        "scores": scores,
        "cost": {
            "seconds": cost.seconds + earlier,
            "spent_seconds": cost.seconds,
            "spent_cpu_seconds": cost.cpu_seconds,
            "memory": cost.memory,
            "threads": num_threads(),
        },
        "versions": versions(),
        **{
            name: contents.facts[name]
            for name in ("best", "delivered", "fired_by", "fired_at", "signals")
            if name in contents.facts
        },
    }
    informations = [r["mutual_information"] for r in contents.events if "mutual_information" in r]
    if informations:
        facts["information"] = max(informations)
    return store.add(one.description, facts, values)


def _resumable(folder: Path) -> bool:
    try:
        run = RunFolder.open(folder, unfinished=True)
        if run.checkpoints.exists("last"):
            run.checkpoints.load("last")
    except RunError:
        return False
    return True


def _answers(
    trainer: Trainer, facts: dict[str, Any]
) -> tuple[dict[str, str], Iterator[tuple[str, Callable[[], State]]]]:
    """Which state stands behind each answer, and what makes each state; the delivered one is made last."""
    best = facts.get("best", {})
    if len(best) < 2 or trainer.folder is None:
        state = trainer.model.contents.state  # type: ignore[attr-defined]
        return {DELIVERED: DELIVERED}, iter([(DELIVERED, lambda: state)])
    answers = {stage: stage for stage in best}
    answers[DELIVERED] = facts["delivered"]
    routed = [stage for stage in _ROUTED_STAGES if stage in best]
    if routed:
        answers[ROUTED] = max(routed, key=lambda stage: trainer.target.standing(best[stage]))
    checkpoints = RunFolder.open(trainer.folder).checkpoints

    def restored(stage: str) -> State:
        assert trainer.task is not None
        restore_task(trainer.task, Snapshot(*checkpoints.load(f"best-{stage}")))
        return trainer.task.state()

    return answers, ((stage, lambda stage=stage: restored(stage)) for stage in best)
