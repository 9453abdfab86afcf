"""What a comparison found: rows with means over seeds, and differences with what they are worth."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

import polars as pl

from magnet.evaluate.metrics import TARGET
from magnet.files import as_json
from magnet.study.contenders import DELIVERED
from magnet.study.statistics import DRAWS, LEVEL, POWER, Difference, mean_and_deviation

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["Comparison", "Gap", "Row"]


@dataclass(frozen=True, eq=False, repr=False)
class Row:
    """One answer of one model on one data set, over its seeds.

    Attributes:
        data: Name of the data.
        name: Of the model in the comparison.
        answer: ``delivered``, or a candidate of a MAGNET.
        seeds: Of its runs; one for a model that draws nothing.
        metrics: By part and metric the values of the seeds.
        n_users: By part.
        seconds: Of each run, from data in memory to a trained model, a borrowed backbone included; empty for
            candidates, which cost nothing beside the run that made them.
        memory: The most bytes of the process in each run, where it is known.
        delivered: What validation chose in each run, for models that have a choice.
        information: Of each run with a router, the most mutual information of its routing, net of missing cues.
        command: That makes the row again.
        made_by: The key in the store and the state within it of each run; rows that agree in it are the same answers.
        recovery: Of each run on generated data, the share of users whose planted cue is named, by the way of naming;
            see :mod:`magnet.study.planted`.
        oracle: The same of a router that knows the truth, with its Recall@20.
        values: Of each user in the compared part, by column; averages over seeds.
    """

    data: str
    name: str
    answer: str
    seeds: list[int]
    metrics: dict[str, dict[str, list[float]]]
    n_users: dict[str, int]
    seconds: list[float]
    memory: list[int]
    delivered: list[str]
    information: list[float]
    command: str | None
    made_by: list[tuple[str, str]]
    recovery: list[dict[str, float]] = field(default_factory=list)
    oracle: list[dict[str, float]] = field(default_factory=list)
    values: pl.DataFrame = field(default_factory=pl.DataFrame)

    @property
    def label(self) -> str:
        """Model and answer in words."""
        return self.name if self.answer == DELIVERED else f"{self.name}: {self.answer}"

    def to_json(self) -> dict[str, Any]:
        """JSON-compatible data; each user's values stay in the store."""
        parts = {
            part: {
                metric: dict(zip(("mean", "deviation"), mean_and_deviation(values), strict=True))
                | {"seeds": values}
                for metric, values in metrics.items()
            }
            for part, metrics in self.metrics.items()
        }
        return {
            "data": self.data,
            "label": self.label,
            "name": self.name,
            "answer": self.answer,
            "seeds": self.seeds,
            **parts,
            "n_users": self.n_users,
            "seconds": self.seconds,
            "memory_bytes": self.memory,
            **({"recovery": self.recovery} if self.recovery else {}),
            **({"oracle": self.oracle} if self.oracle else {}),
            "delivered": self.delivered,
            "information": self.information,
            "command": self.command,
            "keys": [key for key, _ in self.made_by],
        }


@dataclass(frozen=True)
class Gap:
    """How far one row is from another.

    Attributes:
        data: Name of the data.
        row: Label of the one.
        against: Label of the other; the difference is the one minus the other.
        metric: Such as ``recall@20``.
        group: Of users or items; empty for all of them.
        found: Over users, averages over seeds.
        p_holm: Its p-value adjusted to the family, which is all gaps of the metric without a group; None with one.
        p_seeds: Of the test over seeds; None where it cannot be made.
    """

    data: str
    row: str
    against: str
    metric: str
    group: str
    found: Difference
    p_holm: float | None = None
    p_seeds: float | None = None

    def to_json(self) -> dict[str, Any]:
        """JSON-compatible data."""
        values = asdict(self)
        return as_json({**{k: v for k, v in values.items() if k != "found"}, **values["found"]})  # type: ignore[no-any-return]


@dataclass(frozen=True, eq=False, repr=False)
class Comparison:
    """Models beside each other, on the same users.

    Attributes:
        protocol: ``strict`` or ``mmrec``.
        part: Whose values are compared; the other one is shown.
        reference: Name of the model that the others are compared with.
        rows: In the order of data and models.
        gaps: Of all users and items.
        slices: Of parts of them.
        data: Facts about the data, by name.
    """

    protocol: str
    part: str
    reference: str
    rows: list[Row]
    gaps: list[Gap]
    slices: list[Gap]
    data: dict[str, dict[str, Any]]

    def __repr__(self) -> str:
        return self.text()

    def gap(self, row: str, *, metric: str = TARGET, data: str | None = None, group: str = "") -> Gap | None:
        """The first gap of a row by its label; None if there is none.

        Args:
            row: Label.
            metric: Such as ``recall@20``.
            data: Name of the data; the first if not given.
            group: Of users or items; empty for all.
        """
        where = self.rows[0].data if data is None else data
        for gap in [*self.gaps, *self.slices]:
            if (gap.data, gap.row, gap.metric, gap.group) == (where, row, metric, group):
                return gap
        return None

    def to_json(self) -> dict[str, Any]:
        """JSON-compatible data, unrounded."""
        return {
            "protocol": self.protocol,
            "part": self.part,
            "reference": self.reference,
            "statistics": {"draws": DRAWS, "level": LEVEL, "power": POWER, "family": "metric"},
            "data": self.data,
            "rows": [row.to_json() for row in self.rows],
            "differences": [gap.to_json() for gap in self.gaps],
            "slices": [gap.to_json() for gap in self.slices],
        }

    def text(self) -> str:
        """Tables for a terminal."""
        from magnet.study.report import text

        return text(self)

    def markdown(self) -> str:
        """Tables with the command of each row."""
        from magnet.study.report import markdown

        return markdown(self)

    def latex(self) -> str:
        """The table of results for a paper, for the package ``booktabs``."""
        from magnet.study.report_latex import latex

        return latex(self)

    def plot(self, path: str | Path) -> None:
        """Draw results and differences with their intervals.

        Args:
            path: A file that ends in .png, .svg or .pdf.

        Raises:
            MissingExtraError: If matplotlib is not installed.
            DataError: If the file ends in something else.
        """
        from magnet.study.plot import plot

        plot(self, path)
