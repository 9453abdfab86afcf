"""The folder that a run leaves behind: enough to predict without the training data."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from magnet.errors import RunError
from magnet.files import as_path, check_version, file_digest, read_json, replacing_folder, write_json
from magnet.run.checkpoint import Checkpoints
from magnet.run.contents import RunContents, RunDescription, read_contents, write_contents

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["RunContents", "RunDescription", "RunFolder"]

_KIND = "magnet-run"
_FORMAT = 1
_CONFIG = "config.json"
_MANIFEST = "manifest.json"
_METRICS = "metrics.json"
_LISTED = {".json", ".jsonl", ".safetensors"}


class RunFolder:
    """A run on disk.

    :meth:`create` makes the folder before training, with ``config.json`` alone, so that events and
    checkpoints have a place and an interrupted run can be told from a finished one. :meth:`finish` adds the
    rest, and last of all ``manifest.json`` with the SHA-256 of every file, which :meth:`open` compares. Files
    that are added later, such as plots, are not checked.

    Attributes:
        path: The folder.
        description: What was run.
    """

    def __init__(self, path: Path, description: RunDescription) -> None:
        self.path = path
        self.description = description

    def __repr__(self) -> str:
        state = "finished" if self.finished else "unfinished"
        d = self.description
        return f"RunFolder '{self.path}': {d.model}, seed {d.seed}, protocol '{d.protocol}', {state}"

    @classmethod
    def create(cls, path: str | Path, description: RunDescription, *, overwrite: bool = False) -> Self:
        """Make a new run folder.

        It is prepared beside ``path`` and renamed, so that ``path`` never holds half of it. Overwriting
        replaces the whole folder, and only where it is a run folder: nothing else is ever deleted.

        Args:
            path: Where; missing parents are made. An empty folder may exist there.
            description: What is run; written to ``config.json``.
            overwrite: Whether a run folder that is there may be replaced.

        Raises:
            RunError: If something is there that may not be replaced, or the folder cannot be made.
        """
        # A symbolic link stays: the folder that it points to is replaced.
        path = Path(os.path.realpath(as_path(path)))
        _check_free(path, overwrite)
        head = {"kind": _KIND, "format_version": _FORMAT}
        try:
            with replacing_folder(path) as prepared:
                write_json(prepared / _CONFIG, head | description.to_json())
        except OSError as error:
            raise RunError(f"{path}: the run folder cannot be made ({error.strerror})") from error
        return cls(path, description)

    @classmethod
    def open(cls, path: str | Path, *, unfinished: bool = False) -> Self:
        """Open a run folder and check every file that its manifest lists.

        Args:
            path: Where it is.
            unfinished: Accept a run that was interrupted before it finished, to resume it.

        Raises:
            RunError: If there is none, it is unfinished, a file is missing or damaged (named), or it was
                written by a newer version.
        """
        path = as_path(path)
        if not path.is_dir():
            raise RunError(f"{path}: no such run folder")
        if not (path / _CONFIG).is_file():
            raise RunError(f"{path}: not a run folder, it has no {_CONFIG}")
        config = read_json(path / _CONFIG)
        if config.get("kind") != _KIND:
            raise RunError(f"{path}: not a run folder, its {_CONFIG} was not written by Magnet")
        check_version(path / _CONFIG, config.get("format_version"), _FORMAT)
        if (path / _MANIFEST).exists():
            _check_files(path)
        elif not unfinished:
            raise RunError(
                f"{path}: the run was interrupted before it finished, so there is no {_MANIFEST}; resume it "
                "(--resume) or train again (--overwrite)"
            )
        return cls(path, RunDescription.from_json(config, path / _CONFIG))

    @property
    def finished(self) -> bool:
        """Whether :meth:`finish` has run to its end."""
        return (self.path / _MANIFEST).is_file()

    @property
    def events(self) -> Path:
        """Where the events of training are written."""
        return self.path / "events.jsonl"

    @property
    def checkpoints(self) -> Checkpoints:
        """The checkpoints of training; they carry checksums of their own."""
        return Checkpoints(self.path / "checkpoints")

    def finish(self, contents: RunContents) -> None:
        """Write what a finished run knows, and then the manifest.

        Raises:
            RunError: If an id is of a kind that cannot be kept.
        """
        (self.path / _MANIFEST).unlink(missing_ok=True)
        write_contents(self.path, contents)
        self._write_manifest()

    def load(self) -> RunContents:
        """Read what :meth:`finish` wrote.

        Raises:
            RunError: If a file is missing or damaged, or the files do not fit each other.
        """
        return read_contents(self.path)

    def record_metrics(self, name: str, metrics: Mapping[str, Any]) -> None:
        """Add a result to the metrics of a finished run, such as its evaluation at test.

        Args:
            name: What to call it, such as ``"test/mmrec"``; an older result of that name is replaced.
            metrics: JSON-compatible data.
        """
        write_json(self.path / _METRICS, read_json(self.path / _METRICS) | {name: dict(metrics)})
        self._write_manifest()

    def _write_manifest(self) -> None:
        files = sorted(file for file in self.path.iterdir() if file.suffix in _LISTED and file.name[0] != ".")
        digests = {file.name: file_digest(file) for file in files if file.name != _MANIFEST}
        write_json(self.path / _MANIFEST, {"format_version": _FORMAT, "files": digests})


def _check_free(path: Path, overwrite: bool) -> None:
    if not path.exists():
        return
    if not path.is_dir():
        raise RunError(f"{path}: a file is in the way of the run folder; choose another name")
    if not any(path.iterdir()):
        return
    if not overwrite:
        raise RunError(f"{path}: exists already and is not empty; choose another folder, or --overwrite it")
    ours = False
    with contextlib.suppress(RunError):
        ours = read_json(path / _CONFIG).get("kind") == _KIND
    if not ours:
        raise RunError(
            f"{path}: not overwritten, because it is not a run folder (no {_CONFIG} of Magnet in it); "
            "choose another folder, or empty this one yourself"
        )


def _check_files(path: Path) -> None:
    manifest = read_json(path / _MANIFEST)
    check_version(path / _MANIFEST, manifest.get("format_version"), _FORMAT)
    files = manifest.get("files")
    if not isinstance(files, dict) or not all(Path(name).name == name for name in files):
        raise RunError(f"{path / _MANIFEST}: damaged, expected the SHA-256 of every file under 'files'")
    for name, digest in files.items():
        if not (path / name).is_file():
            raise RunError(f"{path / name}: missing; the run folder is damaged, restore it or train again")
        if file_digest(path / name) != digest:
            raise RunError(
                f"{path / name}: damaged, its content does not match the checksum in {_MANIFEST}; "
                "restore it or train again"
            )
