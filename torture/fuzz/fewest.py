"""The fewest inputs of a loader that reach all lines that any of them reaches: small ones first."""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import magnet
from torture.fuzz.place import Place
from torture.fuzz.targets import call

if TYPE_CHECKING:
    from collections.abc import Iterable
    from types import FrameType

__all__ = ["fewest"]

_PACKAGE = str(Path(magnet.__file__).parent)


def fewest(name: str, inputs: Iterable[bytes], *, longest: int) -> list[bytes]:
    """Some of the inputs.

    Args:
        name: Of the target.
        inputs: In any order.
        longest: Bytes of an input that may be kept.
    """
    place, reached, kept = Place(), set(), []
    call(name, b"\0", place)
    for data in sorted({data for data in inputs if len(data) <= longest}, key=lambda data: (len(data), data)):
        lines = _lines(name, data, place)
        if not lines <= reached:
            reached |= lines
            kept.append(data)
    return kept


def _lines(name: str, data: bytes, place: Place) -> set[tuple[str, int]]:
    """The lines of the package that an input reaches."""
    lines = set()

    def local(frame: FrameType, event: str, _: Any) -> Any:
        if event == "line":
            lines.add((frame.f_code.co_filename, frame.f_lineno))
        return local

    def trace(frame: FrameType, _: str, __: Any) -> Any:
        return local if frame.f_code.co_filename.startswith(_PACKAGE) else None

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        # What fails is kept like anything that reaches something new: the tests will say so.
        with contextlib.suppress(Exception):
            call(name, data, place)
    finally:
        sys.settrace(before)
    return lines
