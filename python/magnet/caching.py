"""The folder of graphs that are kept: how large it may grow, what lies in it, and who is building what."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import re
import time
import zipfile
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from magnet.errors import ConfigError, RunError
from magnet.files import as_path
from magnet.locks import FileLock, FolderLock, HeldError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = [
    "ABOUT",
    "Cleared",
    "Entry",
    "building",
    "cache_folder",
    "cache_limit",
    "clear",
    "entries",
    "in_words",
    "make_room",
    "reading",
]

ABOUT = "about.json"  # what is told of a graph, within its file
_ENTRY = re.compile(r"knn-[0-9a-f]{40}\.npz")
_LEFT_FILE = re.compile(r"\.(knn-[0-9a-f]{40})\.[0-9a-f]{8}\.npz")
_LEFT_FOLDER = re.compile(r"\.(knn-[0-9a-f]{40})\.building")
_LIMIT = "10 GiB"
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([KMGT]i?)?B?", re.IGNORECASE)
_LONGEST = 40  # characters of a size
_LOOK_EVERY = 0.05  # seconds
_log = logging.getLogger("magnet.cache")


@dataclass(frozen=True)
class Entry:
    """A graph that is kept.

    Attributes:
        path: Its file.
        size: In bytes.
        built: When it was first written, in seconds since 1970.
        used: When it was last written or read, in seconds since 1970.
        about: What it is: ``rows``, ``width``, ``dtype``, ``present``, ``k``, ``search``; empty where the file does not
            say, because it is damaged or of an older version.
    """

    path: Path
    size: int
    built: float
    used: float
    about: dict[str, Any]

    def as_dict(self) -> dict[str, Any]:
        """The same as JSON-compatible data."""
        return asdict(self) | {"path": str(self.path)}


@dataclass(frozen=True)
class Cleared:
    """What :func:`clear` did.

    Attributes:
        removed: The graphs that went.
        in_use: How many graphs stayed because somebody reads or builds them.
        left_overs: How many files and folders of writers that died went.
        size: Bytes that are free now.
    """

    removed: list[Entry]
    in_use: int
    left_overs: int
    size: int


def cache_folder() -> Path:
    """Where graphs are kept: ``$MAGNET_CACHE``, else ``magnet`` in ``$XDG_CACHE_HOME`` or ``~/.cache``."""
    if chosen := os.environ.get("MAGNET_CACHE"):
        return as_path(chosen)
    return as_path(os.environ.get("XDG_CACHE_HOME") or "~/.cache") / "magnet"


def cache_limit() -> int:
    """How many bytes the kept graphs may take together: ``$MAGNET_CACHE_LIMIT``, by default 10 GiB.

    Raises:
        ConfigError: If the variable is no size.

    Example:
        >>> os.environ["MAGNET_CACHE_LIMIT"] = "1.5 GB"
        >>> cache_limit()
        1500000000
        >>> del os.environ["MAGNET_CACHE_LIMIT"]
    """
    text = os.environ.get("MAGNET_CACHE_LIMIT", "").strip() or _LIMIT
    found = _SIZE.fullmatch(text)
    if found is None or len(text) > _LONGEST:
        raise ConfigError(
            f"MAGNET_CACHE_LIMIT must be a size such as 500MB or 10GiB, or 0 to keep nothing; got {text[:_LONGEST]!r}"
        )
    unit = (found[2] or "").upper()
    step = 1024 if unit.endswith("I") else 1000
    return int(float(found[1]) * step ** " KMGT".index(unit[:1] or " "))


def in_words(size: int) -> str:
    """A number of bytes for people.

    Example:
        >>> in_words(999), in_words(1 << 20)
        ('999 bytes', '1.0 MiB')
    """
    for power, unit in ((3, "GiB"), (2, "MiB"), (1, "KiB")):
        if size >= 1024**power:
            return f"{size / 1024**power:,.1f} {unit}"
    return f"{size} bytes"


def entries(folder: Path) -> list[Entry]:
    """The graphs of a folder, the one that was used last first."""
    found = []
    for path in _files(folder):
        if _ENTRY.fullmatch(path.name):
            with contextlib.suppress(OSError):  # it has gone meanwhile
                facts, about = path.stat(), _about(path)
                built = about.pop("built", facts.st_mtime)
                found.append(Entry(path, facts.st_size, built, facts.st_mtime, about))
    return sorted(found, key=lambda entry: (-entry.used, entry.path.name))


def _files(folder: Path) -> list[Path]:
    try:
        return sorted(folder.iterdir())
    except OSError:
        return []


def _about(path: Path) -> dict[str, Any]:
    try:
        with zipfile.ZipFile(path) as archive:
            about = json.loads(archive.read(ABOUT))
    except (OSError, ValueError, KeyError, RuntimeError, zipfile.BadZipFile, NotImplementedError):
        return {}
    return about if isinstance(about, dict) else {}


@contextlib.contextmanager
def building(path: Path) -> Iterator[bool]:
    """Have the building of an entry to oneself, or wait until whoever has it is done.

    The lock is on a folder beside the entry and ends with its process, however that ends.

    Args:
        path: Of the entry.

    Yields:
        True if the caller is to build it; False if the entry appeared while the caller waited. Also True where the
        folder cannot be written or its disk knows no locks: then graphs are built beside one another.
    """
    beside = path.with_name(f".{path.stem}.building")
    waited = False
    while True:
        lock = None
        try:
            beside.mkdir(parents=True, exist_ok=True)
            lock = FolderLock(beside)
            if not lock.holds(beside):  # its last owner has removed it since
                lock.release()
                continue
        except HeldError as error:
            if not waited:
                _log.info("%s: %s; waiting for its graph", path, error)
            waited = True
            time.sleep(_LOOK_EVERY)
            if not path.is_file():
                continue
        except RunError:
            if not beside.exists():  # removed between the two steps
                continue
        except OSError:
            pass
        break
    try:
        # Whoever had the lock before may have finished between the caller's look and the lock.
        yield not path.is_file() if lock is not None else not waited
    finally:
        if lock is not None:
            with contextlib.suppress(OSError):
                beside.rmdir()
            lock.release()


@contextlib.contextmanager
def reading(path: Path) -> Iterator[None]:
    """Keep an entry from being removed while it is read, and note that it was used."""
    with contextlib.ExitStack() as stack:
        with contextlib.suppress(OSError, HeldError):
            stack.enter_context(FileLock(path, shared=True))
            # Not the time of access, which every reader changes, or none, as the disk is mounted.
            os.utime(path)
        yield


def make_room(folder: Path, *, limit: int, but: Path) -> list[Entry]:
    """Remove the graphs that were used longest ago until the others fit into the limit; those in use stay.

    Args:
        folder: Of the cache.
        limit: In bytes.
        but: The entry that was written just now.

    Returns:
        What was removed; each is logged.
    """
    kept = entries(folder)
    size = sum(entry.size for entry in kept)
    removed = []
    for entry in reversed(kept):
        if size <= limit:
            break
        if entry.path != but and _remove(entry.path):
            size -= entry.size
            removed.append(entry)
            _log.info(
                "%s: removed from the cache, %s that was used last %s; MAGNET_CACHE_LIMIT is %s",
                entry.path,
                in_words(entry.size),
                time.strftime("%Y-%m-%d %H:%M", time.localtime(entry.used)),
                in_words(limit),
            )
    return removed


def clear(folder: Path, *, older_than: float | None = None) -> Cleared:
    """Remove graphs, and what writers that died left behind; nothing else of the folder is touched.

    Args:
        folder: Of the cache.
        older_than: Only graphs that were not used for so many days; all by default.
    """
    before = None if older_than is None else time.time() - older_than * 86400
    removed, in_use = [], 0
    for entry in entries(folder):
        if before is not None and entry.used > before:
            continue
        if _remove(entry.path):
            removed.append(entry)
        else:
            in_use += 1
    left, size = _remove_left_overs(folder)
    return Cleared(removed, in_use, left, size + sum(entry.size for entry in removed))


def _remove(path: Path) -> bool:
    """Remove an entry unless somebody reads it."""
    try:
        with FileLock(path, shared=False):
            path.unlink(missing_ok=True)
    except (OSError, HeldError):
        return not path.exists()
    return True


def _remove_left_overs(folder: Path) -> tuple[int, int]:
    """Remove what killed builders left; how many, and their bytes. A builder that lives holds its lock."""
    count = size = 0
    for path in _files(folder):
        if (found := _LEFT_FOLDER.fullmatch(path.name)) or (found := _LEFT_FILE.fullmatch(path.name)):
            beside = folder / f".{found[1]}.building"
            with contextlib.suppress(OSError, RunError):
                beside.mkdir(exist_ok=True)
                with FolderLock(beside):
                    if path != beside:
                        size += path.stat().st_size
                        path.unlink()
                    beside.rmdir()
                count += 1
    return count, size
