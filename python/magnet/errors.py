"""Every error that Magnet raises on purpose. Their text says what was expected, what was found, where, what to do."""

from __future__ import annotations

import difflib
import re
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable

__all__ = [
    "ConfigError",
    "DataError",
    "ForkError",
    "InternalError",
    "MagnetError",
    "MagnetWarning",
    "MissingExtraError",
    "RunError",
    "StorageError",
    "TrainingError",
    "UnknownIdError",
    "nearest",
    "with_command",
]


_ADDRESS = re.compile(r" at 0x[0-9a-fA-F]{6,}")
_LONG_WORD = re.compile(r"\S{400,}")  # no path that people have is as long


def _tidy(text: str) -> str:
    """What input repeats of itself may be a megabyte long, and an address in memory tells nobody anything."""
    return _LONG_WORD.sub(
        lambda word: f"{word[0][:60]}… ({len(word[0]):,} characters)", _ADDRESS.sub("", text)
    )


class MagnetError(Exception):
    """The base of all of them: catch this to catch every error that is the input's fault.

    Attributes:
        command: What the command ``magnet`` says instead, where the advice is another one there; None for the same.
    """

    command: str | None = None

    def __str__(self) -> str:
        return _tidy(super().__str__())


class MagnetWarning(UserWarning):
    """Something is worse than it could be, but the result is valid.

    Attributes:
        command: As that of :class:`MagnetError`.
    """

    command: str | None = None


class DataError(MagnetError, ValueError):
    """Interactions, features or indices break a rule."""


class ConfigError(MagnetError, ValueError):
    """A configuration has an unknown key, or a value of the wrong type or out of range."""


class RunError(MagnetError):
    """A run folder exists already, is damaged, was written by a newer version, or belongs to other data."""


class StorageError(RunError):
    """The disk refused a file; its last good content is still there.

    Attributes:
        reason: What the system said, such as "No space left on device".
    """

    def __init__(self, message: str, reason: str) -> None:
        super().__init__(message)
        self.reason = reason


class TrainingError(MagnetError, ArithmeticError):
    """Training met NaN or infinity; the last good checkpoint is kept."""


class InternalError(MagnetError, RuntimeError):
    """A fault of Magnet itself, which deserves a report; the text has what the report needs."""


class ForkError(MagnetError, RuntimeError):
    """A forked process lacks threads that its parent had; the text says how to start processes instead."""


class MissingExtraError(MagnetError, ImportError):
    """An optional library is not installed; the text names the extra to install."""


class UnknownIdError(DataError):
    """User or item ids that the model has never seen.

    Attributes:
        ids: The unknown ids, in the order they were asked for.
    """

    def __init__(self, message: str, ids: Iterable[Hashable]) -> None:
        super().__init__(message)
        self.ids = list(ids)


_Problem = TypeVar("_Problem", MagnetError, MagnetWarning, DataError, ConfigError, UnknownIdError)


def with_command(problem: _Problem, text: str) -> _Problem:
    """Give an error or a warning the words of the command, whose options are not Python's.

    Args:
        problem: With the text that Python says.
        text: What the command says instead.

    Example:
        >>> with_command(DataError("give unknown='skip'"), "give --unknown skip").command
        'give --unknown skip'
    """
    problem.command = _tidy(text)
    return problem


def nearest(name: str, options: Iterable[str]) -> str:
    """Suggest the option that ``name`` was probably meant to be.

    Returns:
        ``"; did you mean 'x'?"``, or the list of options where none is close.
    """
    options = list(options)
    close = difflib.get_close_matches(name, options, n=1, cutoff=0.5)
    if close:
        return f"; did you mean '{close[0]}'?"
    return f"; expected one of: {', '.join(map(repr, options))}" if options else ""
