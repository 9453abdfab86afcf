"""Which column of a table holds users, items, titles; and what the values of a split column mean."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from magnet.errors import DataError, nearest

if TYPE_CHECKING:
    from collections.abc import Sequence

    import polars as pl
    from numpy.typing import NDArray

__all__ = [
    "find_item",
    "find_pair",
    "find_rating",
    "find_time",
    "find_title",
    "find_user",
    "has_item",
    "is_id_name",
    "parse_parts",
    "recognised",
    "shown",
]

# Names are compared in lower case without separators; the first of these that the table has is taken.
USER = ("userid", "user", "uid", "userindex", "useridx", "reviewerid", "customerid", "memberid", "visitorid")
ITEM = (
    "itemid",
    "item",
    "iid",
    "itemindex",
    "itemidx",
    "asin",
    "parentasin",
    "productid",
    "movieid",
    "trackid",
    "artistid",
    "bookid",
    "songid",
    "videoid",
    "articleid",
    "isbn",
)
TITLE = (
    "title",
    "name",
    "itemtitle",
    "itemname",
    "producttitle",
    "productname",
    "trackname",
    "artistname",
    "movietitle",
    "booktitle",
    "songtitle",
    "label",
)
CATALOGUE_NUMBER = ("asin", "parentasin", "isbn", "sku", "ean")  # better than nothing beside a bare number

RATING = (
    "rating",
    "ratings",
    "userrating",
    "bookrating",
    "reviewscore",
    "score",
    "stars",
    "overall",
    "preference",
)
TIME = (
    "timestamp",
    "time",
    "datetime",
    "date",
    "unixtime",
    "unixreviewtime",
    "reviewtime",
    "ts",
    "createdat",
    "ratingtimestamp",
)
OTHERS = ("split", *TIME, *RATING)

PART_NAMES = {
    **dict.fromkeys(("0", "train", "training"), 0),
    **dict.fromkeys(("1", "valid", "val", "validation", "dev"), 1),
    **dict.fromkeys(("2", "test", "testing"), 2),
}


def _plain(name: str) -> str:
    # RecBole writes the type behind the name: user_id:token. In frames a name may be a number or a tuple.
    return str(name).partition(":")[0].strip().lower().replace("_", "").replace("-", "").replace(" ", "")


def _recognise(columns: Sequence[str], known: Sequence[str]) -> str | None:
    plain = {_plain(column): column for column in reversed(columns)}
    return next((plain[name] for name in known if name in plain), None)


def recognised(columns: Sequence[str]) -> int:
    """How many of some column names are known: those of users, items, titles, splits, ratings and times."""
    known = {*USER, *ITEM, *TITLE, *CATALOGUE_NUMBER, *OTHERS}
    return sum(_plain(column) in known for column in columns)


_SHOWN = 20


def shown(names: Sequence[str]) -> str:
    """Names as errors list them."""
    more = f" and {len(names) - _SHOWN:,} more" if len(names) > _SHOWN else ""
    return ", ".join(map(repr, names[:_SHOWN])) + more


def _find(columns: Sequence[str], given: str | None, kind: str, known: Sequence[str], where: str) -> str:
    if given is not None:
        if given not in columns:
            raise DataError(
                f"{where}: there is no column {given!r} for the {kind}{nearest(str(given), map(str, columns))}"
            )
        return columns[list(columns).index(given)]  # the frame's own name: NumPy's 1 is the column 1
    column = _recognise(columns, known)
    if column is None:
        raise DataError(
            f"{where}: expected a column of {kind} ids with a name like {kind}ID, {kind}_id or {kind}, "
            f"found {shown(columns)}; name it with {kind}= (--{kind}-column)"
        )
    return column


def find_user(columns: Sequence[str], given: str | None, where: str) -> str:
    """The column of user ids.

    Raises:
        DataError: If the given column is missing, or none is recognised.
    """
    return _find(columns, given, "user", USER, where)


def find_item(columns: Sequence[str], given: str | None, where: str) -> str:
    """The column of item ids.

    Raises:
        DataError: If the given column is missing, or none is recognised.
    """
    return _find(columns, given, "item", ITEM, where)


def find_pair(columns: Sequence[str], user: str | None, item: str | None, where: str) -> tuple[str, str]:
    """The columns of user and of item ids.

    Raises:
        DataError: If one is missing or not recognised, or both are one.
    """
    found = find_user(columns, user, where), find_item(columns, item, where)
    if found[0] == found[1]:
        raise DataError(
            f"{where}: the column {found[0]!r} cannot be both the user and the item; name two columns"
        )
    return found


def has_item(columns: Sequence[str]) -> bool:
    """Whether a column is recognised as that of the items."""
    return _recognise(columns, ITEM) is not None


def find_title(columns: Sequence[str]) -> str | None:
    """The column that names items for people: a title or name, else a catalogue number such as an ASIN."""
    return _recognise(columns, TITLE) or _recognise(columns, CATALOGUE_NUMBER)


def find_rating(columns: Sequence[str]) -> str | None:
    """The column that says how much users liked items, if there is one."""
    return _recognise(columns, RATING)


def find_time(columns: Sequence[str]) -> str | None:
    """The column that says when an interaction took place, if there is one."""
    return _recognise(columns, TIME)


def is_id_name(name: object) -> bool:
    """Whether an array of that name, beside one of features, holds the ids of their items."""
    return _plain(str(name)) in (*ITEM, "ids", "id", "items", "itemids", "keys", "asins")


def parse_parts(values: pl.Series, where: str, lines: Sequence[int]) -> NDArray[np.int8]:
    """Read a split column.

    Args:
        values: 0, 1, 2 or train, valid (val, validation, dev), test, in any case.
        where: What to call the column in an error.
        lines: Number of each row for a reader of the file or frame.

    Raises:
        DataError: If a value is none of these; names the first such row.
    """
    import polars as pl

    text = values.cast(pl.String, strict=False).str.strip_chars().str.to_lowercase()
    text = text.str.replace(r"^([012])\.0$", "$1")  # integers that a frame kept as floats
    parts = text.replace_strict(PART_NAMES, default=None, return_dtype=pl.Int8)
    unknown = parts.is_null().arg_true()
    if len(unknown):
        first = int(unknown[0])
        raise DataError(
            f"{where}: expected 0, 1, 2 or train, valid, test, found {values[first]!r} "
            f"in row {lines[first]} ({len(unknown)} such rows)"
        )
    return parts.to_numpy().astype(np.int8)
