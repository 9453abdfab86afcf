"""What ends a command from outside: Ctrl-C, a request to terminate, a terminal that hangs up."""

import contextlib
import signal
import sys
from collections.abc import Iterator
from types import FrameType

__all__ = ["Stopped", "answered", "exit_code", "watched"]

_WATCHED = (signal.SIGTERM, signal.SIGHUP)


class Stopped(KeyboardInterrupt):
    """A signal other than Ctrl-C asked to end; handled wherever Ctrl-C is."""

    def __init__(self, message: str = "", number: int = signal.SIGTERM) -> None:
        super().__init__(message)
        self.number = number


def exit_code(stop: KeyboardInterrupt) -> int:
    """128 and the number of the signal, as shells have it: 130, 143 or 129."""
    return 128 + (stop.number if isinstance(stop, Stopped) else signal.SIGINT)


@contextlib.contextmanager
def watched() -> Iterator[None]:
    """Raise :class:`Stopped` within the block when the process is asked to end.

    What is ignored stays ignored: nohup lets a training outlive its terminal.
    """
    taken = [number for number in _WATCHED if signal.getsignal(number) is signal.SIG_DFL]
    for number in taken:
        signal.signal(number, _stop)
    try:
        yield
    finally:
        for number in taken:
            signal.signal(number, signal.SIG_DFL)


def _stop(number: int, frame: FrameType | None) -> None:
    raise Stopped(number=number)


@contextlib.contextmanager
def answered() -> Iterator[None]:
    """Answer what ended the block with one sentence and its exit code."""
    try:
        yield
    except KeyboardInterrupt as stop:
        print(str(stop) or "interrupted", file=sys.stderr, flush=True)
        sys.exit(exit_code(stop))
