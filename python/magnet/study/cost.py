"""What a run costs: seconds and the most memory."""

from __future__ import annotations

import contextlib
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Cost", "measured"]

_CLEAR, _STATUS = Path("/proc/self/clear_refs"), Path("/proc/self/status")
_RESET_PEAK = "5"


@dataclass
class Cost:
    """What happened between the beginning and the end of :func:`measured`.

    Attributes:
        seconds: On the clock.
        cpu_seconds: Of all threads.
        memory: The most bytes that the whole process had in memory, what was there before included; None where the
            operating system does not tell.
    """

    seconds: float = 0.0
    cpu_seconds: float = 0.0
    memory: int | None = None


@contextlib.contextmanager
def measured() -> Iterator[Cost]:
    """Measure what the block costs; the numbers are there when it has ended."""
    cost = Cost()
    known = _reset_peak()
    started, busy = time.perf_counter(), time.process_time()
    try:
        yield cost
    finally:
        cost.seconds = time.perf_counter() - started
        cost.cpu_seconds = time.process_time() - busy
        cost.memory = _peak() if known else None


def _reset_peak() -> bool:
    """Begin a new peak: that of the whole process would be the one of its largest run."""
    try:
        _CLEAR.write_text(_RESET_PEAK)
    except OSError:
        return False
    return True


def _peak() -> int | None:
    try:
        lines = _STATUS.read_text().splitlines()
    except OSError:
        return None
    found = [line.split()[1] for line in lines if line.startswith("VmHWM:")]
    return int(found[0]) * 1024 if found else None
