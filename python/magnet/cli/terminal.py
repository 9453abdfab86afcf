"""Where words go: results to standard output, all else to standard error, files in place when whole."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

from magnet.files import as_json
from magnet.placing import check_free, new_file

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

__all__ = ["be_quiet", "check_free", "complain", "is_quiet", "new_file", "note", "print_json", "tell_gist"]

_HEADS = 3  # messages that fit into a line


_quiet = False


def be_quiet(quiet: bool) -> None:
    """Whether standard error is for errors alone, as ``magnet --quiet`` asks."""
    global _quiet
    _quiet = quiet


def is_quiet() -> bool:
    """Whether progress, notes and warnings are left out."""
    return _quiet


def note(message: object, *, kind: str = "note: ") -> None:
    """Say something on standard error that is no error, unless ``--quiet`` was given."""
    if not _quiet:
        complain(message, kind=kind)


def complain(message: object, *, kind: str = "error: ") -> None:
    """Say something on standard error, as it is, without colours or wrapping.

    An error or warning that has words of its own for the command is told by these.
    """
    message = getattr(message, "command", None) or message
    print(f"{kind}{message}", file=sys.stderr, flush=True)


def tell_gist(messages: Sequence[str], folder: Path) -> None:
    """Say in one line what was odd about data; ``magnet data check`` says all of it, with examples and advice."""
    heads = [message.replace(f"{folder}/", "").partition("; ")[0] for message in messages]
    if not heads:
        return
    more = f"; and {len(heads) - _HEADS} more" if len(heads) > _HEADS else ""
    note(f"{'; '.join(heads[:_HEADS])}{more} (magnet data check {folder} says more)")


def print_json(document: dict[str, Any]) -> None:
    """Print one JSON document on standard output; NaN and infinity, which JSON lacks, become null."""
    print(json.dumps(as_json(document), allow_nan=False, indent=2, ensure_ascii=False), flush=True)
