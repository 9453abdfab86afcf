"""What a comparison needs to know of data: sizes, where they lie, how much each user took; kept in the store."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from magnet.data import DataSource
from magnet.errors import RunError, StorageError
from magnet.files import file_digest, read_sealed, write_sealed
from magnet.placing import replacing_folder
from magnet.study.store import as_written, read_values

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from magnet.data import Dataset
    from magnet.study.store import RunStore

__all__ = ["Described", "describe", "keep_described", "keep_description", "read_description"]

_FACTS, _USERS = "facts.json", "users.parquet"


@dataclass(frozen=True, eq=False)
class Described:
    """A data set without its interactions.

    Attributes:
        facts: Name, content hash, sizes, modalities and source, JSON-compatible.
        history: Training items of each user, ``(U,)``.
    """

    facts: dict[str, Any]
    history: NDArray[np.int32]

    @property
    def source(self) -> DataSource | None:
        """Where it was read from; None for data from memory."""
        known = self.facts["source"]
        return None if known is None else DataSource(**known)


def describe(dataset: Dataset) -> Described:
    """Describe a data set."""
    facts = {
        "name": dataset.name,
        "content_hash": dataset.content_hash,
        "n_users": dataset.n_users,
        "n_items": dataset.n_items,
        "n_interactions": int(dataset.users.size),
        "modalities": list(dataset.modalities),
        "source": None if dataset.source is None else dataset.source.to_json(),
    }
    return Described(facts, np.diff(dataset.train.indptr).astype(np.int32))


def keep_description(dataset: Dataset, store: RunStore) -> Described:
    """Describe a data set in the store, for who has the store and not the data. One that is there stays as it is.

    Generated data are described with their yardsticks, see :func:`magnet.study.planted.yardsticks`.

    Raises:
        RunError: If the disk refuses it.
    """
    if not _folder(store, dataset.content_hash).is_dir():
        from magnet.study.planted import (  # brings torch, without which a store can be read
            planted,
            yardsticks,
        )

        found, made = describe(dataset), planted(dataset)
        truth = {} if made is None else {"truth": yardsticks(made)}
        keep_described(found.facts | truth, found.history, store)
    return read_description(store, dataset.content_hash)


def keep_described(facts: dict[str, Any], history: NDArray[np.int32], store: RunStore) -> None:
    """The same of data that are not here; see :class:`Described` for the arguments."""
    folder = _folder(store, facts["content_hash"])
    if folder.is_dir():
        return
    buffer = io.BytesIO()
    pl.DataFrame({"history": history}).write_parquet(buffer, compression="zstd")
    try:
        with replacing_folder(folder) as prepared:
            (prepared / _USERS).write_bytes(buffer.getvalue())
            write_sealed(prepared / _FACTS, facts | {"users": file_digest(prepared / _USERS)})
    except StorageError as error:
        # Another process may have put the same in place meanwhile.
        if not (folder / _FACTS).is_file():
            raise RunError(f"{folder}: the data cannot be described ({error.reason}); make room") from error


def read_description(store: RunStore, content_hash: str) -> Described:
    """The description of a data set.

    Raises:
        RunError: If the store has none, or it is damaged.
    """
    folder = _folder(store, content_hash)
    if not folder.is_dir():
        raise RunError(
            f"{folder}: missing; run magnet compare on these data once more with this store, which describes them and "
            "runs nothing again"
        )
    again = f"remove {folder}, and compare on these data once more: nothing runs again"
    facts = read_sealed(folder / _FACTS, again, needed=store.sealed)
    users, digest = folder / _USERS, facts.pop("users", None)
    if (store.sealed or digest is not None) and (not users.is_file() or file_digest(users) != digest):
        raise RunError(f"{users}: missing or damaged, its checksum is another one; {again}")
    with as_written(users):
        history = read_values(users, again)["history"].to_numpy()
    if facts.get("content_hash") != content_hash or facts.get("n_users") != len(history):
        raise RunError(f"{folder}: damaged, it does not describe these data; remove it")
    return Described(facts, history)


def _folder(store: RunStore, content_hash: str) -> Path:
    return store.path / "data" / content_hash[:32]
