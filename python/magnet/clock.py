"""Names for the parts of a training step, and a clock for whoever wants to know how long they take."""

from __future__ import annotations

import time
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["clocked", "timed"]

_seconds: ContextVar[dict[str, float] | None] = ContextVar("seconds", default=None)


@contextmanager
def timed(name: str) -> Iterator[None]:
    """Call what is done inside by a name; costs nothing to speak of unless a clock runs."""
    seconds = _seconds.get()
    if seconds is None:
        yield
        return
    started = time.perf_counter()
    yield
    seconds[name] = seconds.get(name, 0.0) + time.perf_counter() - started


@contextmanager
def clocked() -> Iterator[dict[str, float]]:
    """Add up, by name, the seconds that parts take inside the context, in this thread.

    Example:
        >>> with clocked() as seconds, timed("loss"):
        ...     pass
        >>> list(seconds)
        ['loss']
    """
    seconds: dict[str, float] = {}
    token = _seconds.set(seconds)
    try:
        yield seconds
    finally:
        _seconds.reset(token)
