"""What a study shows while it runs: one display over all its runs, with the time that is left."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Protocol, Self

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TextColumn
from rich.table import Column
from rich.text import Text

from magnet.evaluate.metrics import TARGET

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from types import TracebackType

__all__ = ["Shown", "StudyProgress", "duration"]

_BAR = 12  # columns
_QUIET = 30.0  # seconds between lines of one run where there is no terminal


def duration(seconds: float) -> str:
    """A time to read.

    Example:
        >>> duration(0.71), duration(100), duration(9000)
        ('0.7 s', '1 min 40 s', '2 h 30 min')
    """
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


class Shown(Protocol):
    """What is shown of one run, which an :class:`magnet.study.plan.Experiment` has."""

    @property
    def key(self) -> str:
        """Unique among the runs."""

    @property
    def kind(self) -> str:
        """Runs of the same kind take about as long as each other."""

    @property
    def title(self) -> str:
        """The run in words."""


class StudyProgress:
    """Shows runs on standard error: a bar on a terminal, plain lines elsewhere.

    The time left is the sum of what runs of the same name took; runs of which none has been timed are counted instead.

    Args:
        waiting: The runs to come.
        stored: How many there are already.
        known: Seconds of runs so far, by :attr:`Shown.kind`.
        console: Where to write; standard error if not given.
        show: Whether to show anything.
    """

    def __init__(
        self,
        waiting: Iterable[Shown],
        *,
        stored: int,
        known: Mapping[str, list[float]],
        console: Console | None = None,
        show: bool = True,
    ) -> None:
        self.waiting = {experiment.key: experiment for experiment in waiting}
        self.done, self.total = stored, stored + len(self.waiting)
        self.known = {kind: list(seconds) for kind, seconds in known.items()}
        self.console = console or Console(stderr=True)
        self.show = show
        self._started = self._last = time.monotonic()
        self._now: Shown | None = None
        self._bar: Progress | None = None
        if show and self.console.is_terminal:
            self._bar = Progress(
                TextColumn("{task.completed}/{task.total}", table_column=Column(no_wrap=True)),
                BarColumn(bar_width=_BAR),
                # What there is no room for ends in an ellipsis: bar and time left stay.
                TextColumn(
                    "{task.description}",
                    markup=False,
                    style="bold",
                    table_column=Column(ratio=3, no_wrap=True, overflow="ellipsis"),
                ),
                TextColumn(
                    "{task.fields[text]}",
                    markup=False,
                    table_column=Column(ratio=2, no_wrap=True, overflow="ellipsis"),
                ),
                _Left(self),
                console=self.console,
                expand=True,
            )
            self._task = self._bar.add_task("", total=self.total, completed=self.done, text="")

    def __enter__(self) -> Self:
        if self._bar is not None:
            self._bar.start()
        if self.done:
            self._say(f"{self.done} of {self.total} runs are in the store already")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.stop()

    def begin(self, experiment: Shown) -> None:
        """A run begins."""
        self._now, self._started, self._last = experiment, time.monotonic(), time.monotonic()
        if self._bar is not None:
            self._bar.update(self._task, description=experiment.title, text="")
        else:
            self._say(f"run {self.done + 1} of {self.total}: {experiment.title}; {self.left()}")

    def epoch(self, record: Mapping[str, Any]) -> None:
        """An epoch of the run is over."""
        if self._bar is not None:
            found = f", R@20 {record['valid'][TARGET]:.4f}" if "valid" in record else ""
            self._bar.update(self._task, text=f"epoch {record['epoch']}{found}, {record['stage']}")
            return
        text = f"{record['stage']}, epoch {record['epoch']}"
        if "valid" in record:
            text += f", validation Recall@20 {record['valid'][TARGET]:.4f}"
        if time.monotonic() - self._last > _QUIET:
            self._last = time.monotonic()
            self._say(f"  {text}; {self.left()}")

    def end(self, experiment: Shown, seconds: float | None, text: str) -> None:
        """A run is over.

        Args:
            experiment: Which.
            seconds: It took; None if another process has made it.
            text: What came of it.
        """
        if seconds is not None:
            self.known.setdefault(experiment.kind, []).append(seconds)
        self.waiting.pop(experiment.key, None)
        self.done += 1
        self._now = None
        if self._bar is not None:
            self._bar.update(self._task, completed=self.done, text="")
        spent = "made by another process" if seconds is None else duration(seconds)
        self._say(f"{experiment.title}: {text}, {spent}")

    def drop(self, keys: Iterable[str]) -> None:
        """Some runs are not needed after all."""
        for key in keys:
            if self.waiting.pop(key, None) is not None:
                self.total -= 1
        if self._bar is not None:
            self._bar.update(self._task, total=self.total)

    def wait(self) -> None:
        """All that is left is being run by other processes."""
        self._say(f"waiting for another process, which runs what is left: {len(self.waiting)}")

    def left(self) -> str:
        """The time that is left, in words."""
        seconds, unknown = self._left()
        if not unknown:
            return f"about {duration(seconds)} left"
        runs = f"{unknown} run{'s' if unknown > 1 else ''} of a kind not timed yet"
        return f"about {duration(seconds)} left, and {runs}" if seconds else f"left: {runs}"

    def left_short(self) -> str:
        """The same for a bar: runs that nothing is known of are counted behind a plus sign."""
        seconds, unknown = self._left()
        if not unknown:
            return f"{duration(seconds)} left"
        runs = f"{unknown} run{'s' if unknown > 1 else ''}"
        return f"{duration(seconds)} + {runs} left" if seconds else f"{runs} left"

    def _left(self) -> tuple[float, int]:
        """Seconds of the runs that can be told, and how many cannot."""
        seconds, unknown = 0.0, 0
        for experiment in self.waiting.values():
            if not (timed := self.known.get(experiment.kind)):
                unknown += 1
                continue
            mean = sum(timed) / len(timed)
            spent = (
                time.monotonic() - self._started
                if self._now is not None and self._now.key == experiment.key
                else 0
            )
            seconds += max(0.0, mean - spent)
        return seconds, unknown

    def _say(self, text: str) -> None:
        if self.show:
            console = self.console if self._bar is None else self._bar.console
            console.print(text, highlight=False, markup=False, soft_wrap=True)


class _Left(ProgressColumn):
    """The time left, which goes on while an epoch takes long."""

    def __init__(self, study: StudyProgress) -> None:
        super().__init__(Column(no_wrap=True))
        self.study = study

    def render(self, task: Task) -> Text:
        """The text of the column."""
        del task
        return Text(self.study.left_short(), style="dim")
