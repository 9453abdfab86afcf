"""What frames, arrays and files say of items: features, titles and columns, aligned with the catalogue."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import polars as pl

from magnet.data.columns import find_item, has_item
from magnet.data.feature_files import FeatureTable, read_features
from magnet.data.features import make_modality
from magnet.data.given import as_column, as_frame, as_values
from magnet.data.ids import as_ids, as_list, positions
from magnet.data.item_columns import align_table
from magnet.data.matching import check_overlap
from magnet.data.spelling import check_spelling
from magnet.data.titles import align_titles
from magnet.data.vectors import FORMS, frame_vectors, is_matrix, is_missing_vector, matrix, stack
from magnet.errors import DataError
from magnet.files import as_path

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence

    import narwhals as nw
    from narwhals.typing import IntoDataFrame
    from numpy.typing import NDArray

    from magnet.data.ids import Ids
    from magnet.data.records import Modality
    from magnet.data.vectors import Features

__all__ = [
    "AboutItems",
    "about_items",
    "align_about",
    "id_column",
    "open_frame",
    "row_place",
    "sort_out",
]


class AboutItems(NamedTuple):
    """What is known of items beside who took them."""

    item_ids: list[Hashable]
    titles: list[str | None] | None
    modalities: dict[str, Modality]
    item_table: pl.DataFrame | None
    messages: list[str]


def about_items(
    keys: Sequence[Hashable],
    *,
    features: Mapping[str, Features],
    titles: Any,
    item_table: IntoDataFrame | None,
    name: str,
) -> AboutItems:
    """What is known of some items without an interaction, checked as :func:`from_frame` checks it.

    Args:
        keys: Their ids, in the order of features by position.
        features: As :meth:`magnet.Dataset.from_frame` takes them; likewise the others.
        titles: Likewise.
        item_table: Likewise.
        name: What to call them in an error.

    Raises:
        DataError: If an id is missing or unhashable, or something does not fit the items.
    """
    item_ids = as_ids(keys, name)
    keyed, plain, _ = sort_out(features, "item")
    for feature, (known, _) in keyed.items():
        if len(known):
            check_overlap(as_list(known), as_list(item_ids), f"{name}: modality '{feature}'", grow=False)
    return align_about(features, keyed, plain, item_ids, titles, item_table, name)


def align_about(
    features: Mapping[str, Features],
    keyed: dict[str, tuple[Ids, NDArray[Any]]],
    plain: dict[str, NDArray[Any]],
    item_ids: Ids,
    titles: Any,
    item_table: IntoDataFrame | None,
    name: str,
) -> AboutItems:
    """Features, titles and columns of the items, aligned with them.

    Args:
        features: By modality, for their order.
        keyed: Those that bring their item ids along, see :func:`sort_out`.
        plain: Those aligned with the items.
        item_ids: The items, ``(I,)``.
        titles: As :meth:`magnet.Dataset.from_frame` takes them.
        item_table: Likewise.
        name: What to call the data in an error.

    Raises:
        DataError: If something does not fit the items.
    """
    messages: list[str] = []
    modalities: dict[str, Modality] = {}
    for feature in features:
        where = f"{name}: modality '{feature}'"
        if feature in plain:
            modality, found = make_modality(feature, plain[feature], n_items=len(item_ids), where=where)
        else:
            keys, matrix = keyed[feature]
            rows = positions(keys, item_ids)
            modality, found = make_modality(feature, matrix, n_items=len(item_ids), where=where, rows=rows)
            if (rows < 0).any():
                found.append(f"{where}: {np.count_nonzero(rows < 0)} rows name no item and were ignored")
        modalities[feature] = modality
        messages.extend(found)
    table, named, found = align_table(item_table, item_ids, name, with_titles=titles is None)
    messages.extend(found)
    names, found = align_titles(titles if named is None else named, item_ids, name)
    messages.extend(found if named is None else [])
    names = names if named is None or any(names or ()) else None
    return AboutItems(as_list(item_ids), names, modalities, table, messages)


def open_frame(frame: Any, where: str) -> nw.DataFrame[Any]:
    """A frame of any library.

    Raises:
        DataError: If it is none, or two of its columns have one name.
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


def row_place(row: int) -> str:
    """What to call a row of a frame in a message."""
    return f"row {row}"


def id_column(table: nw.DataFrame[Any], column: str, where: str) -> tuple[Ids, list[str]]:
    """A column of ids, which stay as they are; and what is odd about them."""
    where = f"{where}: column {column!r}"
    ids = _column(table, column, where)
    messages = check_spelling(ids, where, row_place)
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


def sort_out(
    features: Mapping[str, Any], item_column: str
) -> tuple[dict[str, tuple[Ids, NDArray[Any]]], dict[str, NDArray[Any]], list[str]]:
    """Features that bring their item ids along, those aligned with the catalogue, and what was odd in files."""
    keyed: dict[str, tuple[Ids, NDArray[Any]]] = {}
    plain: dict[str, NDArray[Any]] = {}
    messages: list[str] = []
    for name, given in features.items():
        if isinstance(given, (str, Path)):
            read = read_features(as_path(given))
            if isinstance(read, FeatureTable):
                keyed[name] = read.keys, read.matrix
                messages += read.notes
            else:
                plain[name] = read
            continue
        keys, rows = _opened(given, item_column, f"modality '{name}'")
        if keys is None:
            plain[name] = rows
        else:
            keyed[name] = keys, rows
    return keyed, plain, messages


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
