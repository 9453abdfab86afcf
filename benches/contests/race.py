"""Taking turns: how Magnet and its rivals are timed, and what is kept of it."""

from __future__ import annotations

import importlib
import statistics
import sys
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from types import ModuleType

INSTALL = "python -m pip install --group rivals"


# Contests that are over sooner, in seconds, get more turns.
SHORT = 3.0


def timed(run: Callable[[], Any]) -> float:
    """Seconds that one call takes."""
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


@dataclass(frozen=True)
class Row:
    """One line of the table: Magnet against one rival.

    `ratio` is the rival's median time over Magnet's; `low` and `high` are the smallest and largest ratio of
    two turns in the same round. Without a rival (a missing package) times and ratio are None.
    """

    section: str
    case: str
    rival: str
    magnet: float | None = None  # seconds, median
    other: float | None = None
    ratio: float | None = None
    low: float | None = None
    high: float | None = None
    must: float | None = None
    stretch: float | None = None
    note: str = ""

    @property
    def key(self) -> str:
        """What the baseline calls this line."""
        return f"{self.section} | {self.case} | {self.rival}"

    @property
    def verdict(self) -> str:
        """Which of its targets the ratio reaches."""
        if self.ratio is None or self.must is None:
            return ""
        if self.stretch is not None and self.ratio >= self.stretch:
            return "stretch"
        return "must" if self.ratio >= self.must else "missed"


@dataclass
class Contest:
    """What a section is told, and where it leaves its rows.

    Attributes:
        kind: Kind of machine, which decides sizes and targets.
        threads: Threads of every contestant.
        size: `quick` (a tenth, to see that all works), `targets` (those that targets speak of) or `full`
            (the largest as well).
        rounds: Turns of each contestant; five times as many where a contest is short.
    """

    kind: str
    threads: int
    size: str = "targets"
    rounds: int = 3
    section: str = ""
    rows: list[Row] = field(default_factory=list)

    def scaled(self, *numbers: int) -> tuple[int, ...]:
        """The numbers, or a tenth of each for a quick look."""
        return tuple(max(1, n // 10) for n in numbers) if self.size == "quick" else numbers

    def race(
        self,
        case: str,
        magnet: Callable[[], Any],
        rivals: Mapping[str, Callable[[], Any]],
        *,
        slow: Mapping[str, Callable[[], Any]] | None = None,
        targets: Mapping[str, Mapping[str, tuple[float, float]]] | None = None,
        notes: Mapping[str, str] | None = None,
    ) -> None:
        """Times all in turn; `slow` rivals run once, at the end. `targets` holds (must, stretch) by rival and kind."""
        slow, targets, notes = slow or {}, targets or {}, notes or {}
        times: dict[str, list[float]] = {name: [] for name in ("magnet", *rivals, *slow)}
        rounds, done = self.rounds, 0
        while done < rounds:
            # Each in turn goes first: who follows whom decides what lies in the caches.
            order = [("magnet", magnet), *rivals.items()]
            for name, run in order[done % len(order) :] + order[: done % len(order)]:
                times[name].append(timed(run))
            done += 1
            if done == self.rounds and self.size != "quick" and sum(map(sum, times.values())) < SHORT:
                # Milliseconds depend on when threads wake and memory is fresh: more turns even that out.
                rounds *= 5
        for name, run in slow.items():
            times[name].append(timed(run))
        mine = times.pop("magnet")
        for name, theirs in times.items():
            must, stretch = (None, None)
            if self.size != "quick":
                must, stretch = targets.get(name, {}).get(self.kind, (None, None))
            each = [b / a for a, b in zip(mine, theirs, strict=False)]
            self.add(
                case,
                name,
                magnet=statistics.median(mine),
                other=statistics.median(theirs),
                ratio=statistics.median(theirs) / statistics.median(mine),
                low=min(each),
                high=max(each),
                must=must,
                stretch=stretch,
                note="; ".join(filter(None, [notes.get(name, ""), "timed once" if name in slow else ""])),
            )

    def add(self, case: str, rival: str, **values: Any) -> None:
        """Adds a row and shows it on standard error, so that a long run can be followed."""
        row = Row(self.section, case, rival, **values)
        self.rows.append(row)
        shown = f"{row.ratio:.2f} x" if row.ratio is not None else row.note
        print(f"{row.key}: {shown} {row.verdict}", file=sys.stderr, flush=True)

    def optional(self, package: str, case: str) -> ModuleType | None:
        """A rival's package; where it is missing, a row says so and how to get it."""
        try:
            return importlib.import_module(package)
        except ImportError as error:
            self.add(case, package, note=f"not measured: {error}; {INSTALL}")
            return None
