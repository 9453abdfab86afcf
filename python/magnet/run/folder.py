"""The folder that a run leaves behind: enough to predict without the training data."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from magnet.errors import RunError, StorageError
from magnet.files import as_path, check_version, file_digest, read_json, write_json
from magnet.locks import FolderLock
from magnet.placing import (
    put_folder_in_place,
    remove_left_folders,
    remove_leftovers,
    replacing_folder,
    storing,
)
from magnet.run.checkpoint import Checkpoints
from magnet.run.contents import REQUIRED, RunContents, RunDescription, read_contents, write_contents
from magnet.run.evaluations import read_evaluations, write_evaluation

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["RunContents", "RunDescription", "RunFolder"]

_KIND = "magnet-run"
_FORMAT = 1
_CONFIG = "config.json"
_MANIFEST = "manifest.json"
_LISTED = {".arrow", ".json", ".jsonl", ".safetensors"}
# In the folder of a run that will take the place of another one: the name of that one.
_REPLACES = ".replaces"


class RunFolder:
    """A run on disk.

    :meth:`create` makes the folder before training, with ``config.json`` alone, so that events and
    checkpoints have a place and an interrupted run can be told from a finished one. :meth:`finish` adds the
    rest, and last of all ``manifest.json`` with the SHA-256 of every file, which :meth:`open` compares. Files
    that are added later, such as plots, are not checked; evaluations that are added later lie in ``evaluations/``,
    each a file of its own with a checksum of its own.

    A finished run that is to be overwritten stays until the new one is finished: that one is written to the folder
    ``NAME.unfinished`` beside it.

    While a run is made, its folder is locked: one process at a time writes it.

    Attributes:
        path: The folder.
        description: What was run.
    """

    def __init__(self, path: Path, description: RunDescription, lock: FolderLock | None = None) -> None:
        self.path = path
        self.description = description
        self._lock = lock

    def __repr__(self) -> str:
        state = "finished" if self.finished else "unfinished"
        d = self.description
        return f"RunFolder '{self.path}': {d.model}, seed {d.seed}, protocol '{d.protocol}', {state}"

    @classmethod
    def create(cls, path: str | Path, description: RunDescription, *, overwrite: bool = False) -> Self:
        """Make a new run folder, locked for this process.

        It is prepared beside ``path`` and renamed, so that ``path`` never holds half of it. Overwriting
        replaces the whole folder, and only where it is a run folder: nothing else is ever deleted.

        Args:
            path: Where; missing parents are made. An empty folder may exist there.
            description: What is run; written to ``config.json``.
            overwrite: Whether a run folder that is there may be replaced; a finished one stays until :meth:`finish`.

        Raises:
            RunError: If something is there that may not be replaced, another process writes it, or the folder cannot
                be made.
        """
        # A symbolic link stays: the folder that it points to is replaced.
        path = Path(os.path.realpath(as_path(path)))
        _check_free(path, overwrite)
        replaces = path.name if (path / _MANIFEST).is_file() else None
        place = path if replaces is None else _beside(path)
        _check_free(place, overwrite)
        for name in (path, place):
            remove_left_folders(name)
        head = {"kind": _KIND, "format_version": _FORMAT, "identity": description.identity}
        there = place.is_dir() and any(place.iterdir())
        with FolderLock(place) if there else contextlib.nullcontext():
            try:
                with replacing_folder(place, replace=there) as prepared:
                    lock = FolderLock(prepared)
                    write_json(prepared / _CONFIG, head | description.to_json())
                    if replaces is not None:
                        (prepared / _REPLACES).write_text(replaces, encoding="utf-8")
            except StorageError as error:
                raise RunError(f"{path}: the run folder cannot be made ({error.reason})") from error
        return cls(place, description, lock)

    @classmethod
    def open(cls, path: str | Path, *, unfinished: bool = False) -> Self:
        """Open a run folder and check every file that its manifest lists.

        Args:
            path: Where it is.
            unfinished: Accept a run that was interrupted before it finished, to resume it; where one was to take the
                place of ``path``, it is opened instead.

        Raises:
            RunError: If there is none, it is unfinished, a file is missing or damaged (named), or it was
                written by a newer version.
        """
        path = as_path(path)
        if unfinished and ((beside := _beside(Path(os.path.realpath(path)))) / _REPLACES).is_file():
            path = beside
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
        """Whether :meth:`finish` has run to its end, and the run lies where it belongs."""
        return (self.path / _MANIFEST).is_file() and not (self.path / _REPLACES).exists()

    @property
    def events(self) -> Path:
        """Where the events of training are written."""
        return self.path / "events.jsonl"

    @property
    def checkpoints(self) -> Checkpoints:
        """The checkpoints of training; they carry checksums of their own, and the run that they belong to."""
        return Checkpoints(self.path / "checkpoints", self.description.identity)

    def claim(self) -> None:
        """Lock a folder that was opened, to go on writing it: it is unfinished from then on.

        What dead processes left half-written is removed.

        Raises:
            RunError: If another process writes it.
        """
        if self._lock is None:
            self._lock = FolderLock(self.path)
        (self.path / _MANIFEST).unlink(missing_ok=True)
        for folder in (self.path, self.checkpoints.folder):
            remove_leftovers(folder)

    def release(self) -> None:
        """Let others write the folder."""
        if self._lock is not None:
            self._lock.release()
            self._lock = None

    def finish(self, contents: RunContents) -> None:
        """Write what a finished run knows, then the manifest, and put the folder in the place of the run it replaces.

        Raises:
            RunError: If an id is of a kind that cannot be kept, or the folder was deleted or replaced meanwhile.
            StorageError: If the disk refuses a file.
        """
        if self._lock is not None and not self._lock.holds(self.path):
            raise RunError(f"{self.path}: the folder was deleted or replaced while its run was going on")
        (self.path / _MANIFEST).unlink(missing_ok=True)
        write_contents(self.path, contents)
        files = sorted(file for file in self.path.iterdir() if file.suffix in _LISTED and file.name[0] != ".")
        write_json(
            self.path / _MANIFEST,
            {
                "format_version": _FORMAT,
                "identity": self.description.identity,
                "files": {file.name: file_digest(file) for file in files},
            },
        )
        if (self.path / _REPLACES).is_file():
            self._take_its_place()
        self.release()

    def _take_its_place(self) -> None:
        target = self.path.with_name((self.path / _REPLACES).read_text(encoding="utf-8"))
        _check_free(target, overwrite=True)
        with storing(target):
            put_folder_in_place(self.path, target)
            # Last, so that a kill before this leaves a run that can be resumed, and one after the swap a finished one.
            (target / _REPLACES).unlink()
        self.path = target

    def load(self) -> RunContents:
        """Read what :meth:`finish` wrote, and the evaluations that came later.

        Raises:
            RunError: If a file is missing or damaged, or the files do not fit each other.
        """
        contents = read_contents(self.path)
        contents.metrics.update(read_evaluations(self.path, self.description.identity))
        return contents

    def record_metrics(self, name: str, metrics: Mapping[str, Any]) -> None:
        """Add a result to the metrics of a finished run, such as its evaluation at test.

        No file that is there is touched: others may read the run, or add results, at the same time.

        Args:
            name: What to call it, such as ``"test/mmrec"``; an older result of that name is replaced.
            metrics: JSON-compatible data.

        Raises:
            RunError: If another run lies there now.
            StorageError: If the disk refuses it.
        """
        there = RunDescription.from_json(read_json(self.path / _CONFIG), self.path / _CONFIG)
        if there.identity != self.description.identity:
            raise RunError(
                f"{self.path}: another run took the place of the one that was evaluated; do it again"
            )
        write_evaluation(self.path, self.description.identity, name, metrics)


def _beside(path: Path) -> Path:
    """Where a run is made that will take the place of a finished one."""
    return path.with_name(f"{path.name}.unfinished")


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
    for name in sorted(REQUIRED - files.keys()):
        raise RunError(
            f"{path / _MANIFEST}: damaged, it has no checksum of {name}; restore it or train again"
        )
    for name, digest in files.items():
        if not (path / name).is_file():
            raise RunError(f"{path / name}: missing; the run folder is damaged, restore it or train again")
        if file_digest(path / name) != digest:
            raise RunError(
                f"{path / name}: damaged, its content does not match the checksum in {_MANIFEST}; "
                "restore it or train again"
            )
