"""Ratings: which interactions are likes. Nothing else of them is read, since interactions are there or not."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from magnet.data.columns import find_rating, shown
from magnet.data.given import as_real
from magnet.data.spelling import named_places
from magnet.errors import DataError, nearest

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from magnet.data.records import Choice

__all__ = ["keep_rated", "rating_column", "refuse_weights"]


def rating_column(columns: Sequence[str], choice: Choice, where: str) -> str | None:
    """The column of ratings that decide which interactions count; None where none is asked for.

    Raises:
        DataError: If it is asked for and not there.
    """
    if choice.rating is not None and choice.rating not in columns:
        raise DataError(
            f"{where}: there is no column {choice.rating!r} for the ratings"
            f"{nearest(str(choice.rating), map(str, columns))}"
        )
    if choice.min_rating is None:
        return None
    as_real(choice.min_rating, "min_rating")
    found = choice.rating or find_rating(columns)
    if found is None:
        raise DataError(
            f"{where}: min_rating needs a column of ratings with a name like rating, score or stars, found "
            f"{shown(columns)}; name it with rating= (--rating-column)"
        )
    return found


def keep_rated(
    values: pl.Series, column: str, least: float, where: str, place: Callable[[int], str]
) -> tuple[NDArray[np.bool_], list[str]]:
    """Find the interactions that are rated well enough.

    Args:
        values: Ratings, numbers or text of numbers, ``(N,)``.
        column: Its name.
        least: The least rating that counts.
        where: What to call the table.
        place: The name of a row for a reader of it.

    Returns:
        Which are, ``(N,)``; and how many were left out.

    Raises:
        DataError: If a rating is missing or no number, or none is high enough.
    """
    try:
        text = values.str.strip_chars() if values.dtype == pl.String else values
        numbers = text.cast(pl.Float64, strict=False).fill_nan(None)
    except pl.exceptions.PolarsError:
        raise DataError(f"{where}: column {column!r}: expected ratings, found {values.dtype}") from None
    faulty = numbers.is_null().arg_true().to_list()
    if faulty:
        first = named_places([values[row] for row in faulty[:4]], faulty[:4], place)
        raise DataError(
            f"{where}: column {column!r}: min_rating needs a number in every row, found {first} ({len(faulty)} such "
            "rows); drop such rows, or give them a rating"
        )
    least = as_real(least, "min_rating")
    found = numbers.to_numpy()
    keep: NDArray[np.bool_] = found >= least
    if not keep.any():
        raise DataError(
            f"{where}: not a single interaction has a rating of at least {least:g} in column {column!r}; the highest "
            f"is {found.max():g}"
        )
    n_out = keep.size - np.count_nonzero(keep)
    if not n_out:
        return keep, []
    return keep, [
        f"{where}: {n_out:,} of {keep.size:,} interactions with a rating below {least:g} in column {column!r} were "
        "left out"
    ]


def refuse_weights(weights: object, where: str) -> None:
    """Refuse weights of interactions.

    Raises:
        DataError: If there are any.
    """
    if weights is not None:
        raise DataError(
            f"{where}: interactions have no weights in Magnet, they are there or not; leave out weak ones with "
            "min_rating= and a column of ratings, or before"
        )
