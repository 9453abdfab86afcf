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
from magnet.data.fit import check_fit
from magnet.data.records import DataSource, Modality
from magnet.errors import DataError, nearest

if TYPE_CHECKING:
    from collections.abc import Hashable, Mapping, Sequence
    from datetime import date
    from pathlib import Path

    import polars as pl
    from narwhals.typing import IntoDataFrame
    from numpy.typing import NDArray

    from magnet.data.from_matrix import MatrixLike
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
        item_table: What else is known about items, a polars frame with one row for each item in the order of
            ``item_ids``, of every column of the item table but id and title; nulls where nothing is known. None where
            there is no such column. It is no part of ``content_hash``.

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
    item_table: pl.DataFrame | None = None

    def __post_init__(self) -> None:
        check_fit(self)

    @classmethod
    def from_folder(
        cls,
        path: str | Path,
        *,
        split: str | None = "split",
        modalities: Sequence[str] | None = None,
        user: str | None = None,
        item: str | None = None,
        seed: int = 0,
        min_rating: float | None = None,
        rating: str | None = None,
    ) -> Dataset:
        """Read a folder with ``inter.tsv``, feature files and, if there is one, ``items.tsv``.

        Interactions may as well be in ``inter.csv``, ``.parquet``, ``.arrow``, ``.feather``, in ``inter.npz`` (a matrix
        that ``scipy.sparse.save_npz`` wrote, or an array for each column), or in ``NAME.inter`` as MMRec and RecBole
        have it: the column ``x_label`` is then the split where none is named, and ``NAME.item`` the item table. A
        folder that :meth:`save` wrote is read as it was saved.

        Columns of ``items.tsv`` beside id and title become ``item_table``.
        Row i of ``<name>.npy`` belongs to row i of ``items.tsv``; without that file to the item whose id is
        i, counted from 0. ``<name>.npz``, ``.safetensors`` or ``.pt`` are the same, or have the items' ids beside the
        matrix. ``<name>.tsv``, ``.csv`` or ``.parquet``, if listed in ``modalities``, is a table with an item column
        and columns of numbers, or in Parquet of lists of numbers.

        Args:
            path: The folder.
            split: A column of the interaction file with 0, 1, 2 or train, valid, test; or a rule: ``"mmrec"``,
                ``"random"``, ``"leave-last"`` (``leave-last:2``), ``"temporal"`` (``temporal:0.2``,
                ``temporal:2024-01-31``), ``"cold-items"``, ``"cold-users"``, ``"k-fold:1/5"``; see
                :mod:`magnet.data.split`. None: the column ``split`` if there is one, else all is for training.
            modalities: Which features to use, in this order; by default every ``*.npy``, sorted by name, or
                where there is none every other file of arrays.
            user: The user column, if its name is not recognised (``userID``, ``user_id``, ``user`` … are).
            item: The item column, likewise.
            seed: What a drawn split depends on.
            min_rating: The least rating of interactions that count; None for all.
            rating: The column of ratings, if its name is not recognised (``rating``, ``score``, ``stars`` …).

        Raises:
            DataError: If something is missing, empty, or breaks a rule; the text names file and line.
            ForkError: In a process that was forked from one that had read data already.
        """
        from magnet.data.load import load_folder

        return load_folder(
            path,
            split=split,
            modalities=modalities,
            user=user,
            item=item,
            seed=seed,
            min_rating=min_rating,
            rating=rating,
        )

    @classmethod
    def read(
        cls,
        path: str | Path,
        *,
        reader: str | None = None,
        split: str | None = "split",
        modalities: Sequence[str] | None = None,
        user: str | None = None,
        item: str | None = None,
        seed: int = 0,
        min_rating: float | None = None,
        rating: str | None = None,
    ) -> Dataset:
        """Read a folder, a file of interactions, or any format that has a reader, see :func:`magnet.register_reader`.

        Args:
            path: A folder as :meth:`from_folder` takes it; a single file of interactions, without features, that ends
                in ``.tsv``, ``.csv``, ``.parquet``, ``.arrow``, ``.feather``, ``.npz`` or ``.inter``; or a file of a
                registered format.
            reader: Name of the reader; by default the one registered for the file's ending, else ``"folder"``.
            split: As :meth:`from_folder` takes it; likewise all that follows.
            modalities: Which features to use.
            user: The user column.
            item: The item column.
            seed: What a drawn split depends on.
            min_rating: The least rating of interactions that count; None for all.
            rating: The column of ratings.

        Raises:
            DataError: If something is missing, empty, or breaks a rule.
            ConfigError: If there is no such reader.
        """
        from magnet.data.readers import read

        return read(
            path,
            reader=reader,
            split=split,
            modalities=modalities,
            user=user,
            item=item,
            seed=seed,
            min_rating=min_rating,
            rating=rating,
        )

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
            min_rating=source.min_rating,
            rating=source.rating,
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
        item_table: IntoDataFrame | None = None,
        seed: int = 0,
        name: str = "frame",
        min_rating: float | None = None,
        rating: str | None = None,
        weights: None = None,
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
            item_table: A frame with an item column and whatever else is known about items: it becomes
                ``Dataset.item_table``. A column of titles in it is taken as titles if none are given. Items may be
                missing in it.
            seed: What a drawn split depends on.
            name: For reports.
            min_rating: The least rating of interactions that count; None for all.
            rating: The column of ratings, if its name is not recognised.
            weights: Refused: interactions are there or not, see ``min_rating``.

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
            item_table=item_table,
            seed=seed,
            name=name,
            min_rating=min_rating,
            rating=rating,
            weights=weights,
        )

    @classmethod
    def from_matrix(
        cls,
        train: MatrixLike,
        valid: MatrixLike | None = None,
        test: MatrixLike | None = None,
        *,
        user_ids: Sequence[Hashable] | None = None,
        item_ids: Sequence[Hashable] | None = None,
        features: Mapping[str, Features] | None = None,
        titles: Sequence[str | None] | Mapping[Hashable, str | None] | None = None,
        item_table: IntoDataFrame | None = None,
        split: str | None = None,
        seed: int = 0,
        name: str = "matrix",
        min_rating: float | None = None,
        weights: None = None,
    ) -> Dataset:
        """Make a data set of matrices of users and items, of SciPy in any format or of NumPy.

        Every entry that is not zero is an interaction; a pair that stands in several matrices stays in the earliest.

        Args:
            train: ``(U, I)``.
            valid: ``(U, I)``, None for no such part.
            test: ``(U, I)``, likewise.
            user_ids: The user of each row; by default its number.
            item_ids: The item of each column; by default its number.
            features: By name, as :meth:`from_frame` takes them; row i of a matrix belongs to column i of ``train``.
            titles: As :meth:`from_frame` takes them.
            item_table: As :meth:`from_frame` takes it.
            split: A rule that draws a split of ``train``, if there are neither ``valid`` nor ``test``.
            seed: What a drawn split depends on.
            name: For reports.
            min_rating: The least value of an entry that counts; None for all.
            weights: Refused: interactions are there or not, see ``min_rating``.

        Raises:
            DataError: If matrices differ in shape or hold no numbers, or ids or features do not fit them.

        Example:
            >>> from scipy.sparse import csr_array
            >>> data = Dataset.from_matrix(csr_array([[1, 0, 1], [0, 1, 0]]), item_ids=["tea", "cup", "pot"])
            >>> data.item_ids, data.train.toarray().tolist()
            (['tea', 'cup', 'pot'], [[1.0, 0.0, 1.0], [0.0, 1.0, 0.0]])
        """
        from magnet.data.from_matrix import from_matrix

        return from_matrix(
            train,
            valid,
            test,
            user_ids=user_ids,
            item_ids=item_ids,
            features=features,
            titles=titles,
            item_table=item_table,
            split=split,
            seed=seed,
            name=name,
            min_rating=min_rating,
            weights=weights,
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

    def filter(
        self,
        *,
        min_user: int = 0,
        min_item: int = 0,
        k_core: int | None = None,
        since: str | int | date | None = None,
        until: str | int | date | None = None,
        drop_items: bool = True,
    ) -> Dataset:
        """Leave out interactions, and the users and items that have none left; ``messages`` say how many.

        What is left stays in its part of the split. Counts are over all parts: whoever wants a split of the filtered
        data, as public data sets have it, filters first, saves, and reads with a rule.

        Args:
            min_user: Interactions that every user has at least, when all is done.
            min_item: Interactions that every item has at least, when all is done.
            k_core: Both of them: ``k_core=5`` is the 5-core by which public data are cut.
            since: The first moment that counts: a date, its text such as ``2024-01-31``, or a number in the unit of
                ``times``. The window of time is cut before anything is counted.
            until: The first moment that counts no more.
            drop_items: Whether items without any interaction go, with their features, titles and rows of the item
                table; False keeps the whole catalogue.

        Raises:
            DataError: If nothing is asked for, a number or date is none, ``times`` are missing, or fewer than two
                users or items, or no training interaction, are left.

        Example:
            >>> import numpy as np
            >>> data = Dataset.from_matrix(np.array([[1, 1, 0], [1, 1, 0], [0, 1, 1]]))
            >>> core = data.filter(k_core=2)
            >>> core.user_ids, core.item_ids
            ([0, 1], [0, 1])
        """
        from magnet.data.filters import filter_dataset

        return filter_dataset(
            self,
            min_user=min_user,
            min_item=min_item,
            k_core=k_core,
            since=since,
            until=until,
            drop_items=drop_items,
        )

    def save(self, path: str | Path, *, overwrite: bool = False) -> Path:
        """Write a folder that :meth:`read` reads to the same content.

        Kept are ids (text, numbers and truth values, each of its kind), parts, times, titles, ``item_table`` and
        features; not the messages. Tables are Parquet, features ``.npy``, and ``magnet.json`` says how to read them.
        The folder appears whole or not at all.

        Args:
            path: The folder to make.
            overwrite: Replace a folder that this method wrote, or an empty one. No other folder is ever replaced.

        Returns:
            The folder.

        Raises:
            DataError: If the folder exists and may not be replaced, or something cannot be kept, such as tuples as
                ids, or could not be read again, such as data without a training interaction.
            StorageError: If the disk refuses it.
        """
        from magnet.data.saved import save

        return save(self, path, overwrite=overwrite)

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
