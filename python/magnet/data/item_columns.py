"""What tables say about items beside ids and titles: one row for each item, numbers as numbers."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from magnet.data.columns import find_item, find_title
from magnet.data.given import as_frame, as_values
from magnet.data.ids import as_ids, as_list, is_missing, positions
from magnet.data.matching import check_overlap
from magnet.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence

    import narwhals as nw

    from magnet.data.ids import Ids

__all__ = ["align_rows", "align_table", "settled"]

_PADDED = r"^[+-]?0\d"  # a code and no number: 007


def settled(values: pl.Series) -> pl.Series:
    """A column of a text file as numbers, if every value of it is one.

    Blanks around values go; what is empty becomes null. Codes such as ``007`` are text.

    Example:
        >>> settled(pl.Series("price", ["1.5", None, " 2 "])).to_list()
        [1.5, None, 2.0]
        >>> settled(pl.Series("code", ["007", "8"])).to_list()
        ['007', '8']
    """
    text = values.str.strip_chars()
    text = text.replace("", None)
    if text.null_count() == len(text) or text.str.contains(_PADDED).any():
        return text
    for kind in (pl.Int64, pl.Float64):
        numbers = text.cast(kind, strict=False)
        finite = numbers.cast(pl.Float64).is_finite()
        if numbers.null_count() == text.null_count() and finite.all():
            return numbers
    return text


def align_rows(columns: pl.DataFrame, keys: Ids, item_ids: Ids) -> pl.DataFrame | None:
    """One row for each item in the order of the catalogue, nulls where nothing is known.

    Args:
        columns: ``(n, c)``.
        keys: The item of each row, ``(n,)``, unique.
        item_ids: The catalogue, ``(I,)``.

    Returns:
        ``(I, c)``, None for no columns.
    """
    if not columns.width:
        return None
    rows = positions(item_ids, keys)
    places = pl.Series(np.where(rows < 0, 0, rows), dtype=pl.UInt32).set(pl.Series(rows < 0), None)
    return pl.DataFrame([column.gather(places) for column in columns])  # column by column: without threads


def align_table(
    given: Any, item_ids: Ids, where: str, *, with_titles: bool
) -> tuple[pl.DataFrame | None, dict[Hashable, Any] | None, list[str]]:
    """Columns of a frame about items, by item id.

    Args:
        given: A pandas, polars or Arrow frame with an item column, or None.
        item_ids: The catalogue, ``(I,)``.
        where: What to call the data in an error.
        with_titles: Whether its column of titles, if it has one, is taken as titles.

    Returns:
        The columns, see :func:`align_rows`; the titles by item id if they were taken; and what was odd.

    Raises:
        DataError: If it is no frame, has no item column, an item stands there twice, or hardly any key is an item.
    """
    if given is None:
        return None, None, []
    where = f"{where}: item_table"
    try:
        table = as_frame(given)
    except DataError as error:
        raise DataError(f"{where}: {error}") from None
    if table is None:
        raise DataError(
            f"{where}: expected a pandas, polars or Arrow frame with an item column, got {type(given).__name__}"
        )
    item = find_item(table.columns, None, where)
    keys = as_ids(as_values(table[item], where), f"{where}: column {item!r}")
    listed = as_list(keys)
    if len(set(listed)) != len(listed):
        again = next(key for key, count in Counter(listed).items() if count > 1)
        raise DataError(f"{where}: item {again!r} stands there more than once; keep one row for each item")
    messages = check_overlap(listed, as_list(item_ids), where)
    others = [column for column in table.columns if column != item]
    title = find_title(others) if with_titles else None
    titles = None if title is None else dict(zip(listed, as_values(table[title], where), strict=True))
    kept = [_column(table[column], where) for column in others if column != title]
    return align_rows(pl.DataFrame(kept), keys, item_ids), titles, messages


def _column(values: nw.Series[Any], where: str) -> pl.Series:
    """A column of any frame: of its own kind where polars has it, else text."""
    name = str(values.name)
    plain = [None if _is_nothing(value) else value for value in as_values(values, where)]
    if _is_text(plain):
        return pl.Series(name, plain, dtype=pl.String)
    try:
        return pl.Series(name, plain, strict=True)
    except (TypeError, ValueError, OverflowError, pl.exceptions.PolarsError):
        return pl.Series(name, [None if value is None else str(value) for value in plain], dtype=pl.String)


def _is_nothing(value: Any) -> bool:
    return np.ndim(value) == 0 and is_missing(value)


def _is_text(values: Sequence[Any]) -> bool:
    return all(value is None or isinstance(value, str) for value in values)
