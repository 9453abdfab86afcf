"""The interactions of a table: which rows count, whose they are, in which part, and when they took place."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from magnet.data.columns import find_pair, find_time, parse_parts, recognised, shown
from magnet.data.ids import take
from magnet.data.ratings import keep_rated, rating_column
from magnet.data.rules import find_rule, no_such_split
from magnet.data.tables import check_header, read_ids
from magnet.data.times import read_times
from magnet.data.unread import unread_columns
from magnet.errors import DataError

if TYPE_CHECKING:
    import polars as pl
    from numpy.typing import NDArray

    from magnet.data.ids import Ids
    from magnet.data.records import Choice
    from magnet.data.rules import Rule
    from magnet.data.tables import Table

__all__ = ["Interactions", "choose_split", "keep_rows", "read_interactions"]

Kind = TypeVar("Kind", bound=np.generic)

_MMREC = "x_label"  # how the MMRec toolbox calls the column of the split


@dataclass(frozen=True)
class Interactions:
    """Interactions by raw id, as a table has them: pairs may be repeated.

    Attributes:
        table: Where they come from.
        item_column: Its column of items.
        rows: The row of the table that each was, ``(N,)``.
        users: Raw ids, ``(N,)``.
        items: Raw ids, ``(N,)``.
        parts: Of a split column, ``(N,)``; None where there is none.
        rule: How to draw a split; None for a column, or for no split at all.
        times: When, ``(N,)``, if a column says so.
        messages: What was odd about the table as such, and about what is not read in it.
        unread: What is not read of it.
    """

    table: Table
    item_column: str
    rows: NDArray[np.int64]
    users: Ids
    items: Ids
    parts: NDArray[np.int8] | None
    rule: Rule | None
    times: NDArray[np.int64] | None
    messages: list[str]
    unread: list[str]

    def place(self, row: int) -> str:
        """Where an interaction stands in the table."""
        return self.table.place(int(self.rows[row]))


def read_interactions(table: Table, choice: Choice, *, mixed: bool) -> Interactions:
    """Read the interactions of a table.

    Args:
        table: The file.
        choice: Columns, split and the least rating.
        mixed: Whether items may be text among integers.

    Raises:
        DataError: If a column is missing, or a value breaks a rule; the text names file and line.
    """
    check_header(table)
    where, columns = str(table.path), table.columns
    user_column, item_column = find_pair(columns, choice.user, choice.item, where)
    column, rule = choose_split(choice.split, columns, where, mmrec=table.path.suffix == ".inter")
    rating = rating_column(columns, choice, where)
    if not len(table):
        raise DataError(f"{where}: there is not a single interaction below the line of column names")
    messages = [*table.notes, *_first_line_note(table)]
    time_column = find_time(columns)
    used = [user_column, item_column, *(name for name in (column, rating) if name is not None)]
    frame = table.select(used if time_column is None else [*used, time_column])
    times = None if time_column is None else _times(frame[time_column], rule, table)
    used += [] if times is None or time_column is None else [time_column]
    parts = None if column is None else parse_parts(frame[column], table.where(column), table.lines)
    users, found = read_ids(frame[user_column], table)
    messages += found
    items, found = read_ids(frame[item_column], table, mixed=mixed)
    messages += found
    keep = np.ones(len(table), dtype=bool)
    if rating is not None and choice.min_rating is not None:
        keep, found = keep_rated(frame[rating], rating, choice.min_rating, where, table.place)
        messages += found
    return Interactions(
        table=table,
        item_column=item_column,
        rows=np.flatnonzero(keep),
        users=take(users, keep),
        items=take(items, keep),
        parts=keep_rows(parts, keep),
        rule=rule,
        times=keep_rows(times, keep),
        messages=messages,
        unread=unread_columns(
            columns,
            used,
            where,
            rating=choice.rating,
            values=lambda name: table.select([name])[name],
            place=table.place,
        ),
    )


def choose_split(
    split: str | None, columns: list[str], where: str, *, mmrec: bool = False
) -> tuple[str | None, Rule | None]:
    """The column of the split or the rule that draws it; neither, if all rows are for training.

    Args:
        split: A column or a rule; None for the column ``split`` if there is one.
        columns: Of the table.
        where: What to call it in an error.
        mmrec: Whether ``x_label`` is such a column too, where nothing else is named.

    Raises:
        DataError: If it is neither a column nor a rule.
    """
    if split in (None, "split") and "split" not in columns and mmrec and _MMREC in columns:
        return _MMREC, None
    if split is None:
        return ("split" if "split" in columns else None), None
    if not isinstance(split, str):
        raise DataError(
            f"{where}: split must be the name of a column or of a rule, or None for no split; got {split!r} of type "
            f"{type(split).__name__}"
        )
    rule = find_rule(split, columns)
    if rule is None and split not in columns:
        raise no_such_split(split, columns, where, shown(columns))
    return (split if rule is None else None), rule


def keep_rows(values: NDArray[Kind] | None, keep: NDArray[np.bool_]) -> NDArray[Kind] | None:
    """Some of the values, where there are any."""
    return None if values is None else values[keep]


def _times(values: pl.Series, rule: Rule | None, table: Table) -> NDArray[np.int64] | None:
    try:
        return read_times(values, table.where(values.name), table.lines)
    except DataError:
        if rule is not None and rule.timed:
            raise
        return None  # a column by that name that no rule asks for


def _first_line_note(table: Table) -> list[str]:
    """Say what was taken for column names, where none of them is known: it may be a row."""
    if not table.is_text or recognised(table.columns):
        return []
    return [f"{table.path}: the first line was taken for column names: {shown(table.columns)}"]
