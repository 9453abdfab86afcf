"""Data, settings and finished runs that every part begins from."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING

from torture import forks
from torture.runs import picture

if TYPE_CHECKING:
    import random
    from pathlib import Path

    from torture.forks import Ended
    from torture.table import Table

__all__ = ["MODELS", "Setting"]

ONE = ["--threads", "1", "--set", "dim=8"]
MODELS = {
    "lightgcn": [
        *ONE,
        *("--set", "train.epochs=12"),
        "--set",
        "train.batch_size=512",
        "--set",
        "train.validate_every=8",
    ],
    "magnet": [
        *ONE,
        *("--set", "train.epochs=2", "--set", "train.batch_size=512"),
        *("--set", "controller.cap=2", "--set", "controller.ramp=1"),
        *("--set", "mixing.global_steps=2", "--set", "mixing.steps=4", "--set", "mixing.top=20"),
        *("--set", 'mixing.behaviour=[{"kind": "filter"}]', "--set", 'mixing.content=[{"kind": "item-knn"}]'),
    ],
}
"""Trainings of half a second to a second, with several epochs, phases and validations."""


@dataclass
class Setting:
    """Where the torture works, and what it compares with.

    Attributes:
        root: A folder of its own.
        table: Of results.
        quick: Whether a look is enough.
        random: Draws every moment and place; the seed is printed.
    """

    root: Path
    table: Table
    quick: bool
    random: random.Random

    def __post_init__(self) -> None:
        self.said = self.root / "said"
        self.data = self.root / "data"
        made = self.run("data", "synthetic", "--out", self.data, "--size", "tiny")
        assert made.code == 0, made.err
        self.whole: dict[str, dict[str, bytes]] = {}
        self.took: dict[str, float] = {}
        for model in MODELS:
            done = self.run(*self.training(model, self.finished(model)))
            assert done.code == 0, done.err
            self.whole[model], self.took[model] = picture(self.finished(model)), done.seconds

    def finished(self, model: str) -> Path:
        """The run folder of the uninterrupted training; never changed."""
        return self.root / "finished" / model

    def training(self, model: str, out: Path, *more: object) -> list[object]:
        """A command line."""
        return ["train", "--data", self.data, "--model", model, *MODELS[model], "--out", out, *more]

    def run(self, *arguments: object, seconds: float = 120) -> Ended:
        """A command to its end."""
        return forks.start(arguments, self.said).wait(seconds)

    def empty(self, name: str) -> Path:
        """A folder of that name with nothing in it."""
        folder = self.root / name
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        return folder
