"""The command in processes that begin with everything imported: a fork costs milliseconds, a new Python seconds.

The parent imports and forks, and runs no operation of torch or polars itself: their threads would not exist in a child.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time
import traceback
from dataclasses import dataclass
from importlib import import_module
from pkgutil import walk_packages
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

__all__ = ["Child", "Ended", "command", "start", "warm"]

BROKEN = 99  # an exit code that no verb has: an exception got out


@dataclass(frozen=True)
class Ended:
    """How a process ended: its exit code (the negative number of a signal), what it said, and how long it took."""

    code: int
    out: str
    err: str
    seconds: float

    @property
    def fault(self) -> str | None:
        """What is wrong with the way it ended, None where it is done or refused in one sentence."""
        if self.code == 0:
            return None if "Traceback" not in self.err else "a traceback beside exit code 0"
        if "Traceback" in self.err:
            return f"a traceback: {self.err.strip().splitlines()[-1][:300]}"
        errors = [line for line in self.err.splitlines() if line.startswith("error: ")]
        if self.code not in (1, 2) or len(errors) != 1:
            return f"exit code {self.code} with {len(errors)} errors: {self.err[-300:]!r}"
        return None

    @property
    def error(self) -> str:
        """The sentence of a refusal."""
        return next((line for line in self.err.splitlines() if line.startswith("error: ")), self.err[-300:])


class Child:
    """A forked process that runs something."""

    def __init__(self, work: Callable[[], int], folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        number = f"{os.getpid()}-{time.monotonic_ns()}"
        self._out, self._err = folder / f"{number}.out", folder / f"{number}.err"
        self._started = time.monotonic()
        self.pid = os.fork()
        if self.pid == 0:
            _run(work, self._out, self._err)

    def kill(self) -> None:
        """End it as kill -9 does."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)

    def wait(self, seconds: float = 120) -> Ended:
        """Until it ends; one that hangs is killed, and that counts as its end."""
        end = time.monotonic() + seconds
        while (found := os.waitpid(self.pid, os.WNOHANG))[0] == 0:
            if time.monotonic() > end:
                self.kill()
            time.sleep(0.003)
        texts = [file.read_text(errors="replace") if file.exists() else "" for file in (self._out, self._err)]
        for file in (self._out, self._err):
            file.unlink(missing_ok=True)
        return Ended(os.waitstatus_to_exitcode(found[1]), *texts, time.monotonic() - self._started)


def _run(work: Callable[[], int], out: Path, err: Path) -> None:
    """In the child: never returns."""
    code = BROKEN
    try:
        for number, file in ((1, out), (2, err)):
            descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
            os.dup2(descriptor, number)
            os.close(descriptor)
        code = work()
    except BaseException:
        traceback.print_exc()
    finally:
        with contextlib.suppress(BaseException):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code)


def command(arguments: Sequence[object]) -> int:
    """Run a command line in this process, as ``magnet`` does."""
    from magnet.cli import main

    sys.argv = ["magnet", *map(str, arguments)]
    try:
        main()
    except SystemExit as end:
        if isinstance(end.code, int) or end.code is None:
            return end.code or 0
        print(end.code, file=sys.stderr)
        return 1
    return 0


def start(arguments: Sequence[object], folder: Path, before: Callable[[], None] | None = None) -> Child:
    """Start a command line in a process of its own, which calls ``before`` first; what it says passes through ``folder``."""

    def work() -> int:
        if before is not None:
            before()
        return command(arguments)

    return Child(work, folder)


def warm() -> None:
    """Import all that a child may need."""
    import matplotlib

    matplotlib.use("Agg")
    import magnet

    for module in walk_packages(magnet.__path__, "magnet."):
        if not module.name.endswith("__main__"):
            import_module(module.name)
    for name in ("matplotlib.figure", "optuna", "safetensors.torch", "scipy.linalg", "scipy.sparse.linalg"):
        import_module(name)
