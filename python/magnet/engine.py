"""The engine behind ``fit``: data in, a trained model and a run folder out."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from magnet.errors import ConfigError, DataError, RunError, with_command
from magnet.evaluate import Evaluation, evaluate
from magnet.evaluate.target import USUAL, target_of
from magnet.models.graphs import leading_axes, unit_features
from magnet.models.registry import find_model
from magnet.run.events import EventLog, events_before
from magnet.run.folder import RunContents, RunDescription, RunFolder
from magnet.run.ids import encode_ids
from magnet.train.config import TrainConfig
from magnet.train.log import LOGGER, EpochLogger
from magnet.train.loop import History, train
from magnet.train.progress import Reporter
from magnet.train.snapshot import Snapshot, backbone_only

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from magnet.config import Config
    from magnet.data import Dataset
    from magnet.states import State
    from magnet.train.task import Task

__all__ = ["Trainable", "Trainer", "backbone_facts"]

# Features kept for explanations are at most this wide, in float16: nearness survives that, and the folder stays small.
EXPLAINED_WIDTH = 256
# What a run can take from another one: the backbone of all training pairs, and of those that are not held out.
BACKBONES = ("backbone.", "fold.")


class Trainable(Protocol):
    """What :class:`Trainer` trains: a name in the registry, a configuration, and a place for the result."""

    @property
    def name(self) -> str:
        """As in the registry."""

    @property
    def config(self) -> Config:
        """Of that model."""

    @property
    def seed(self) -> int:
        """Of weights and draws."""

    def receive(self, description: RunDescription, contents: RunContents) -> None:
        """Take the trained model."""


class Trainer:
    """Trains a model on data; what :meth:`magnet.Magnet.fit` runs, with every part open.

    Args:
        model: What to train.
        dataset: Interactions and features.
        config: Epochs, batches and stopping instead of the model's own.
        protocol: Of validation, ``strict`` or ``mmrec``.
        folder: Run folder to write while training; without one nothing is written.
        overwrite: Whether a run folder that is there may be replaced.
        resume: Go on from the folder's last checkpoint.
        backbone: Run folder of a MAGNET with the same backbone, data and seed, whose trained backbone is used instead
            of training it again: controls that differ in the mixture alone then cost the mixture alone, and come out
            as if they had trained their own.
        progress: Whether to show progress on standard error.
        evaluator: Instead of the standard one: from a state to validation metrics with ``recall@20`` among them.
        schedule: Epochs of each phase, as :func:`magnet.train.schedule.schedule_of` finds them: the model is trained
            for so long, and nothing is validated.
        watch: Called with the record of each epoch, after it is over.

    Example:
        >>> import magnet
        >>> data = magnet.synthetic.generate("tiny").dataset
        >>> trainer = magnet.Trainer(magnet.EASE(), data, progress=False)
        >>> contents = trainer.fit()
        >>> round(contents.metrics["valid/strict"]["metrics"]["recall@20"], 1) > 0
        True
    """

    def __init__(
        self,
        model: Trainable,
        dataset: Dataset,
        config: TrainConfig | None = None,
        *,
        protocol: str = "strict",
        folder: str | Path | None = None,
        overwrite: bool = False,
        resume: bool = False,
        backbone: str | Path | None = None,
        progress: bool = True,
        evaluator: Callable[[State], Evaluation] | None = None,
        schedule: Sequence[int | None] | None = None,
        watch: Callable[[dict[str, Any]], None] | None = None,
    ) -> None:
        if resume and (folder is None or overwrite):
            raise ConfigError("resume needs the folder to go on in, and does not go together with overwrite")
        if resume and schedule is not None:
            raise ConfigError("a training by a schedule cannot be resumed; begin anew with overwrite")
        self.model, self.dataset, self.schedule = model, dataset, schedule
        self.entry = find_model(model.name)
        self.config = self._configured(config)
        self.protocol = protocol
        self.folder, self.overwrite, self.resume = folder, overwrite, resume
        self.backbone = backbone
        self.show = progress
        self.evaluator = evaluator or functools.partial(
            evaluate, dataset=dataset, part="valid", protocol=protocol
        )
        self._own_evaluator = evaluator is not None
        # A caller's own evaluator has the usual metric, and knows what it does.
        self.target = target_of(dataset) if evaluator is None else USUAL
        self.watch = watch
        self.history = History()
        self.task: Task | None = None

    def _configured(self, train_config: TrainConfig | None) -> Config:
        config = self.model.config
        if train_config is None:
            return config
        if not isinstance(getattr(config, "train", None), TrainConfig):
            raise ConfigError(
                f"{self.model.name} is solved in closed form; it takes no training configuration"
            )
        return config.model_copy(update={"train": train_config})

    def fit(self) -> RunContents:
        """Train, validate, and write the run folder if one was asked for.

        Returns:
            What the trained model knows; the model has received it too.

        Raises:
            DataError: If the data cannot train this model.
            RunError: If the folder exists, or holds another run than the one to resume.
            TrainingError: If the loss becomes NaN or infinite; the last checkpoint is kept.
        """
        if self.entry.fit is None and self.schedule is None and not self._validated:
            why = (
                f"{self.dataset.name}: {self.model.name} needs a validation part to choose its weights by, and there "
                "is none; mark rows as valid or let a rule draw a split"
            )
            raise with_command(
                DataError(
                    f"{why} (split='random'), and refit on everything when the settings are chosen: "
                    "fit(data, final=True)"
                ),
                f"{why} (--split random), and refit on everything when the settings are chosen: "
                "magnet train --final RUN",
            )
        description = self._description()
        run = self._open(description)
        try:
            return self._fit(run, description)
        finally:
            if run is not None:
                run.release()

    def _fit(self, run: RunFolder | None, description: RunDescription) -> RunContents:
        facts: dict[str, Any] = {}
        name, data = self.model.name, self.dataset
        for note in data.messages:
            LOGGER.info("%s: %s", data.name, note)
        LOGGER.info("%s: fit to %s, %d users, %d items", name, data.name, data.n_users, data.n_items)
        if self.entry.fit is not None:
            state = self.entry.fit(self.dataset, self.config, seed=self.model.seed)
        else:
            state, facts = self._train(run)
        found = self.evaluator(state) if self._validated else None
        content, axes = {}, {}
        for key, modality in self.dataset.modalities.items():
            rows = unit_features(modality, 0)
            if rows.shape[1] > EXPLAINED_WIDTH:
                axes[key] = leading_axes(rows, EXPLAINED_WIDTH)
                rows = rows @ axes[key]
            content[key] = rows.half()
        contents = RunContents(
            state=state,
            user_ids=self.dataset.user_ids,
            item_ids=self.dataset.item_ids,
            titles=self.dataset.titles,
            train=self.dataset.train,
            valid=self.dataset.valid,
            metrics={} if found is None else {f"valid/{self.protocol}": found.to_json(self.model.name)},
            valid_users=np.empty(0, dtype=np.int32) if found is None else found.users,
            valid_per_user={} if found is None else found.per_user,
            facts=facts | self.history.facts(),
            content=content,
            events=self.history.records,
            axes=axes,
            item_table=self.dataset.item_table,
        )
        if run is not None and not run.finished:
            run.finish(contents)
        LOGGER.info("%s: fitted, %s", name, contents.summary())
        self.model.receive(description, contents)
        return contents

    @property
    def _validated(self) -> bool:
        """Whether there is something to validate on; a caller's own evaluator brings it along."""
        return self._own_evaluator or bool(self.dataset.valid.nnz)

    def _description(self) -> RunDescription:
        source = self.dataset.source
        return RunDescription(
            model=self.model.name,
            config=self.config.resolved(),
            content_hash=self.dataset.content_hash,
            protocol=self.protocol,
            seed=self.model.seed,
            source=None if source is None else source.to_json(),
            module=None if self.entry.module.startswith("magnet.") else self.entry.module,
        )

    def _open(self, description: RunDescription) -> RunFolder | None:
        if self.folder is None:
            return None
        # Ids that a folder cannot keep are refused now, not after the training.
        encode_ids(self.dataset.user_ids, of="user")
        encode_ids(self.dataset.item_ids, of="item")
        if not self.resume:
            return RunFolder.create(self.folder, description, overwrite=self.overwrite)
        run = RunFolder.open(self.folder, unfinished=True)
        # Settings that the run does not know yet have their defaults.
        config = self.entry.config.build(run.description.config, where=str(run.path)).resolved()
        there = dataclasses.replace(run.description, config=config)
        for what in ("model", "config", "content_hash", "protocol", "seed"):
            was, now = getattr(there, what), getattr(description, what)
            if was != now:
                raise RunError(
                    f"{run.path}: cannot resume, its {what} differs from the one asked for: {was!r} there, {now!r} "
                    "here; give the same, or train into another folder"
                )
        # A finished run is read and not written: going on from its last checkpoint comes out where it ended.
        if not run.finished:
            run.claim()
        return run

    def _train(self, run: RunFolder | None) -> tuple[State, dict[str, Any]]:
        assert self.entry.task is not None
        self.task = task = self.entry.task(self.dataset, self.config, seed=self.model.seed)
        config = getattr(self.config, "train")  # noqa: B009 - only trained models come here
        position, borrowed = None, False
        if run is not None and self.resume and run.checkpoints.exists("last"):
            position = self._position(run, "last")
        elif self.backbone is not None:
            position, borrowed = self._borrowed_backbone(RunFolder.open(self.backbone)), True
        with contextlib.ExitStack() as stack:
            watchers: list[Callable[[dict[str, Any]], None]] = []
            watchers.append(EpochLogger(self.model.name, self.target))
            log, kept = None, None if run is None or run.finished else run
            if self.show:
                watchers.append(stack.enter_context(Reporter(self.model.name, target=self.target)))
            if kept is not None:
                log = stack.enter_context(EventLog(kept.events, keep=len(self.history.records)))
                if borrowed:
                    assert position is not None
                    # Who resumes this run finds the backbone's epochs and checkpoints here, as those of one of its own.
                    for record in self.history.records:
                        log.write(record)
                    for stage, snapshot in position[1].items():
                        kept.checkpoints.save(f"best-{stage}", snapshot.tensors, snapshot.meta)
            if self.watch is not None:
                watchers.append(self.watch)

            def keep(name: str, snapshot: Snapshot) -> None:
                if kept is not None and log is not None:
                    # A checkpoint knows the epochs before it: who goes on from it reports them as well.
                    meta = {**snapshot.meta, "events": log.digest}
                    kept.checkpoints.save(name, snapshot.tensors, meta)

            history = train(
                task,
                self.dataset,
                config,
                seed=self.model.seed,
                evaluate=lambda state: self.evaluator(state).metrics,
                target=self.target,
                log=lambda record: None if log is None else log.write(record),
                watch=lambda record: _tell(watchers, record),
                keep=keep,
                resume=position,
                schedule=self.schedule,
            )
        history.records = self.history.records + history.records
        self.history = history
        scheduled = {} if self.schedule is None else {"schedule": list(self.schedule)}
        return task.state(), task.facts() | scheduled

    def _position(self, run: RunFolder, name: str) -> tuple[Snapshot, dict[str, Snapshot]]:
        """A checkpoint to go on from, the best of each stage before it; its records become the history's."""
        start = Snapshot(*run.checkpoints.load(name))
        best = {stage: Snapshot(*run.checkpoints.load(f"best-{stage}")) for stage in start.meta["best"]}
        self.history.records = events_before(run.events, start.meta["epoch"], start.meta.get("events"))
        return start, best

    def _borrowed_backbone(self, run: RunFolder) -> tuple[Snapshot, dict[str, Snapshot]]:
        theirs, mine = backbone_facts(run.description), backbone_facts(self._description())
        # What is mixed without a backbone has none to take over, whatever the other run did.
        theirs["mixing.cross_fit"] = "holdout"
        for what, here in mine.items():
            if (there := theirs[what]) != here:
                raise RunError(
                    f"{run.path}: its backbone is another one: {what} is {there!r} there and {here!r} here"
                )
        if not run.checkpoints.exists("start-global"):
            raise RunError(
                f"{run.path}: no backbone to borrow; only a run with a mixture over signals has one"
            )
        start, best = self._position(run, "start-global")
        best = {stage: backbone_only(snapshot, BACKBONES) for stage, snapshot in best.items()}
        return backbone_only(start, BACKBONES, progress={"choices": {}, "gains": {}}), best


def backbone_facts(description: RunDescription) -> dict[str, Any]:
    """What the trained backbones of a MAGNET depend on, by name: runs that agree in it can share them."""
    parts = ("dim", "popularity", "behaviour", "graph", "loss", "train")
    config, mixing = description.config, description.config.get("mixing", {})
    return {
        "model": description.model,
        "data": description.content_hash,
        "seed": description.seed,
        "protocol": description.protocol,
        **{part: config.get(part) for part in parts},
        "mixing.share": mixing.get("share"),
        "mixing.cross_fit": mixing.get("cross_fit", "holdout"),
    }


def _tell(watchers: list[Callable[[dict[str, Any]], None]], record: dict[str, Any]) -> None:
    for watch in watchers:
        watch(record)
