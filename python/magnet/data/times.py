"""When interactions took place: what the values of a column of times mean."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import polars as pl

from magnet.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

__all__ = ["is_number", "parse_time", "read_times"]


def read_times(values: pl.Series, where: str, lines: Sequence[int]) -> NDArray[np.int64]:
    """Times as whole numbers that are ordered as the times are.

    Args:
        values: Numbers, dates, or text of either: seconds or other counts, or ISO 8601 such as ``2024-01-31 12:00``.
            Dates become microseconds since 1970, UTC; numbers are kept, a fraction to the millionth.
        where: What to call the column in an error.
        lines: Number of each row for a reader of the file or frame.

    Raises:
        DataError: If a value is missing or none of these; names the row.
    """
    kept = values
    if values.dtype == pl.String:
        numbers = values.str.strip_chars().cast(pl.Float64, strict=False)
        if numbers.null_count():
            times = [None if text is None else parse_time(text) for text in values.to_list()]
            values = pl.Series(times, dtype=pl.Int64)
        else:
            values = _whole(numbers)
    elif values.dtype == pl.Date or isinstance(values.dtype, pl.Datetime):
        values = values.cast(pl.Datetime("us")).cast(pl.Int64)
    elif values.dtype.is_numeric():
        values = values.cast(pl.Int64) if values.dtype.is_integer() else _whole(values)
    else:
        raise DataError(f"{where}: expected times, numbers or dates, found {values.dtype}")
    missing = values.is_null().arg_true()
    if len(missing):
        first = int(missing[0])
        raise DataError(
            f"{where}: expected a number or a date such as 2024-01-31 12:00, found {kept[first]!r} in row "
            f"{lines[first]} ({len(missing)} such rows)"
        )
    return values.to_numpy()


def parse_time(text: str) -> int | None:
    """Microseconds of a date, or a whole number as it is; None for anything else."""
    text = text.strip()
    if is_number(text):
        return int(text)
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    found = found if found.tzinfo is not None else found.replace(tzinfo=UTC)
    return round(found.timestamp() * 1e6)


def is_number(text: str) -> bool:
    """Whether a text is a whole number, and none of the eight digits of a date."""
    digits = text.strip().removeprefix("-")
    return digits.isdecimal() and len(digits) != 8


def _whole(values: pl.Series) -> pl.Series:
    whole = values.cast(pl.Float64)
    finite = whole.is_finite()
    fraction = ((whole - whole.floor()).filter(finite.fill_null(False)) > 0).any()
    scaled = (whole * 1e6 if fraction else whole).round(0)
    return scaled.set(~finite.fill_null(False), None).cast(pl.Int64, strict=False)
