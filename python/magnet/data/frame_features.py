"""Features that come with a frame or a matrix of interactions: which bring their ids along, and what fits the items."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from magnet.data.columns import find_item, has_item
from magnet.data.feature_files import FeatureTable, read_features
from magnet.data.features import make_modality
from magnet.data.given import as_column, as_frame, as_values
from magnet.data.ids import as_ids, as_list, positions
from magnet.data.spelling import check_spelling
from magnet.data.vectors import FORMS, frame_vectors, is_matrix, is_missing_vector, matrix, stack
from magnet.errors import DataError
from magnet.files import as_path

if TYPE_CHECKING:
    import narwhals as nw
    from numpy.typing import NDArray

    from magnet.data.ids import Ids
    from magnet.data.records import Modality

__all__ = ["Given", "id_column", "open_frame", "place", "sort_out"]


def open_frame(frame: Any, where: str) -> nw.DataFrame[Any]:
    """A frame of any library.

    Raises:
        DataError: If it is none.
    """
    try:
        table = as_frame(frame)
    except DataError as error:
        raise DataError(f"{where}: {error}") from None
    if table is None:
        lazy = "; collect() it first" if hasattr(frame, "collect") else ""
        raise DataError(
            f"{where}: expected a pandas, polars or Arrow frame, got {type(frame).__name__}{lazy}"
        )
    return table


def place(row: int) -> str:
    """What to call a row of a frame in errors."""
    return f"row {row}"


def id_column(table: nw.DataFrame[Any], column: str, where: str) -> tuple[Ids, list[str]]:
    """A column of ids, which stay as they are; and what is odd about them."""
    where = f"{where}: column {column!r}"
    ids = _column(table, column, where)
    messages = check_spelling(ids, where, place)
    if isinstance(ids, list) and all(isinstance(key, float) and key.is_integer() for key in ids):
        messages.append(
            f"{where}: the ids are floats without a fraction, as {ids[0]!r}, and were read as integers"
        )
        ids = as_ids([int(key) for key in ids if isinstance(key, float)], where)
    return ids, messages


def _column(table: nw.DataFrame[Any], column: str, where: str) -> Ids:
    values = table[column]
    wide = str(values.dtype) in ("Int128", "UInt128")  # NumPy has no such integers
    if values.dtype.is_integer() and not wide and not values.null_count():
        integers = pl.Series(values.to_numpy()).cast(pl.Int64, strict=False)
        if not integers.null_count():  # unsigned integers may not fit into 64 bits
            return integers
    return as_ids(values.to_list(), where)


class Given:
    """Features as they were given.

    Attributes:
        names: Of the modalities, in order.
        keyed: Those that bring ids along: the ids, ``(n,)``, and the rows, ``(n, d)``.
        plain: Those whose row i belongs to item i.
        messages: What was odd in files.
    """

    def __init__(self, names: list[str]) -> None:
        self.names = names
        self.keyed: dict[str, tuple[Ids, NDArray[Any]]] = {}
        self.plain: dict[str, NDArray[Any]] = {}
        self.messages: list[str] = []

    def align(self, item_ids: Ids, where: str) -> tuple[dict[str, Modality], list[str]]:
        """The modalities of a catalogue, and what was odd about them.

        Raises:
            DataError: If a matrix does not fit the items, or a number cannot be used.
        """
        known: dict[str, Modality] = {}
        messages: list[str] = []
        for name in self.names:
            what = f"{where}: modality '{name}'"
            if name in self.plain:
                known[name], found = make_modality(name, self.plain[name], n_items=len(item_ids), where=what)
            else:
                keys, given = self.keyed[name]
                rows = positions(keys, item_ids)
                known[name], found = make_modality(name, given, n_items=len(item_ids), where=what, rows=rows)
                if (rows < 0).any():
                    found.append(f"{what}: {np.count_nonzero(rows < 0)} rows name no item and were ignored")
            messages.extend(found)
        return known, messages


def sort_out(features: Mapping[str, Any] | None, item_column: str) -> Given:
    """Tell features that bring their item ids along from those that are aligned with the catalogue.

    Raises:
        DataError: If something is none of features.
    """
    features = {} if features is None else features
    if not isinstance(features, Mapping):
        raise DataError(
            "features: expected a mapping from a modality's name to its features, as in {'image': matrix}, "
            f"found {type(features).__name__}"
        )
    found = Given(list(features))
    for name, given in features.items():
        if not isinstance(name, str) or not name:
            raise DataError(
                f"features: expected the name of a modality, found {name!r} of type {type(name).__name__}"
            )
        if isinstance(given, (str, Path)):
            read = read_features(as_path(given))
            if isinstance(read, FeatureTable):
                found.keyed[name] = read.keys, read.matrix
                found.messages += read.notes
            else:
                found.plain[name] = read
            continue
        keys, rows = _opened(given, item_column, f"modality '{name}'")
        if keys is None:
            found.plain[name] = rows
        else:
            found.keyed[name] = keys, rows
    return found


def _opened(given: Any, item_column: str, where: str) -> tuple[Ids | None, NDArray[Any]]:
    """The rows of one modality, with their item ids if they bring any along."""
    if isinstance(given, Mapping):
        there = {key: vector for key, vector in given.items() if not is_missing_vector(vector)}
        return as_ids(list(there), where), stack(list(there.values()), list(there), where)
    if is_matrix(given):
        return None, matrix(given, where)
    keys: Ids | None
    column = as_column(given)
    if column is not None:
        # By the item ids of its index, unless that only counts the rows.
        keys = _index(given, where)
        rows = frame_vectors(column.alias("vectors").to_frame(), ["vectors"], where)
    else:
        try:
            table = open_frame(given, where)
        except DataError as error:
            raise DataError(f"{error}; {FORMS}") from None
        keys, rows = _feature_frame(given, table, item_column, where)
    if keys is not None and len(set(as_list(keys))) != len(keys):
        raise DataError(
            f"{where}: {len(keys) - len(set(as_list(keys)))} rows repeat the id of an earlier one"
        )
    return keys, rows


def _index(given: Any, where: str) -> Ids | None:
    """The labels of a pandas object, None if it has none or they only count the rows."""
    index = getattr(given, "index", None)
    if index is None or callable(index):
        return None
    labels = as_values(index, where)
    if index.name is None and labels == list(range(len(labels))):
        return None
    return as_ids(labels, f"{where}: index")


def _feature_frame(
    given: Any, table: nw.DataFrame[Any], item_column: str, where: str
) -> tuple[Ids, NDArray[Any]]:
    """Ids and features of a frame; a pandas frame without an item column may have the items as its index."""
    columns = table.columns
    named = item_column if item_column in columns else None
    if named is None and not has_item(columns):
        labels = _index(given, where)
        if labels is not None:
            return labels, frame_vectors(table, columns, where)
    column = find_item(columns, named, where)
    others = [name for name in columns if name != column]
    return id_column(table, column, where)[0], frame_vectors(table, others, where)
