"""Data sets from data frames of any kind."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from magnet.data.assemble import assemble
from magnet.data.columns import find_item, find_rating, find_time, find_user, has_item, parse_parts, shown
from magnet.data.feature_files import FeatureTable, read_features
from magnet.data.features import make_modality
from magnet.data.given import as_column, as_frame, as_keys, as_values, as_whole
from magnet.data.ids import as_ids, as_list, catalogue, plain_key, positions
from magnet.data.matching import check_overlap
from magnet.data.rules import find_rule, no_such_split
from magnet.data.spelling import check_spelling
from magnet.data.times import read_times
from magnet.data.titles import align_titles
from magnet.data.unread import unread_columns
from magnet.data.vectors import FORMS, frame_vectors, is_matrix, is_missing_vector, matrix, stack
from magnet.errors import DataError
from magnet.files import as_path

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence

    import narwhals as nw
    from narwhals.typing import IntoDataFrame
    from numpy.typing import NDArray

    from magnet.data.dataset import Dataset
    from magnet.data.given import Keys
    from magnet.data.ids import Ids
    from magnet.data.records import Modality
    from magnet.data.rules import Rule
    from magnet.data.vectors import Features

__all__ = ["from_frame"]


def from_frame(
    frame: IntoDataFrame,
    *,
    user: str | None,
    item: str | None,
    split: str | None,
    features: Mapping[str, Features] | None,
    items: Keys | None,
    titles: Sequence[str | None] | Mapping[Hashable, str | None] | IntoDataFrame | None,
    seed: int,
    name: str,
) -> Dataset:
    """See :meth:`magnet.Dataset.from_frame`.

    Raises:
        DataError: If a column is missing, an id is missing or unhashable, or features do not fit the items.
    """
    if features is not None and not isinstance(features, Mapping):
        raise DataError(
            f"{name}: features: expected a mapping from a modality's name to its features, as in {{'image': matrix}}, "
            f"found {type(features).__name__}"
        )
    table = _open(frame, name)
    columns = table.columns
    user_column, item_column = find_user(columns, user, name), find_item(columns, item, name)
    rule = None if split is None else find_rule(split, columns)
    if split is not None and rule is None and split not in columns:
        raise no_such_split(split, columns, name, shown(columns))
    if len(table) == 0:
        raise DataError(f"{name}: there is not a single interaction in the frame")
    user_keys, messages = _id_column(table, user_column, name)
    item_keys, found = _id_column(table, item_column, name)
    messages += found
    parts = None
    if split is not None and rule is None:
        labels = pl.Series([None if label is None else str(label) for label in table[split].to_list()])
        parts = parse_parts(labels, f"{name}: column {split!r}", range(len(labels)))

    keyed, plain, found = _sort_out(features or {}, item_column)
    messages += found
    item_ids = _catalogue(items, item_keys, keyed, plain, name)
    indices = positions(item_keys, item_ids)
    unknown = np.flatnonzero(indices < 0)
    if unknown.size:
        first = int(unknown[0])
        raise DataError(
            f"{name}: item {as_list(item_keys)[first]!r} in row {first} is not among the "
            f"{len(item_ids)} items given ({unknown.size} such rows)"
        )
    for feature, (keys, _) in keyed.items():
        if not len(keys):
            continue  # that there is no vector at all is said below
        grows = items is None and not plain
        known_ids = as_list(item_keys if grows else item_ids)
        found = check_overlap(as_list(keys), known_ids, f"{name}: modality '{feature}'", grow=grows)
        messages += found if grows else []
    # Other columns of a frame are there on purpose; these two would change what is learnt.
    telling = [column for column in columns if find_rating([column]) or find_time([column])]
    used = {user_column, item_column, *([] if parts is None or split is None else [split])}
    times = _times(table, rule, name)
    used |= {column for column in [find_time(columns)] if times is not None and column is not None}
    messages += unread_columns(
        telling, used, name, values=lambda column: _values(table, column), place=_place
    )
    known: dict[str, Modality] = {}
    for feature in features or {}:
        where = f"{name}: modality '{feature}'"
        if feature in plain:
            modality, found = make_modality(feature, plain[feature], n_items=len(item_ids), where=where)
        else:
            keys, matrix = keyed[feature]
            rows = positions(keys, item_ids)
            modality, found = make_modality(feature, matrix, n_items=len(item_ids), where=where, rows=rows)
            if (rows < 0).any():
                found.append(f"{where}: {np.count_nonzero(rows < 0)} rows name no item and were ignored")
        known[feature] = modality
        messages.extend(found)
    names, found = align_titles(titles, item_ids, name)
    messages.extend(found)
    user_ids = catalogue(user_keys)
    return assemble(
        name=name,
        where=name,
        users=positions(user_keys, user_ids),
        items=indices,
        parts=parts,
        rule=rule,
        times=times,
        seed=as_whole(seed, f"{name}: seed"),
        user_ids=as_list(user_ids),
        item_ids=as_list(item_ids),
        titles=names,
        modalities=known,
        messages=messages,
        source=None,
    )


def _times(table: nw.DataFrame[Any], rule: Rule | None, where: str) -> NDArray[np.int64] | None:
    column = find_time(table.columns)
    if column is None:
        return None
    values = table[column]
    try:
        known = pl.Series(values.to_list(), strict=False)
        return read_times(known, f"{where}: column {column!r}", range(len(known)))
    except DataError:
        if rule is not None and rule.timed:
            raise
        return None  # a column by that name that no rule asks for


def _open(frame: Any, where: str) -> nw.DataFrame[Any]:
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


def _place(row: int) -> str:
    return f"row {row}"


def _values(table: nw.DataFrame[Any], column: str) -> pl.Series:
    """A column of numbers; null where there is something else."""
    values = [plain_key(value) for value in table[column].to_list()]
    numbers = [float(value) if isinstance(value, (int, float)) else None for value in values]
    return pl.Series(numbers, dtype=pl.Float64).fill_nan(None)


def _id_column(table: nw.DataFrame[Any], column: str, where: str) -> tuple[Ids, list[str]]:
    """A column of ids, which stay as they are; and what is odd about them."""
    where = f"{where}: column {column!r}"
    ids = _column(table, column, where)
    messages = check_spelling(ids, where, _place)
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


def _sort_out(
    features: Mapping[str, Any], item_column: str
) -> tuple[dict[str, tuple[Ids, NDArray[Any]]], dict[str, NDArray[Any]], list[str]]:
    """Features that bring their item ids along, those aligned with the catalogue, and what was odd in files."""
    keyed: dict[str, tuple[Ids, NDArray[Any]]] = {}
    plain: dict[str, NDArray[Any]] = {}
    messages: list[str] = []
    for name, given in features.items():
        if not isinstance(name, str) or not name:
            raise DataError(
                f"features: expected the name of a modality, found {name!r} of type {type(name).__name__}"
            )
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
            table = _open(given, where)
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
    return _id_column(table, column, where)[0], frame_vectors(table, others, where)


def _catalogue(
    items: Keys | None,
    seen: Ids,
    keyed: dict[str, tuple[Ids, NDArray[Any]]],
    plain: dict[str, NDArray[Any]],
    where: str,
) -> Ids:
    if items is not None:
        given = as_ids(as_keys(items, "item", where=f"{where}: items"), f"{where}: items")
        if len(set(as_list(given))) != len(given):
            raise DataError(
                f"{where}: items must be unique, {len(given) - len(set(as_list(given)))} are repeated"
            )
        return given
    if not plain:
        return catalogue(seen, *(keys for keys, _ in keyed.values()))
    rows = max(array.shape[0] for array in plain.values() if array.ndim)
    if isinstance(seen, pl.Series) and seen.dtype == pl.Int64:
        numbered = seen.to_numpy()
        if numbered.min() >= 0 and numbered.max() < rows:
            return pl.Series(np.arange(rows))
    raise DataError(
        f"{where}: modalities {shown(list(plain))} come without ids, and the item ids are not row numbers "
        f"from 0 to {rows - 1}; give items=, the item id of each feature row"
    )
