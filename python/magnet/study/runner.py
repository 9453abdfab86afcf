"""Runs experiments that the store does not have yet: train, score every answer, keep."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from magnet.engine import Trainer
from magnet.errors import MagnetError, RunError
from magnet.evaluate.metrics import TARGET
from magnet.forks import use_polars
from magnet.models.registry import find_model
from magnet.run.folder import RunFolder
from magnet.runtime import num_threads, versions
from magnet.study.contenders import DELIVERED, ROUTED
from magnet.study.cost import measured
from magnet.study.plan import backbone_of
from magnet.study.planted import oracle, planted, recovered
from magnet.study.progress import StudyProgress
from magnet.study.scoring import score_states
from magnet.train.snapshot import Snapshot, restore_task

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence, Set
    from pathlib import Path

    from magnet.states import State
    from magnet.study.plan import Experiment
    from magnet.study.store import Record, RunStore
    from magnet.synthetic.generator import Synthetic

__all__ = ["lends", "run_all", "run_one"]

_ROUTED_STAGES = ("coverage", "specialisation")


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
    lenders = _lenders(store, {one.backbone() for one in waiting.values()} - lenders.keys()) | lenders
    with StudyProgress(waiting.values(), stored=len(found), known=known, show=show) as progress:
        wait = False
        while waiting:
            before = len(waiting)
            for one in list(waiting.values()):
                with store.claimed(one.training, wait=wait) as mine:
                    if not mine:
                        continue
                    record = store.find(one.key)
                    made = record is None
                    if record is None:
                        progress.begin(one)
                        record = run_one(one, store, lenders, progress.epoch)
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
    backbone, folder = one.backbone(), store.run_folder(one.training)
    if backbone is not None and backbone not in lenders and lends(folder):
        lenders[backbone] = folder


def _lenders(store: RunStore, wanted: Set[str | None]) -> dict[str, Path]:
    """Run folders of other studies in the store whose backbones some runs can borrow."""
    found: dict[str, Path] = {}
    for key in store.keys if wanted - {None} else []:
        try:
            record = store.find(key)
        except RunError:  # damaged: it is said when it is asked for
            continue
        assert record is not None
        backbone = backbone_of(record.experiment)
        if (
            backbone in wanted
            and backbone is not None
            and backbone not in found
            and lends(store.run_folder(key))
        ):
            found[backbone] = store.run_folder(key)
    return found


def lends(folder: Path) -> bool:
    """Whether a finished run has a backbone that others can borrow."""
    try:
        return RunFolder.open(folder).checkpoints.exists("start-global")
    except RunError:  # somebody made room, or it is damaged: a backbone can always be trained again
        return False


def _outcome(record: Record) -> str:
    facts = record.facts
    value = facts["scores"][facts["answers"][DELIVERED]]["valid"][TARGET]
    return f"validation Recall@20 {value:.4f}"


def run_one(
    one: Experiment,
    store: RunStore,
    lenders: Mapping[str, Path],
    watch: Callable[[dict[str, Any]], None],
    *,
    resumed: Callable[[Sequence[dict[str, Any]]], None] | None = None,
) -> Record:
    """Train, score and keep one experiment; what was interrupted is resumed. Call it with the training claimed.

    Args:
        one: Which.
        store: Where to.
        lenders: Run folders whose backbones may be borrowed, by :meth:`Experiment.backbone`.
        watch: Called with the record of each epoch; what it raises ends the run, which can be resumed.
        resumed: Called before the first of them, if there were epochs before an interruption, or of the run that lent
            the backbone.

    Raises:
        MagnetError: If the run fails; its name is told.
    """
    use_polars("an experiment")
    folder = store.run_folder(one.training) if find_model(one.contender.model).task is not None else None
    resume = folder is not None and _resumable(folder)
    here: list[float] = []  # seconds of the epochs of this session

    def note(record: dict[str, Any]) -> None:
        if not here and resumed is not None and trainer.history.records:
            resumed(trainer.history.records)
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
    made = planted(one.dataset) if "test" in one.parts else None
    truths: dict[str, dict[str, Any]] = {"recovery": {}, "oracle": {}}
    if made is not None:
        states = _compared_with(made, states, truths, one.protocol)
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
    facts |= {name: found for name, found in truths.items() if found}
    informations = [r["mutual_information"] for r in contents.events if "mutual_information" in r]
    if informations:
        facts["information"] = max(informations)
    return store.add(one.description, facts, values)


def _compared_with(
    made: Synthetic,
    states: Iterator[tuple[str, Callable[[], State]]],
    truths: dict[str, dict[str, Any]],
    protocol: str,
) -> Iterator[tuple[str, Callable[[], State]]]:
    """Note of each state, when it has been made, what its answers rest on."""

    def noted(name: str, make: Callable[[], State]) -> State:
        state = make()
        for what, said in (
            ("recovery", recovered(state, made)),
            ("oracle", oracle(state, made, protocol=protocol)),
        ):
            if said is not None:
                truths[what][name] = said
        return state

    return ((name, partial(noted, name, make)) for name, make in states)


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
