"""Paths as users write them, values as JSON has them, and the files that keep JSON and tensors."""

from __future__ import annotations

import hashlib
import json
import math
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from magnet.errors import ConfigError, RunError
from magnet.placing import replacing

if TYPE_CHECKING:
    from torch import Tensor

# The command needs this module to print its help: torch and safetensors are imported where tensors are.

__all__ = [
    "as_json",
    "as_path",
    "check_version",
    "file_digest",
    "read_json",
    "read_sealed",
    "read_tensors",
    "write_json",
    "write_sealed",
    "write_tensors",
]


_SEAL = "sha256"


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
    if path.exists() and not path.is_file():  # a pipe would be waited for
        raise RunError(f"{path}: damaged, expected a file")
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise RunError(f"{path}: missing") from None
    except (OSError, ValueError, RecursionError) as error:
        raise RunError(f"{path}: damaged, not readable as JSON ({error})") from None
    if not isinstance(value, dict):
        raise RunError(f"{path}: damaged, expected a JSON object, found {type(value).__name__}")
    return value


def write_sealed(path: Path, value: Mapping[str, Any]) -> None:
    """Write a JSON object with its own checksum in it, for :func:`read_sealed`.

    Args:
        path: The file.
        value: JSON-compatible data; NaN and infinity become null.

    Raises:
        StorageError: If the disk refuses it.
    """
    plain = as_json(value)
    write_json(path, plain | {_SEAL: _digest(plain)})


def read_sealed(path: Path, advice: str, *, needed: bool = True) -> dict[str, Any]:
    """Read what :func:`write_sealed` wrote, without the checksum.

    Args:
        path: The file.
        advice: What to do about damage.
        needed: Whether there must be a checksum; older files have none.

    Raises:
        RunError: If the file is missing or damaged.
    """
    found = read_json(path)
    seal = found.pop(_SEAL, None)
    if (needed or seal is not None) and seal != _digest(found):
        raise RunError(f"{path}: damaged, its content does not match its checksum; {advice}")
    return found


def _digest(value: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


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
            _order_header(temporary)
        except SafetensorError as error:
            # It says in words what the system said in a number.
            if (found := re.search(r"os error (\d+)", str(error))) is None:
                raise
            number = int(found[1])
            raise OSError(number, os.strerror(number)) from error


def _order_header(path: Path) -> None:
    """Sort the texts in the header of a safetensors file, so that equal content makes equal bytes.

    safetensors keeps them in a hash map, whose order differs from one file to the next. Sorted, the header is as long
    as it was.
    """
    with path.open("r+b") as file:
        length = int.from_bytes(file.read(8), "little")
        header = json.loads(file.read(length))
        if "__metadata__" not in header:
            return
        header["__metadata__"] = dict(sorted(header["__metadata__"].items()))
        text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
        if len(text) <= length:
            file.seek(8)
            file.write(text.ljust(length))


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
