"""What happens to threads when a process forks: none of them comes along to the child, which would wait for them.

Magnet's own threads are started anew (``rust/src/pool.rs``). Those of OpenMP, which torch computes with, are ended
before the fork, and parent and child start their own when they next need some. Those of polars, which reads tables,
can be neither ended nor started anew: where they had been started, the child refuses what needs them.
"""

from __future__ import annotations

import ctypes
import os
import re
import sys
from pathlib import Path

from magnet.errors import ForkError

__all__ = ["use_openmp", "use_polars"]

_THREADS, _MAPPED = Path("/proc/self/task"), Path("/proc/self/maps")
_OF_POLARS = re.compile(r"polars-\d+|tokio-rt-worker")
_PAUSE_HARD = 2  # of omp_pause_resource_t, in omp.h

_WAYS = (
    "start the processes by multiprocessing.get_context('spawn') or 'forkserver', which begin without threads, or fork "
    "before the first such call"
)

# What this process has started, and what its parent had when it forked.
_started = {"polars": False, "openmp": False}
_lost = {"polars": False, "openmp": False}
_losing = dict(_lost)  # of the fork that is under way


def use_polars(what: str) -> None:
    """Make sure, before polars works on all its threads, that it has them.

    Args:
        what: What is about to be done, for the message.

    Raises:
        ForkError: If this process was forked from one whose threads of polars had been started.
    """
    if _lost["polars"]:
        raise ForkError(
            f"{what} would wait for ever: this process was forked from one that had worked with tables already, and "
            f"the threads of polars do not outlive a fork; {_WAYS}"
        )
    _started["polars"] = True


def use_openmp(what: str, *, threads: int) -> None:
    """Make sure, before torch works on several threads, that it has them.

    Args:
        what: What is about to be done, for the message.
        threads: How many torch uses; a single one needs no others.

    Raises:
        ForkError: If this process was forked from one whose threads of OpenMP had been started and could not be ended.
    """
    if threads == 1:
        return
    if _lost["openmp"]:
        raise ForkError(
            f"{what} on {threads} threads would wait for ever: this process was forked from one that had trained "
            f"already, and the threads of its OpenMP library do not outlive a fork; {_WAYS}, or use one thread "
            "(magnet.set_num_threads(1))"
        )
    _started["openmp"] = True


def _before() -> None:
    _losing["polars"] = _lost["polars"] or _started["polars"] or _polars_runs()
    _losing["openmp"] = _lost["openmp"] or (not _ended_openmp() and _started["openmp"])


def _in_child() -> None:
    _lost.update(_losing)


def _polars_runs() -> bool:
    """Whether anybody in this process has made polars start its threads; Linux tells by their names."""
    if "polars" not in sys.modules:
        return False
    for thread in _THREADS.glob("*/comm"):
        try:
            if _OF_POLARS.fullmatch(thread.read_text().strip()):
                return True
        except OSError:  # it has ended meanwhile
            continue
    return False


def _ended_openmp() -> bool:
    """End the threads of GNU's OpenMP libraries that belong to this thread; those of others survive forks.

    Returns:
        Whether each library could, or there is none.
    """
    if "torch" not in sys.modules:
        return True
    try:
        mapped = _MAPPED.read_text()
    except OSError:
        return False
    ended = True
    for path in {line[line.index("/") :] for line in mapped.splitlines() if "/libgomp" in line}:
        try:
            pause = ctypes.CDLL(path, mode=os.RTLD_NOLOAD | os.RTLD_NOW).omp_pause_resource_all
        except (OSError, AttributeError):  # older than OpenMP 5
            ended = False
        else:
            ended = pause(_PAUSE_HARD) == 0 and ended
    return ended


os.register_at_fork(before=_before, after_in_child=_in_child)
