"""The trials of one tuning on disk: a file for each, whole or not there."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from magnet.errors import RunError
from magnet.evaluate.metrics import TARGET
from magnet.files import as_json, read_sealed, write_sealed
from magnet.placing import make_folder, storing
from magnet.study.identity import key_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from magnet.study.store import RunStore

__all__ = ["STATES", "Trial", "TrialLog"]

STATES = ("complete", "pruned", "failed")
"""Trained to its end; given up because validation fell behind; ended by an error of the training."""


@dataclass(frozen=True)
class Trial:
    """Settings that were tried.

    Attributes:
        number: From 0, which are the settings that tuning began with.
        params: By key, what was searched.
        state: One of :data:`STATES`.
        metrics: Of validation; empty unless complete.
        steps: Recall@20 of each validation of the first stage that has any; empty for a closed form.
        seconds: It took, from data in memory to a trained model.
        key: Of the experiment in the store, if complete.
        training: The key of its run folder.
    """

    number: int
    params: dict[str, Any]
    state: str
    metrics: dict[str, float] = field(default_factory=dict)
    steps: list[float] = field(default_factory=list)
    seconds: float = 0.0
    key: str = ""
    training: str = ""

    @property
    def value(self) -> float:
        """What is to be made large; 0 unless complete."""
        return self.metrics.get(TARGET, 0.0)

    def to_json(self) -> dict[str, Any]:
        """JSON-compatible data."""
        return as_json(asdict(self))  # type: ignore[no-any-return]


class TrialLog:
    """Trials of one tuning, in the store of experiments.

    ::

        STORE/tunings/KEY/tuning.json   what is tuned
        STORE/tunings/KEY/0000.json     a trial, renamed into place

    Args:
        store: Where.
        tuning: Everything that decides what is tried, JSON-compatible; its key names the folder.

    Raises:
        RunError: If the store cannot be written.
    """

    def __init__(self, store: RunStore, tuning: Mapping[str, Any]) -> None:
        self.key, self.sealed = key_of(tuning), store.sealed
        self.path = store.path / "tunings" / self.key
        with storing(self.path):
            make_folder(self.path)
        if not (self.path / "tuning.json").is_file():
            write_sealed(self.path / "tuning.json", tuning)

    def read(self) -> list[Trial]:
        """All trials, in order.

        Raises:
            RunError: If a file is damaged, or one is missing between others.
        """
        files = sorted(self.path.glob("[0-9]*.json"))
        trials = []
        for number, file in enumerate(files):
            again = f"remove {self.path} to tune again; finished runs are kept"
            found = read_sealed(file, again, needed=self.sealed)
            if found.keys() != Trial.__dataclass_fields__.keys() or found["state"] not in STATES:
                raise RunError(f"{file}: damaged, it does not describe a trial; {again}")
            if found["number"] != number:
                raise RunError(f"{self.path}: trial {number} is missing; {again}")
            trials.append(Trial(**found))
        return trials

    def add(self, trial: Trial) -> None:
        """Keep a trial.

        Raises:
            StorageError: If the disk refuses it; the same command then goes on.
        """
        write_sealed(self.path / f"{trial.number:04}.json", trial.to_json())
