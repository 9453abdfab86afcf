"""The store of experiments: a folder in which each is whole or absent, and none is made twice."""

from __future__ import annotations

import contextlib
import fcntl
import io
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import polars as pl

from magnet.errors import MagnetError, RunError, StorageError
from magnet.files import (
    as_path,
    check_version,
    file_digest,
    read_json,
    read_sealed,
    write_json,
    write_sealed,
)
from magnet.forks import use_polars
from magnet.placing import make_folder, remove_left_folders, replacing_folder, storing
from magnet.study.identity import key_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

__all__ = ["Record", "RunStore", "as_written", "read_values"]

_KIND = "magnet-study"
# Since format 2 every JSON file has its own checksum; those of older stores are read without.
_FORMAT, _SEALED = 2, 2
_HEAD, _FACTS, _VALUES = "store.json", "facts.json", "users.parquet"


@dataclass(frozen=True, eq=False)
class Record:
    """A finished experiment.

    Attributes:
        key: Its name in the store.
        experiment: What was run, see :func:`magnet.study.identity.experiment`.
        facts: What came of it, JSON-compatible.
        path: The folder that holds it.
    """

    key: str
    experiment: dict[str, Any]
    facts: dict[str, Any]
    path: Path

    def values(self) -> pl.DataFrame:
        """Each user's own values; see :func:`magnet.study.scoring.score_states` for the columns.

        Raises:
            RunError: If they are damaged.
        """
        use_polars("reading a store")
        return read_values(self.path / _VALUES, f"remove {self.path} to run it again")


class RunStore:
    """Experiments on disk, by key.

    ::

        STORE/store.json              kind and format
        STORE/experiments/KEY/        facts.json and users.parquet, renamed into place together
        STORE/runs/KEY/               the run folder of a trained model, to be resumed, lent and looked at
        STORE/data/HASH/              what tables say of the data, see :mod:`magnet.study.described`
        STORE/tunings/KEY/            the trials of a tuning, see :class:`magnet.study.trials.TrialLog`
        STORE/locks/KEY               held by the process that runs the experiment

    A process that is killed at any moment leaves at worst a folder with a leading dot, which the next one that runs the
    same experiment removes, and a run folder to resume. Several processes may share a store: each experiment is run by
    the one that has its lock, which the operating system takes back when a process ends.

    Run folders take the most room. Those of experiments that are finished may be removed by hand: a backbone that
    another experiment would have borrowed is then trained again.

    Args:
        path: The folder; made, with its parents, if it is missing.

    Raises:
        RunError: If the folder holds something else, was written by a newer version, or cannot be written.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = as_path(path)
        head = self.path / _HEAD
        try:
            with storing(self.path):
                self._make(head)
        except StorageError as error:
            raise RunError(
                f"{self.path}: the store cannot be written ({error.reason}); choose a folder that is yours"
            ) from error
        found = read_json(head)
        if found.get("kind") != _KIND:
            raise RunError(f"{head}: not of a store of experiments; choose another folder")
        check_version(head, found.get("format_version"), _FORMAT)
        self.sealed: bool = found["format_version"] >= _SEALED

    def _make(self, head: Path) -> None:
        make_folder(self.path)
        if not head.is_file():
            # A leading dot is what another process, or one that was killed here, is about to rename.
            strange = sorted(file.name for file in self.path.iterdir() if not file.name.startswith("."))
            if strange and not head.is_file():
                raise RunError(
                    f"{self.path}: not a store of experiments, it holds {strange[0]} and no {_HEAD}; choose another "
                    "folder, or an empty one"
                )
            write_json(head, {"kind": _KIND, "format_version": _FORMAT})
        for name in ("experiments", "runs", "locks"):
            make_folder(self.path / name)

    def __repr__(self) -> str:
        return f"RunStore '{self.path}': {len(self.keys)} experiments"

    @property
    def keys(self) -> list[str]:
        """The keys of all finished experiments, sorted."""
        folder = self.path / "experiments"
        return sorted(entry.name for entry in folder.iterdir() if not entry.name.startswith("."))

    def run_folder(self, key: str) -> Path:
        """Where the run folder of an experiment lies, or would lie."""
        return self.path / "runs" / key

    def discard_run(self, key: str) -> None:
        """Remove the run folder of an experiment; what the experiment found stays. Call it inside :meth:`claimed`."""
        shutil.rmtree(self.run_folder(key), ignore_errors=True)

    def find(self, key: str) -> Record | None:
        """A finished experiment; None if it has not been run.

        Raises:
            RunError: If a file of it is missing or damaged.
        """
        folder = self.path / "experiments" / key
        if not folder.is_dir():
            return None
        again = f"remove {folder} to run it again"
        found = read_sealed(folder / _FACTS, again, needed=self.sealed)
        if not {"experiment", "facts", "values"} <= found.keys() or not _is_called(found["experiment"], key):
            raise RunError(f"{folder / _FACTS}: damaged, it does not describe this experiment; {again}")
        values = folder / _VALUES
        if not values.is_file() or file_digest(values) != found["values"]:
            raise RunError(f"{values}: missing or damaged, its checksum is another one; {again}")
        return Record(key, found["experiment"], found["facts"], folder)

    def add(self, experiment: Mapping[str, Any], facts: Mapping[str, Any], values: pl.DataFrame) -> Record:
        """Keep a finished experiment. One that is there already stays as it is.

        Call it inside :meth:`claimed`.

        Args:
            experiment: What was run.
            facts: What came of it, JSON-compatible data; NaN becomes null.
            values: Each user's own values.

        Raises:
            RunError: If the disk refuses it.
        """
        key = key_of(experiment)
        folder = self.path / "experiments" / key
        if (known := self.find(key)) is not None:
            return known
        remove_left_folders(folder)
        try:
            with replacing_folder(folder) as prepared:
                _write_values(prepared / _VALUES, values)
                digest = file_digest(prepared / _VALUES)
                whole = {"experiment": experiment, "facts": facts, "values": digest}
                write_sealed(prepared / _FACTS, whole)
        except StorageError as error:
            raise RunError(
                f"{folder}: the experiment cannot be kept ({error.reason}); make room, and the same command goes on"
            ) from error
        found = self.find(key)
        assert found is not None
        return found

    @contextlib.contextmanager
    def claimed(self, key: str, *, wait: bool = True) -> Iterator[bool]:
        """Hold an experiment for this process, so that no other one runs it.

        Args:
            key: Of the experiment.
            wait: Until another process lets go of it, rather than not to have it.

        Returns:
            Whether this process has it. Look then whether the experiment has been made meanwhile.

        Raises:
            RunError: If the lock cannot be made.
        """
        path = self.path / "locks" / key
        try:
            # The file stays: were it removed, two processes might hold locks on two files of the same name.
            file = path.open("ab")
        except OSError as error:
            raise RunError(f"{path}: the lock cannot be made ({error.strerror})") from error
        with file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
            except BlockingIOError:
                yield False
                return
            yield True


def read_values(path: Path, again: str) -> pl.DataFrame:
    """A table of values of users.

    Args:
        path: A Parquet file.
        again: What to do about damage.

    Raises:
        RunError: If it cannot be read.
    """
    try:
        return pl.read_parquet(path)
    except (OSError, pl.exceptions.PolarsError, pl.exceptions.PanicException) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise RunError(f"{path}: missing or damaged ({reason}); {again}") from None


@contextlib.contextmanager
def as_written(path: Path) -> Iterator[None]:
    """Say that a file holds something else than Magnet writes, where what was read of it turns out so.

    A checksum tells of accidents. Files of other hands, and of stores that are older than checksums, may hold anything.

    Args:
        path: Of the file or folder.

    Raises:
        RunError: Where a part is missing, or of another kind.
    """
    try:
        yield
    except MagnetError:
        raise
    except (LookupError, TypeError, AttributeError, ValueError, pl.exceptions.PolarsError) as error:
        reason = f"{type(error).__name__}: {error}"[:200]
        raise RunError(
            f"{path}: damaged, it holds something else than Magnet writes ({reason}); remove it to run it again"
        ) from error


def _is_called(experiment: Any, key: str) -> bool:
    """Whether an experiment has this key; NaN, which Python reads in JSON, has none."""
    try:
        return isinstance(experiment, dict) and key_of(experiment) == key
    except ValueError:
        return False


def _write_values(path: Path, values: pl.DataFrame) -> None:
    # In memory first: polars turns a full disk into errors of many kinds, Python into one.
    buffer = io.BytesIO()
    values.write_parquet(buffer, compression="zstd", compression_level=19)
    path.write_bytes(buffer.getvalue())
