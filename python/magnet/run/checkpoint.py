"""Checkpoints: tensors and JSON in one safetensors file, so that a rename shows both or neither."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import Tensor

from magnet.errors import RunError
from magnet.files import as_path, check_version, read_tensors, write_tensors
from magnet.placing import make_folder, storing

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Checkpoint", "Checkpoints", "load_checkpoint", "save_checkpoint"]

_FORMAT = 1
_RUN = "run"  # among the meta data


class Checkpoint(NamedTuple):
    """A moment of a training run."""

    tensors: dict[str, Tensor]
    meta: dict[str, Any]


class Checkpoints:
    """The checkpoints of a run by name, ``last`` and the best of each stage, in a folder of their own.

    Args:
        folder: Where they lie; made by the first save, in a run folder that exists.
        run: The identity of the run that they belong to.
    """

    def __init__(self, folder: str | Path, run: str) -> None:
        self.folder = as_path(folder)
        self.run = run

    def path(self, name: str) -> Path:
        """The file of a checkpoint, whether it exists or not."""
        return self.folder / f"{name}.safetensors"

    def exists(self, name: str) -> bool:
        """Whether it has been saved."""
        return self.path(name).is_file()

    def save(self, name: str, tensors: Mapping[str, Tensor], meta: Mapping[str, Any]) -> None:
        """Save over the previous one of that name; see :func:`save_checkpoint`."""
        with storing(self.path(name)):
            make_folder(self.folder, parents=False)
        save_checkpoint(self.path(name), tensors, {**meta, _RUN: self.run})

    def load(self, name: str) -> Checkpoint:
        """Load one; see :func:`load_checkpoint`.

        Raises:
            RunError: Also if it is a checkpoint of another run.
        """
        found = load_checkpoint(self.path(name))
        # Runs of versions that did not write it down yet have none.
        if found.meta.pop(_RUN, self.run) != self.run:
            raise RunError(
                f"{self.path(name)}: a checkpoint of another run (other data, settings or seed); put the right one "
                "back, or train again"
            )
        return found


def save_checkpoint(path: str | Path, tensors: Mapping[str, Tensor], meta: Mapping[str, Any]) -> None:
    """Write a checkpoint, replacing an older one only once the new one is whole and on disk.

    Args:
        path: The file, in a folder that exists.
        tensors: By name, of any device; stored bit by bit.
        meta: JSON-compatible data without NaN or infinity.

    Raises:
        ValueError, TypeError: If ``meta`` is not JSON-compatible.
        StorageError: If the disk refuses it.
    """
    # In the order given: between stages that are equally good, the order in which they came decides.
    text = json.dumps(dict(meta), allow_nan=False)
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    metadata = {"format_version": str(_FORMAT), "meta": text, "sha256": _digest(tensors, text)}
    write_tensors(Path(path), tensors, metadata)


def load_checkpoint(path: str | Path) -> Checkpoint:
    """Read a checkpoint to the CPU.

    Raises:
        RunError: If the file is missing, damaged in any byte that matters, no checkpoint, or of a newer
            format.
    """
    path = Path(path)
    tensors, metadata = read_tensors(path)
    if not {"format_version", "meta", "sha256"} <= metadata.keys():
        raise RunError(f"{path}: a safetensors file, but not a checkpoint of Magnet")
    version = metadata["format_version"]
    # A number of more digits than Python reads is no version either.
    check_version(path, int(version) if version.isdecimal() and len(version) < 10 else version[:10], _FORMAT)
    if _digest(tensors, metadata["meta"]) != metadata["sha256"]:
        raise RunError(f"{path}: damaged, its content does not match its checksum; use another checkpoint")
    try:
        meta = json.loads(metadata["meta"])
    except (ValueError, RecursionError):
        meta = None
    if not isinstance(meta, dict):
        raise RunError(
            f"{path}: damaged, what stands beside its tensors is no JSON object; use another checkpoint"
        )
    return Checkpoint(tensors, meta)


def _digest(tensors: Mapping[str, Tensor], text: str) -> str:
    """SHA-256 over the JSON and, in the order of their names, every tensor's name, type, shape and bytes."""
    digest = hashlib.sha256(text.encode())
    for name in sorted(tensors):
        tensor = tensors[name]
        digest.update(json.dumps([name, str(tensor.dtype), list(tensor.shape)]).encode())
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()
