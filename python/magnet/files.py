"""Paths as users write them, values as JSON has them, and files that are whole or not there."""

from __future__ import annotations

import contextlib
import hashlib
import json
import math
import os
import secrets
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from magnet.errors import ConfigError, RunError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import Tensor

# The command needs this module to print its help: torch and safetensors are imported where tensors are.

__all__ = [
    "as_json",
    "as_path",
    "check_version",
    "file_digest",
    "put_in_place",
    "read_json",
    "read_tensors",
    "replacing",
    "replacing_folder",
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
def replacing(path: Path) -> Iterator[Path]:
    """Give a temporary name beside ``path`` to write to, and rename it to ``path`` when the block ends.

    Readers of ``path`` see the old content or the new content, never a part of it. Neither a crash nor a failure
    within the block changes it. The temporary name has the ending of ``path``, because some writers choose the
    format by it.
    """
    temporary = path.with_name(f".{path.stem}.{secrets.token_hex(4)}{path.suffix}")
    try:
        yield temporary
        put_in_place(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


@contextlib.contextmanager
def replacing_folder(path: Path) -> Iterator[Path]:
    """Give an empty folder beside ``path`` to fill, and rename it to ``path`` when the block ends.

    Missing parents are made. What was at ``path`` is moved aside before, put back if the renaming fails, and
    deleted after. Whether it may be replaced is for the caller to decide.
    """
    prepared = path.with_name(f".{path.name}.{secrets.token_hex(4)}.new")
    prepared.mkdir(parents=True)
    try:
        yield prepared
        for inner in prepared.rglob("*"):
            _sync(inner)
        _sync(prepared)
        if path.exists():
            aside = path.with_name(f".{path.name}.{secrets.token_hex(4)}.old")
            path.rename(aside)
            try:
                prepared.rename(path)
            except BaseException:
                aside.rename(path)
                raise
            shutil.rmtree(aside)
        else:
            prepared.rename(path)
        _sync(path.parent)
    finally:
        shutil.rmtree(prepared, ignore_errors=True)


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
    """Write tensors of any device and layout as safetensors, whole or not at all."""
    from safetensors.torch import save_file

    # Copies, because safetensors refuses tensors that share memory.
    plain = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in tensors.items()}
    with replacing(path) as temporary:
        # Given no tensors and an empty mapping, safetensors writes a file that it cannot read.
        save_file(plain, temporary, dict(metadata) if metadata else None)


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
