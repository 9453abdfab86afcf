"""Data sets from data frames of any kind."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from magnet.data.about import align_about
from magnet.data.assemble import assemble
from magnet.data.columns import find_pair, find_rating, find_time, parse_parts, shown
from magnet.data.frame_features import Given, id_column, open_frame, place, sort_out
from magnet.data.given import as_keys, as_whole
from magnet.data.ids import as_ids, as_list, catalogue, plain_key, positions, take
from magnet.data.interactions import keep_rows
from magnet.data.matching import check_overlap
from magnet.data.ratings import keep_rated, rating_column, refuse_weights
from magnet.data.records import Choice
from magnet.data.rules import find_rule, no_such_split
from magnet.data.times import read_times
from magnet.data.unread import unread_columns
from magnet.errors import DataError
from magnet.forks import use_polars

if TYPE_CHECKING:
    from collections.abc import Hashable, Mapping, Sequence

    import narwhals as nw
    from narwhals.typing import IntoDataFrame
    from numpy.typing import NDArray

    from magnet.data.dataset import Dataset
    from magnet.data.given import Keys
    from magnet.data.ids import Ids
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
    item_table: IntoDataFrame | None,
    seed: int,
    name: str,
    min_rating: float | None = None,
    rating: str | None = None,
    weights: None = None,
) -> Dataset:
    """See :meth:`magnet.Dataset.from_frame`.

    Raises:
        DataError: If a column is missing, an id is missing or unhashable, or features do not fit the items.
    """
    use_polars("reading a frame")
    table = open_frame(frame, name)
    refuse_weights(weights, name)
    choice = Choice(split, None, user, item, as_whole(seed, f"{name}: seed"), min_rating, rating)
    columns = table.columns
    rating_of = rating_column(columns, choice, name)
    user_column, item_column = find_pair(columns, user, item, name)
    rule = None if split is None else find_rule(split, columns)
    if split is not None and rule is None and split not in columns:
        raise no_such_split(split, columns, name, shown(columns))
    if len(table) == 0:
        raise DataError(f"{name}: there is not a single interaction in the frame")
    user_keys, messages = id_column(table, user_column, name)
    item_keys, found = id_column(table, item_column, name)
    messages += found
    parts = None
    if split is not None and rule is None:
        labels = pl.Series([None if label is None else str(label) for label in table[split].to_list()])
        parts = parse_parts(labels, f"{name}: column {split!r}", range(len(labels)))

    given = sort_out(features, item_column)
    messages += given.messages
    keep = np.ones(len(table), dtype=bool)
    if rating_of is not None and choice.min_rating is not None:
        keep, found = keep_rated(_values(table, rating_of), rating_of, choice.min_rating, name, place)
        messages += found
    user_keys, item_keys, parts = take(user_keys, keep), take(item_keys, keep), keep_rows(parts, keep)
    item_ids = _catalogue(items, item_keys, given, name)
    indices = positions(item_keys, item_ids)
    unknown = np.flatnonzero(indices < 0)
    if unknown.size:
        first = int(unknown[0])
        raise DataError(
            f"{name}: item {as_list(item_keys)[first]!r} in row {int(np.flatnonzero(keep)[first])} is not among the "
            f"{len(item_ids)} items given ({unknown.size} such rows)"
        )
    for feature, (keys, _) in given.keyed.items():
        if not len(keys):
            continue  # that there is no vector at all is said below
        grows = items is None and not given.plain
        known_ids = as_list(item_keys if grows else item_ids)
        found = check_overlap(as_list(keys), known_ids, f"{name}: modality '{feature}'", grow=grows)
        messages += found if grows else []
    # Other columns of a frame are there on purpose; these two would change what is learnt.
    telling = [
        column for column in columns if find_rating([column]) or find_time([column]) or column == rating
    ]
    used = {
        user_column,
        item_column,
        *([] if rating_of is None else [rating_of]),
        *([] if parts is None or split is None else [split]),
    }
    times = _times(table, rule, name)
    used |= {column for column in [find_time(columns)] if times is not None and column is not None}
    messages += unread_columns(
        telling, used, name, rating=rating, values=lambda column: _values(table, column), place=place
    )
    about = align_about(given, item_ids, titles, item_table, name)
    user_ids = catalogue(user_keys)
    return assemble(
        name=name,
        where=name,
        users=positions(user_keys, user_ids),
        items=indices,
        parts=parts,
        rule=rule,
        times=keep_rows(times, keep),
        seed=choice.seed,
        user_ids=as_list(user_ids),
        item_ids=as_list(item_ids),
        titles=about.titles,
        modalities=about.modalities,
        messages=messages + about.messages,
        source=None,
        item_table=about.item_table,
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


def _values(table: nw.DataFrame[Any], column: str) -> pl.Series:
    """A column of numbers; null where there is something else."""
    values = [plain_key(value) for value in table[column].to_list()]
    numbers = [float(value) if isinstance(value, (int, float)) else None for value in values]
    return pl.Series(numbers, dtype=pl.Float64).fill_nan(None)


def _catalogue(items: Keys | None, seen: Ids, given: Given, where: str) -> Ids:
    """The items that were named; else those that occur, and those that features bring along."""
    if items is not None:
        named = as_ids(as_keys(items, "item", where=f"{where}: items"), f"{where}: items")
        if len(set(as_list(named))) != len(named):
            raise DataError(
                f"{where}: items must be unique, {len(named) - len(set(as_list(named)))} are repeated"
            )
        return named
    if not given.plain:
        return catalogue(seen, *(keys for keys, _ in given.keyed.values()))
    rows = max(array.shape[0] for array in given.plain.values() if array.ndim)
    if isinstance(seen, pl.Series) and seen.dtype == pl.Int64:
        numbered = seen.to_numpy()
        if numbered.min() >= 0 and numbered.max() < rows:
            return pl.Series(np.arange(rows))
    raise DataError(
        f"{where}: modalities {shown(list(given.plain))} come without ids, and the item ids are not row numbers "
        f"from 0 to {rows - 1}; give items=, the item id of each feature row"
    )
