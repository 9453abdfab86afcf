"""Files and folders that are whole or not there, whatever the disk or a kill does to their writer."""

from __future__ import annotations

import contextlib
import ctypes
import errno
import glob
import os
import re
import secrets
import shutil
import sys
from typing import TYPE_CHECKING

from magnet.errors import DataError, RunError, StorageError
from magnet.locks import FolderLock

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = [
    "check_free",
    "make_folder",
    "new_file",
    "put_folder_in_place",
    "put_in_place",
    "remove_left_folders",
    "remove_leftovers",
    "replacing",
    "replacing_folder",
    "storing",
]


@contextlib.contextmanager
def storing(path: Path) -> Iterator[None]:
    """Turn what the disk refuses within the block into an error that names ``path`` and says what to do.

    Args:
        path: What is written, as the user knows it; what is there already has to stay until all is well.

    Raises:
        StorageError: In place of an OSError; others pass.
    """
    there = path.exists()
    try:
        yield
    except OSError as error:
        advice = _ADVICE.get(error.errno or 0, "choose another place, or make this one writable")
        kept = "; what was there before is unchanged" if there and path.exists() else ""
        reason = error.strerror or str(error)
        raise StorageError(f"{path}: cannot be written ({reason}){kept}; {advice}", reason) from error


_ROOM = "make room and try again"
_ADVICE = {
    errno.ENOSPC: _ROOM,
    errno.EDQUOT: _ROOM,
    errno.EFBIG: "allow larger files (ulimit -f) and try again",
    errno.EIO: "the disk fails: save what is on it, and choose another one",
    errno.ENOENT: "the folder is gone; make it, or choose another one",
}


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give a temporary name beside ``path`` to write to, and rename it to ``path`` when the block ends.

    Readers of ``path`` see the old content or the new content, never a part of it. Neither a crash nor a failure
    within the block changes it. The temporary name has the ending of ``path``, because some writers choose the
    format by it.

    Raises:
        StorageError: If the disk refuses it.
    """
    temporary = path.with_name(f".{path.stem}.{secrets.token_hex(4)}{path.suffix}")
    try:
        with storing(path):
            # Some writers make files that nobody else may read; all of a folder's files get the mode of a plain one.
            temporary.touch(exist_ok=False)
            mode = temporary.stat().st_mode
            yield temporary
            temporary.chmod(mode)
            put_in_place(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


@contextlib.contextmanager
def new_file(path: Path, *, overwrite: bool) -> Iterator[Path]:
    """Give a temporary name to write to, and rename it to ``path`` at the end, see :func:`replacing`.

    Raises:
        DataError: If the file exists and may not be overwritten, or its folder does not exist.
    """
    check_free(path, overwrite=overwrite)
    with replacing(path) as temporary:
        yield temporary


def check_free(path: Path, *, overwrite: bool) -> None:
    """Make sure, before any work is done, that a file may be written.

    Raises:
        DataError: If the file exists and may not be overwritten, or its folder does not exist.
    """
    if path.is_dir():
        raise DataError(f"{path}: is a folder, expected the name of a file to write")
    if path.exists() and not overwrite:
        raise DataError(f"{path}: exists already; choose another name, or --overwrite it")
    if not path.parent.is_dir():
        raise DataError(f"{path}: its folder {path.parent} does not exist; make it first")


@contextlib.contextmanager
def replacing_folder(path: Path, *, replace: bool = True) -> Iterator[Path]:
    """Give an empty folder beside ``path`` to fill, and rename it to ``path`` when the block ends.

    Missing parents are made. What was at ``path`` is deleted after. Whether it may be replaced is for the caller to
    decide.

    Args:
        path: The folder.
        replace: Whether something may be there; if not, only an empty folder is.

    Raises:
        StorageError: If the disk refuses it.
    """
    prepared = path.with_name(f".{path.name}.{secrets.token_hex(4)}.new")
    try:
        with storing(path):
            make_folder(path.parent)
            prepared.mkdir()
            yield prepared
            for inner in prepared.rglob("*"):
                _sync(inner)
            _sync(prepared)
            if replace:
                put_folder_in_place(prepared, path)
            else:
                prepared.rename(path)
                _sync(path.parent)
    finally:
        shutil.rmtree(prepared, ignore_errors=True)


def make_folder(path: Path, *, parents: bool = True) -> None:
    """Make a folder, and the missing ones that it lies in; a power cut after that leaves them in place.

    One that is there already stays as it is. Without ``parents`` only the last one is made.
    """
    missing: list[Path] = []
    there = path
    while not there.exists() and (parents or not missing):
        missing.append(there)
        there = there.parent
    for folder in reversed(missing):
        folder.mkdir(exist_ok=True)
        _sync(folder.parent)
    path.mkdir(exist_ok=True)  # refuses what is no folder


def put_folder_in_place(folder: Path, path: Path) -> None:
    """Rename a folder to ``path`` on the same disk, and delete what was there.

    Where the system can swap two names in one step, as Linux can, no reader ever finds ``path`` missing.
    """
    if not path.exists():
        folder.rename(path)
        _sync(path.parent)
        return
    aside = path.with_name(f".{path.name}.{secrets.token_hex(4)}.old")
    if _swapped(folder, path):
        folder.rename(aside)
    else:
        path.rename(aside)
        try:
            folder.rename(path)
        except BaseException:
            aside.rename(path)
            raise
    _sync(path.parent)
    # The new one is in place: what cannot be deleted of the old one is litter and no failure.
    shutil.rmtree(aside, ignore_errors=True)


_HERE, _EXCHANGE = -100, 2  # AT_FDCWD and RENAME_EXCHANGE of Linux


def _swapped(first: Path, second: Path) -> bool:
    """Swap two names in one step; False, with nothing done, where the system or the file system cannot."""
    if sys.platform != "linux":
        return False
    rename = getattr(ctypes.CDLL(None), "renameat2", None)
    return rename is not None and (
        rename(_HERE, os.fsencode(first), _HERE, os.fsencode(second), ctypes.c_uint(_EXCHANGE)) == 0
    )


def remove_leftovers(folder: Path) -> None:
    """Remove the temporary files of writers that were killed. Whoever calls it knows that nobody else writes there."""
    if folder.is_dir():
        for entry in folder.iterdir():
            if _TEMPORARY.fullmatch(entry.name):
                entry.unlink(missing_ok=True)


def remove_left_folders(path: Path) -> None:
    """Remove what :func:`replacing_folder` of killed processes left beside ``path``; what is locked is in use."""
    for left in path.parent.glob(f".{glob.escape(path.name)}.*"):
        if _LEFT.fullmatch(left.name.removeprefix(f".{path.name}")) and (
            left.suffix == ".new" or path.exists()
        ):
            with contextlib.suppress(RunError), FolderLock(left):
                shutil.rmtree(left, ignore_errors=True)


# What replacing() and replacing_folder() call theirs.
_LEFT = re.compile(r"\.[0-9a-f]{8}\.(new|old)")
_TEMPORARY = re.compile(r"\..+\.[0-9a-f]{8}(\.\w+)?")


def put_in_place(file: Path, path: Path) -> None:
    """Flush a file to the disk and rename it to ``path`` on the same disk; a power cut keeps one of the two whole."""
    _sync(file)
    file.replace(path)
    _sync(path.parent)


def _sync(path: Path) -> None:
    """Flush a file, or the names in a folder, to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
