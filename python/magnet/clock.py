"""A clock for the named sections of a training step."""

from __future__ import annotations

import time
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["clocked", "timed"]

_seconds: ContextVar[dict[str, float] | None] = ContextVar("seconds", default=None)


@contextmanager
def timed(name: str) -> Iterator[None]:
    """Give a section of a step a name. Its time is taken only while :func:`clocked` is active."""
    seconds = _seconds.get()
    if seconds is None:
        yield
        return
    started = _now()
    yield
    seconds[name] = seconds.get(name, 0.0) + _now() - started


@contextmanager
def clocked() -> Iterator[dict[str, float]]:
    """Add up, by name, the seconds that named sections take inside the context, in this thread.

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


def _now() -> float:
    # CUDA computes later than Python asks for it: without waiting, the clock would measure how long asking takes.
    if torch.cuda.is_initialized():  # type: ignore[no-untyped-call]
        torch.cuda.synchronize()
    return time.perf_counter()
