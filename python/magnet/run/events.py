"""The log of a training run: one JSON object per line, one line per epoch."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from magnet.errors import RunError
from magnet.files import as_json
from magnet.placing import replacing, storing

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from types import TracebackType

__all__ = ["EventLog", "events_before", "read_events", "trigger_of", "write_events"]


class EventLog:
    """Appends whole lines to a file of events, each on the disk before :meth:`write` returns.

    A line that an interrupted writer left unfinished is cut off when the file is opened again.

    Args:
        path: The file, in a folder that exists; made if it is missing.
        keep: Keep this many events of those that are there: a run resumed after them will write the others again. All
            of them if not given.

    Raises:
        RunError: If a line before the last is damaged.
        StorageError: If the disk refuses it.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder, EventLog(f"{folder}/events.jsonl") as log:
        ...     log.write({"epoch": 0, "loss": 0.1 + 0.2, "recall@20": float("nan")})
        ...     read_events(log.path)
        [{'epoch': 0, 'loss': 0.30000000000000004, 'recall@20': None}]
    """

    def __init__(self, path: str | Path, *, keep: int | None = None) -> None:
        self.path = Path(path)
        self._hash = hashlib.sha256()
        if self.path.exists():
            _mend(self.path, keep)
            for event in read_events(self.path):
                self._hash.update(_timeless(event))
        with storing(self.path):
            # Without a buffer each line is one write: whole or cut short, and never mixed with another.
            self._file = self.path.open("ab", buffering=0)

    @property
    def digest(self) -> str:
        """Of all events, but for the times that they took; see :func:`events_before`."""
        return self._hash.hexdigest()

    def write(self, event: Mapping[str, Any]) -> None:
        """Append an event.

        Args:
            event: JSON-compatible data and NumPy scalars. Floats keep every digit; NaN and infinity, which
                JSON lacks, become null.

        Raises:
            StorageError: If the disk refuses it.
        """
        line = _line(event)
        with storing(self.path):
            while line:
                line = line[self._file.write(line) :]
            os.fsync(self._file.fileno())
        self._hash.update(_timeless(event))

    def close(self) -> None:
        """Close the file; to be called once nothing more will be written."""
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def write_events(path: str | Path, events: Iterable[Mapping[str, Any]]) -> None:
    """Write all events at once, replacing the file only when they are whole."""
    with replacing(Path(path)) as temporary:
        temporary.write_bytes(b"".join(map(_line, events)))


def read_events(path: str | Path) -> list[dict[str, Any]]:
    """Read every whole event, leaving out a last line that was cut short.

    Raises:
        RunError: If the file is missing or a line before the last is damaged, naming it.
    """
    path = Path(path)
    try:
        lines = path.read_bytes().split(b"\n")
    except OSError as error:
        raise RunError(f"{path}: events cannot be read ({error.strerror})") from None
    events = []
    # After the last line break comes either nothing or a line that was cut short.
    for number, line in enumerate(lines[:-1], start=1):
        try:
            event = json.loads(line)
        except ValueError:
            event = None
        if not isinstance(event, dict):
            raise RunError(
                f"{path}: line {number} is damaged, expected a JSON object; delete that line to go on"
            )
        events.append(event)
    return events


def events_before(path: str | Path, epochs: int, digest: str | None = None) -> list[dict[str, Any]]:
    """The events of a run's first epochs, one for each and in their order.

    Args:
        path: The file of events.
        epochs: How many were over at the moment to go on from.
        digest: What :attr:`EventLog.digest` was at that moment; None if it was not written down.

    Raises:
        RunError: If the file is missing, or a line is damaged, missing, doubled or out of its place, or says something
            else than was written.
    """
    events = read_events(path)[:epochs]
    for number, event in enumerate(events):
        if event.get("epoch") != number or type(event["epoch"]) is not int:
            raise RunError(
                f"{path}: line {number + 1} should be epoch {number} and is {event.get('epoch')!r}: lines are missing, "
                "doubled or out of order; restore the file, or train again"
            )
    if len(events) < epochs:
        raise RunError(
            f"{path}: ends after {len(events)} of the {epochs} epochs before the checkpoint; restore the file, or "
            "train again"
        )
    if digest is not None and hashlib.sha256(b"".join(map(_timeless, events))).hexdigest() != digest:
        raise RunError(
            f"{path}: damaged, its first {epochs} lines are not those that were written before the checkpoint; restore "
            "the file, or train again"
        )
    return events


def trigger_of(events: Iterable[Mapping[str, Any]]) -> tuple[str | None, int | None]:
    """What ended the first stage of a mixture (``fired_by``), and the epoch after which it did (``fired_at``).

    Args:
        events: The record of each epoch, in order.

    Returns:
        ``criterion``, ``cap``, ``fixed`` or ``no evidence`` (then coverage went on), and the number of that epoch,
        counted from 0 over the whole training; None twice if nothing was decided.

    Example:
        >>> trigger_of([{"epoch": 7, "fired_by": None}, {"epoch": 8, "fired_by": "cap"}])
        ('cap', 8)
    """
    fired = next((event for event in events if event.get("fired_by")), {})
    return fired.get("fired_by"), fired.get("epoch")


def _mend(path: Path, keep: int | None) -> None:
    events = read_events(path)
    kept = events[:keep]
    if len(kept) < len(events) or not path.read_bytes().endswith(b"\n"):
        write_events(path, kept)


_TIMES = {"seconds", "train_seconds"}


def _timeless(event: Mapping[str, Any]) -> bytes:
    """An event without the times it took: those differ between runs that are alike in all else."""
    return _line({name: value for name, value in event.items() if name not in _TIMES})


def _line(event: Mapping[str, Any]) -> bytes:
    return json.dumps(as_json(event), allow_nan=False, separators=(",", ":")).encode() + b"\n"
