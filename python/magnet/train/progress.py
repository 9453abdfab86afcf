"""What a training shows while it runs: a bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Column

from magnet.evaluate.metrics import metric_title
from magnet.evaluate.target import USUAL

if TYPE_CHECKING:
    from types import TracebackType

    from magnet.evaluate.target import Target

__all__ = ["Reporter"]

# Lines to a file come at most this often, in seconds, but for a new stage or a validation's record.
_QUIET = 5.0
_SHORT = {"recall@20": "R@20"}
# Columns of the bar and of the longest name beside it.
_BAR, _NAME = 12, 14


class Reporter:
    """Shows each epoch's record on standard error; standard output stays free for results.

    The bar is that of the phase. A phase may stop early, so that the time left is the most it can be.

    Args:
        name: Of the model.
        console: Where to write; standard error if not given.
        target: What validation chooses by; an unusual one is told at the start.
    """

    def __init__(self, name: str, console: Console | None = None, *, target: Target = USUAL) -> None:
        self.name, self.target = name, target
        self.console = console or Console(stderr=True)
        self.best = -1.0
        self._last_line = 0.0
        self._stage = ""
        self._phase_epochs = 0
        self._progress: Progress | None = None
        if self.console.is_terminal:
            self._progress = Progress(
                TextColumn("[bold]{task.description}", table_column=Column(no_wrap=True, max_width=_NAME)),
                BarColumn(bar_width=_BAR),
                MofNCompleteColumn(table_column=Column(no_wrap=True)),
                # What there is no room for ends in an ellipsis: bar and time left stay.
                TextColumn(
                    "{task.fields[text]}",
                    markup=False,
                    table_column=Column(ratio=1, no_wrap=True, overflow="ellipsis"),
                ),
                TextColumn("at most", table_column=Column(no_wrap=True)),
                TimeRemainingColumn(table_column=Column(no_wrap=True)),
                console=self.console,
                expand=True,
            )
            self._bar = self._progress.add_task(name, total=None, text="")

    def __enter__(self) -> Self:
        if self._progress is not None:
            self._progress.start()
        if self.target.why:
            self.console.print(
                f"{self.name}: {self.target.why}", highlight=False, markup=False, soft_wrap=True
            )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._progress is not None:
            self._progress.stop()

    def __call__(self, record: dict[str, Any]) -> None:
        """Show one epoch."""
        text = epoch_line(record, self.target.metric)
        if self._progress is not None:
            if record["phase_epochs"] <= self._phase_epochs:
                self._progress.reset(self._bar)  # a new phase: the old one's speed says nothing of it
            self._progress.update(
                self._bar,
                completed=record["phase_epochs"],
                total=record["phase_limit"],
                text=self._short(record),
            )
            if record["stage"] != self._stage or record.get("fired_by"):
                self._progress.console.print(f"{self.name}: epoch {record['epoch']}: {text}", highlight=False)
        else:
            now = time.monotonic()
            better = self._value(record) > self.best
            if (
                better
                or record["stage"] != self._stage
                or record.get("fired_by")
                or now - self._last_line > _QUIET
            ):
                self._last_line = now
                self.console.print(
                    f"{self.name} epoch {record['epoch']}: {text}",
                    highlight=False,
                    markup=False,
                    soft_wrap=True,
                )
        self._stage, self._phase_epochs = record["stage"], record["phase_epochs"]
        self.best = max(self.best, self._value(record))

    def _short(self, record: dict[str, Any]) -> str:
        """What counts most first, since the end may be cut: stage, best validation, first term of the loss."""
        parts = [record["stage"]]
        best = max(self.best, self._value(record))
        if best >= 0:
            metric = self.target.metric
            parts.append(f"{_SHORT.get(metric, metric_title(metric))} {best:.4f}")
        parts += [f"{name} {value:.4f}" for name, value in list(record["terms"].items())[:1]]
        return " · ".join(parts)

    def _value(self, record: dict[str, Any]) -> float:
        value: float = record.get("valid", {}).get(self.target.metric, -1.0)
        return value


def epoch_line(record: dict[str, Any], metric: str = USUAL.metric) -> str:
    """One epoch in one line: stage, loss terms, entropy, validation by the metric that chooses."""
    parts = [record["stage"]]
    parts += [f"{name} {value:.4f}" for name, value in record["terms"].items()]
    if "pair_entropy" in record:
        parts.append(f"entropy {record['pair_entropy']:.3f} loads {record['load_entropy']:.3f}")
        parts.append(f"experts {record['top_k']}")
    if "valid" in record:
        parts.append(f"valid {_SHORT.get(metric, metric_title(metric))} {record['valid'][metric]:.4f}")
    if record.get("fired_by"):
        parts.append(f"trigger: {record['fired_by']}")
    parts.append(f"{record['seconds']:.1f} s")
    return " · ".join(parts)
