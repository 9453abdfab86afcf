"""What a tuning found: trials, the finalists with their seeds, and the settings that were chosen."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from magnet.api import make
from magnet.evaluate.metrics import TARGET
from magnet.study.statistics import mean_and_deviation

if TYPE_CHECKING:
    from pathlib import Path

    from magnet.api import Recommender
    from magnet.data import DataSource
    from magnet.study.trials import Trial

__all__ = ["Finalist", "Tuning"]


@dataclass(frozen=True)
class Finalist:
    """One of the best trials, over seeds.

    Attributes:
        number: Of the trial.
        settings: What differs from the model's defaults, parts nested.
        seeds: Of its runs; one for a model that draws nothing.
        metrics: Of validation, by metric the values of the seeds.
    """

    number: int
    settings: dict[str, Any]
    seeds: list[int]
    metrics: dict[str, list[float]]

    def mean(self, metric: str = TARGET) -> float:
        """Over seeds."""
        return mean_and_deviation(self.metrics[metric])[0]

    def to_json(self) -> dict[str, Any]:
        """JSON-compatible data."""
        return dict(vars(self))


@dataclass(frozen=True, eq=False, repr=False)
class Tuning:
    """A tuning of one model on one data set, by validation alone.

    Attributes:
        model: Its registered name.
        data: Name of the data.
        source: Where they were read from; None for data from memory.
        protocol: Of validation.
        space: What was searched, as the command takes it.
        trials: In order.
        finalists: The best trials over seeds; the chosen one first.
        store: Folder of the experiments.
    """

    model: str
    data: str
    source: DataSource | None
    protocol: str
    space: list[str]
    trials: list[Trial]
    finalists: list[Finalist]
    store: Path

    def __repr__(self) -> str:
        return self.text()

    @property
    def settings(self) -> dict[str, Any]:
        """The chosen settings, as far as they differ from the model's defaults; parts nested."""
        return self.finalists[0].settings

    def recommender(self, *, seed: int = 0) -> Recommender:
        """The model with the chosen settings, not fitted.

        Args:
            seed: Of the weights and of every draw.
        """
        return make(self.model, seed=seed, **self.settings)

    def to_json(self) -> dict[str, Any]:
        """JSON-compatible data, unrounded."""
        return {
            "model": self.model,
            "data": self.data,
            "source": None if self.source is None else self.source.to_json(),
            "protocol": self.protocol,
            "space": self.space,
            "trials": [trial.to_json() for trial in self.trials],
            "finalists": [finalist.to_json() for finalist in self.finalists],
            "settings": self.settings,
            "seconds": sum(trial.seconds for trial in self.trials),
        }

    def text(self) -> str:
        """Tables for a terminal, and the chosen settings."""
        from magnet.study.report_tuning import text

        return text(self)

    def toml(self, config: str = "FILE.toml") -> str:
        """The chosen settings as a file for ``magnet train --config``.

        Args:
            config: Its name, for the command in its first line.

        Raises:
            MissingExtraError: If tomli-w is not installed.
        """
        from magnet.study.report_tuning import toml

        return toml(self, config)
