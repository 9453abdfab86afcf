"""Files that are whole or not there: written under another name in their folder, flushed, renamed."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import secrets
from typing import TYPE_CHECKING, Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from magnet.errors import RunError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from torch import Tensor

__all__ = [
    "check_version",
    "file_digest",
    "read_json",
    "read_tensors",
    "replacing",
    "sync_folder",
    "write_json",
    "write_tensors",
]


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give a temporary name beside ``path`` to write to, and rename it to ``path`` when the block ends.

    Whoever looks at ``path`` sees the old content or the new, never a part of it, and neither a crash nor a
    failure within the block changes it.
    """
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    try:
        yield temporary
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make renames within a folder survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
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
    # Copies, because safetensors refuses tensors that share memory.
    plain = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in tensors.items()}
    with replacing(path) as temporary:
        # Of no tensors and an empty mapping of texts safetensors writes what it cannot read.
        save_file(plain, temporary, dict(metadata) if metadata else None)


def read_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Read tensors to the CPU, and the texts that were stored with them.

    Raises:
        RunError: If the file is missing, truncated, or no safetensors file.
    """
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
