"""The data set: who took what, in which part of the split, and what is known about the items."""

from __future__ import annotations

import dataclasses
import hashlib
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, get_args

import numpy as np
from scipy.sparse import coo_array, csr_array

from magnet.choices import Part
from magnet.data.records import DataSource, Modality
from magnet.errors import DataError, nearest

if TYPE_CHECKING:
    from collections.abc import Hashable, Mapping, Sequence
    from pathlib import Path

    from narwhals.typing import IntoDataFrame
    from numpy.typing import NDArray

    from magnet.data.vectors import Features

__all__ = ["PARTS", "DataSource", "Dataset", "Modality", "Part"]

PARTS: tuple[Part, ...] = get_args(Part)  # the values 0, 1 and 2 of Dataset.parts


@dataclass(frozen=True, eq=False, repr=False)
class Dataset:
    """Interactions, raw ids and modalities. Nothing in it changes after it is made.

    Index ``u`` stands for the user ``user_ids[u]``, index ``i`` for the item ``item_ids[i]``; everything
    inside Magnet uses indices. A pair of user and item occurs at most once.

    Attributes:
        name: For reports.
        users: User index of each interaction, ``(N,)``, int32.
        items: Item index of each interaction, ``(N,)``, int32.
        parts: Part of each interaction, ``(N,)``, int8: 0 train, 1 valid, 2 test.
        user_ids: The user's own keys, ``(U,)``, unique.
        item_ids: The item's own keys, ``(I,)``, unique; items without any interaction are among them.
        titles: A name for each item, None where it has none; None where no item has.
        modalities: By name, in the order in which models use them.
        messages: What was changed or found odd while reading, with counts, one sentence each.
        source: Where it was read from; None for data made in memory.
        times: When each interaction took place, ``(N,)``, int64: microseconds since 1970 of dates, and numbers as they
            were given; None where no column says so.

    Raises:
        DataError: If lengths, types or indices do not fit each other.
    """

    name: str
    users: NDArray[np.int32]
    items: NDArray[np.int32]
    parts: NDArray[np.int8]
    user_ids: list[Hashable]
    item_ids: list[Hashable]
    titles: list[str | None] | None = None
    modalities: dict[str, Modality] = field(default_factory=dict)
    messages: list[str] = field(default_factory=list)
    source: DataSource | None = None
    times: NDArray[np.int64] | None = None

    def __post_init__(self) -> None:
        if self.times is not None and self.times.shape != self.users.shape:
            raise DataError(f"{self.name}: times must have shape {self.users.shape}, got {self.times.shape}")
        kinds = {"users": np.int32, "items": np.int32, "parts": np.int8}
        for name, kind in kinds.items():
            array = getattr(self, name)
            if array.dtype != kind or array.shape != self.users.shape or array.ndim != 1:
                raise DataError(
                    f"{self.name}: {name} must be a {np.dtype(kind)} array of shape {self.users.shape}, "
                    f"got {array.dtype} {array.shape}"
                )
        bounds = {"users": self.n_users, "items": self.n_items, "parts": len(PARTS)}
        for name, bound in bounds.items():
            array = getattr(self, name)
            outside = np.flatnonzero((array < 0) | (array >= bound))
            if outside.size:
                raise DataError(
                    f"{self.name}: {name} must lie in [0, {bound}), "
                    f"but {name}[{outside[0]}] = {array[outside[0]]}"
                )
        for name, ids in {"user_ids": self.user_ids, "item_ids": self.item_ids}.items():
            if len(set(ids)) != len(ids):
                raise DataError(
                    f"{self.name}: {name} must be unique, but {len(ids) - len(set(ids))} are repeated"
                )
        if self.titles is not None and len(self.titles) != self.n_items:
            raise DataError(
                f"{self.name}: expected {self.n_items} titles, one for each item, got {len(self.titles)}"
            )
        for place, title in enumerate(self.titles or ()):
            if title is not None and not isinstance(title, str):
                raise DataError(
                    f"{self.name}: titles must be text, or None where there is none, but titles[{place}] = {title!r}"
                )
        for modality in self.modalities.values():
            if modality.features.shape[:1] != (self.n_items,) or modality.present.shape != (self.n_items,):
                raise DataError(
                    f"{self.name}: modality '{modality.name}' must have {self.n_items} rows, "
                    f"one for each item, got {modality.features.shape[0]}"
                )

    @classmethod
    def from_folder(
        cls,
        path: str | Path,
        *,
        split: str = "split",
        modalities: Sequence[str] | None = None,
        user: str | None = None,
        item: str | None = None,
        seed: int = 0,
    ) -> Dataset:
        """Read a folder with ``inter.tsv`` (or ``.csv``), feature files and, if there is one, ``items.tsv``.

        Row i of ``<name>.npy`` belongs to row i of ``items.tsv``; without that file to the item whose id is
        i, counted from 0. ``<name>.npz``, ``.safetensors`` or ``.pt`` are the same, or have the items' ids beside the
        matrix. ``<name>.tsv``, ``.csv`` or ``.parquet``, if listed in ``modalities``, is a table with an item column
        and columns of numbers, or in Parquet of lists of numbers.

        Args:
            path: The folder.
            split: A column of the interaction file with 0, 1, 2 or train, valid, test; or a rule: ``"mmrec"``,
                ``"random"``, ``"leave-last"`` (``leave-last:2``), ``"temporal"`` (``temporal:0.2``,
                ``temporal:2024-01-31``), ``"cold-items"``, ``"cold-users"``, ``"k-fold:1/5"``; see
                :mod:`magnet.data.split`.
            modalities: Which features to use, in this order; by default every ``*.npy``, sorted by name, or
                where there is none every other file of arrays.
            user: The user column, if its name is not recognised (``userID``, ``user_id``, ``user`` … are).
            item: The item column, likewise.
            seed: What a drawn split depends on.

        Raises:
            DataError: If something is missing, empty, or breaks a rule; the text names file and line.
            ForkError: In a process that was forked from one that had read data already.
        """
        from magnet.data.load import load_folder

        return load_folder(path, split=split, modalities=modalities, user=user, item=item, seed=seed)

    @classmethod
    def read(
        cls,
        path: str | Path,
        *,
        reader: str | None = None,
        split: str = "split",
        modalities: Sequence[str] | None = None,
        user: str | None = None,
        item: str | None = None,
        seed: int = 0,
    ) -> Dataset:
        """Read data in any format that has a reader, see :func:`magnet.register_reader`.

        Args:
            path: A folder, or a file of a registered format.
            reader: Name of the reader; by default the one registered for the file's ending, else ``"folder"``.
            split: As :meth:`from_folder` takes it; likewise all that follows.
            modalities: Which features to use.
            user: The user column.
            item: The item column.
            seed: What a drawn split depends on.

        Raises:
            DataError: If something is missing, empty, or breaks a rule.
            ConfigError: If there is no such reader.
        """
        from magnet.data.readers import read

        return read(path, reader=reader, split=split, modalities=modalities, user=user, item=item, seed=seed)

    @classmethod
    def from_source(cls, source: DataSource) -> Dataset:
        """Read a data set again.

        Raises:
            DataError: As :meth:`read`.
        """
        return cls.read(
            source.path,
            reader=source.reader,
            split=source.split,
            modalities=source.modalities,
            user=source.user,
            item=source.item,
            seed=source.seed,
        )

    @classmethod
    def from_frame(
        cls,
        frame: IntoDataFrame,
        *,
        user: str | None = None,
        item: str | None = None,
        split: str | None = None,
        features: Mapping[str, Features] | None = None,
        items: Sequence[Hashable] | None = None,
        titles: Sequence[str | None] | Mapping[Hashable, str | None] | None = None,
        seed: int = 0,
        name: str = "frame",
    ) -> Dataset:
        """Make a data set of a pandas, polars or Arrow frame, with ids of any hashable kind.

        Args:
            frame: One row for each interaction.
            user: The user column, if its name is not recognised.
            item: The item column, likewise.
            split: A column with 0, 1, 2 or train, valid, test; a rule as :meth:`from_folder` takes it; None: all
                rows are for training.
            features: By name: a matrix ``(I, d)`` whose row i belongs to ``items[i]``, as an array, a tensor, a
                sparse matrix or a list of vectors; a frame with an item column, or in pandas with the items as its
                index, and columns of numbers, truth values or vectors; a pandas Series of vectors by item id; a
                mapping from item id to vector; or the path of a file as :meth:`from_folder` reads it. Items may be
                missing where ids come along.
            items: The catalogue, in the order of the features' rows; by default every item that occurs,
                sorted.
            titles: A name for each item: aligned with ``items``; by item id in a mapping or in the index of a
                pandas Series; or a frame with an item column and a title. Numbers become text; None, NaN and
                blanks are no title.
            seed: What a drawn split depends on.
            name: For reports.

        Raises:
            DataError: If a column is missing, an id is missing or unhashable, or features do not fit the
                items.
            ForkError: In a process that was forked from one that had read data already.

        Example:
            >>> import polars as pl
            >>> taken = pl.DataFrame({"user": ["ann", "ann", "bob"], "item": ["tea", "cup", "tea"]})
            >>> data = Dataset.from_frame(taken, features={"size": {"tea": [1.0, 2.0], "cup": [0.5, 1.0]}})
            >>> data.item_ids, data.train.toarray().tolist()
            (['cup', 'tea'], [[1.0, 1.0], [0.0, 1.0]])
        """
        from magnet.data.frames import from_frame

        return from_frame(
            frame,
            user=user,
            item=item,
            split=split,
            features=features,
            items=items,
            titles=titles,
            seed=seed,
            name=name,
        )

    def __repr__(self) -> str:
        counts = np.bincount(self.parts, minlength=len(PARTS))
        parts = ", ".join(f"{part} {count:,}" for part, count in zip(PARTS, counts, strict=True))
        lines = [
            f"Dataset '{self.name}': {self.n_users:,} users x {self.n_items:,} items, "
            f"{self.users.size:,} interactions ({parts})"
        ]
        lines += [f"  {modality!r}" for modality in self.modalities.values()]
        if self.messages:
            lines.append(f"  {len(self.messages)} remarks on the data: see .messages")
        return "\n".join(lines)

    @property
    def n_users(self) -> int:
        """Number of users, U."""
        return len(self.user_ids)

    @property
    def n_items(self) -> int:
        """Number of items, I: those of interactions, of the item table and of the features."""
        return len(self.item_ids)

    @cached_property
    def train(self) -> csr_array:
        """Training interactions, ``(U, I)``, float32 ones, indices sorted."""
        return self._matrix(self.parts == 0)

    @cached_property
    def valid(self) -> csr_array:
        """Validation interactions, ``(U, I)``, float32 ones, indices sorted."""
        return self._matrix(self.parts == 1)

    @cached_property
    def test(self) -> csr_array:
        """Test interactions, ``(U, I)``, float32 ones, indices sorted."""
        return self._matrix(self.parts == 2)

    @cached_property
    def train_valid(self) -> csr_array:
        """Training and validation interactions together, ``(U, I)``, float32 ones, indices sorted."""
        return self._matrix(self.parts <= 1)

    def whole(self) -> Dataset:
        """The same data with every interaction in the training part, for a final model that nobody measures."""
        return dataclasses.replace(self, parts=np.zeros_like(self.parts))

    def only(self, kept: NDArray[np.bool_]) -> Dataset:
        """The same users, items and features with some of the interactions; they have no source of their own.

        Args:
            kept: Which interactions, ``(N,)``.
        """
        return dataclasses.replace(
            self,
            users=self.users[kept],
            items=self.items[kept],
            parts=self.parts[kept],
            times=None if self.times is None else self.times[kept],
            source=None,
        )

    def part(self, name: Part) -> csr_array:
        """The interactions of ``"train"``, ``"valid"`` or ``"test"``, ``(U, I)``.

        Raises:
            DataError: If there is no such part.
        """
        if name not in PARTS:
            raise DataError(f"a split has no part {name!r}{nearest(str(name), PARTS)}")
        matrix: csr_array = getattr(self, name)
        return matrix

    @cached_property
    def user_index(self) -> dict[Hashable, int]:
        """From raw id to user index."""
        return {key: index for index, key in enumerate(self.user_ids)}

    @cached_property
    def item_index(self) -> dict[Hashable, int]:
        """From raw id to item index."""
        return {key: index for index, key in enumerate(self.item_ids)}

    @cached_property
    def content_hash(self) -> str:
        """SHA-256 over interactions, parts, ids and features, whatever the order of the interactions."""
        digest = hashlib.sha256()
        order = np.lexsort((self.items, self.users))
        for array in (self.users, self.items, self.parts):
            digest.update(np.ascontiguousarray(array[order]).tobytes())
        for ids in (self.user_ids, self.item_ids):
            digest.update("\x1f".join(f"{type(key).__name__}:{key!r}" for key in ids).encode())
            digest.update(b"\x1e")
        for modality in self.modalities.values():
            features = np.ascontiguousarray(modality.features)
            digest.update(f"{modality.name}\x1f{features.dtype}\x1f{features.shape}\x1e".encode())
            digest.update(features.data)
            digest.update(modality.present.tobytes())
        return digest.hexdigest()

    def _matrix(self, keep: NDArray[np.bool_]) -> csr_array:
        users, items = self.users[keep], self.items[keep]
        values = np.ones(users.size, dtype=np.float32)
        matrix = coo_array((values, (users, items)), shape=(self.n_users, self.n_items)).tocsr()
        matrix.sort_indices()
        return matrix
