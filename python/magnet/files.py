"""Paths as users write them, values as JSON has them, and files that are whole or not there."""

from __future__ import annotations

import contextlib
import ctypes
import errno
import hashlib
import json
import math
import os
import re
import secrets
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from magnet.errors import ConfigError, RunError, StorageError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import Tensor

# The command needs this module to print its help: torch and safetensors are imported where tensors are.

__all__ = [
    "as_json",
    "as_path",
    "check_version",
    "file_digest",
    "put_folder_in_place",
    "put_in_place",
    "read_json",
    "read_tensors",
    "remove_leftovers",
    "replacing",
    "replacing_folder",
    "storing",
    "write_json",
    "write_tensors",
]


def as_path(path: str | os.PathLike[str]) -> Path:
    """Turn what a user gives as a path into a path: ``~`` is the home folder.

    Every public function that takes a path calls this one. A relative path stays relative to the working
    directory, so that errors repeat what the user wrote. The name of an unknown user, as in ``~ann``, is left
    as it is, as shells do.

    Raises:
        ConfigError: If the path begins with ``~`` and no home folder is known.

    Example:
        >>> as_path("runs/one").as_posix()
        'runs/one'
    """
    found = Path(os.path.expanduser(path))
    if found.parts[:1] == ("~",):
        raise ConfigError(f"{found}: no home folder is known; set HOME, or give a path without ~")
    return found


def as_json(value: Any) -> Any:
    """Turn a value into JSON's own types, at any depth.

    NumPy scalars become Python numbers, tuples become lists, keys become text, and NaN and infinity, which JSON
    lacks, become None. Other types are left as they are, for the writer to refuse.

    Example:
        >>> as_json({20: (float("nan"), 0.5)})
        {'20': [None, 0.5]}
    """
    import numpy as np

    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): as_json(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [as_json(inner) for inner in value]
    return value


@contextlib.contextmanager
def storing(path: Path, *, unchanged: bool = True) -> Iterator[None]:
    """Turn what the disk refuses within the block into an error that names ``path`` and says what to do.

    Args:
        path: What is written, as the user knows it.
        unchanged: Whether what was there before is still there.

    Raises:
        StorageError: In place of an OSError; others pass.
    """
    try:
        yield
    except OSError as error:
        advice = _ADVICE.get(error.errno or 0, "choose another place, or make this one writable")
        kept = "; what was there before is unchanged" if unchanged and path.exists() else ""
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
            prepared.mkdir(parents=True)
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


def put_folder_in_place(folder: Path, path: Path) -> None:
    """Rename a folder to ``path`` on the same disk, and delete what was there.

    Where the system can swap two names in one step, as Linux can, no reader ever finds ``path`` missing.
    """
    if not path.exists():
        folder.rename(path)
    elif _swapped(folder, path):
        shutil.rmtree(folder)
    else:
        aside = path.with_name(f".{path.name}.{secrets.token_hex(4)}.old")
        path.rename(aside)
        try:
            folder.rename(path)
        except BaseException:
            aside.rename(path)
            raise
        shutil.rmtree(aside)
    _sync(path.parent)


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


# What replacing() calls its files.
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


def file_digest(path: Path) -> str:
    """The SHA-256 of a file's content, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_json(path: Path, value: Any) -> None:
    """Write strict JSON, whole or not at all.

    Raises:
        ValueError: If a number is NaN or infinite, which JSON cannot say.
        StorageError: If the disk refuses it.
    """
    text = json.dumps(value, allow_nan=False, indent=1)
    with replacing(path) as temporary:
        temporary.write_text(text + "\n", encoding="utf-8")


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object.

    Raises:
        RunError: If the file is missing, or holds anything else.
    """
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise RunError(f"{path}: missing") from None
    except (OSError, ValueError, RecursionError) as error:
        raise RunError(f"{path}: damaged, not readable as JSON ({error})") from None
    if not isinstance(value, dict):
        raise RunError(f"{path}: damaged, expected a JSON object, found {type(value).__name__}")
    return value


def write_tensors(
    path: Path, tensors: Mapping[str, Tensor], metadata: Mapping[str, str] | None = None
) -> None:
    """Write tensors of any device and layout as safetensors, whole or not at all.

    Raises:
        StorageError: If the disk refuses it.
    """
    from safetensors import SafetensorError
    from safetensors.torch import save_file

    # Copies, because safetensors refuses tensors that share memory.
    plain = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in tensors.items()}
    with replacing(path) as temporary:
        try:
            # Given no tensors and an empty mapping, safetensors writes a file that it cannot read.
            save_file(plain, temporary, dict(metadata) if metadata else None)
        except SafetensorError as error:
            # It says in words what the system said in a number.
            if (found := re.search(r"os error (\d+)", str(error))) is None:
                raise
            number = int(found[1])
            raise OSError(number, os.strerror(number)) from error


def read_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Read tensors to the CPU, and the texts that were stored with them.

    Raises:
        RunError: If the file is missing, truncated, or no safetensors file.
    """
    from safetensors import SafetensorError, safe_open

    if not path.is_file():
        raise RunError(f"{path}: missing")
    try:
        with safe_open(path, framework="pt", device="cpu") as file:
            metadata = file.metadata() or {}
            return {name: file.get_tensor(name) for name in file.keys()}, metadata  # noqa: SIM118, no mapping
    except (SafetensorError, OSError, ValueError) as error:
        raise RunError(f"{path}: damaged, not readable as safetensors ({error})") from None


def check_version(path: Path, found: object, known: int) -> None:
    """Refuse a format that this version cannot read.

    Raises:
        RunError: If the version is newer, or is no version at all.
    """
    if not isinstance(found, int) or isinstance(found, bool) or found < 1:
        raise RunError(f"{path}: damaged, format_version is {found!r}, expected a whole number from 1")
    if found > known:
        raise RunError(
            f"{path}: written by a newer Magnet (format {found}, this one reads up to {known}); "
            "upgrade Magnet"
        )
