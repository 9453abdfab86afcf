"""From raw ids to indices: fast for integers and text, right for anything hashable."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import polars as pl

from magnet.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence

    from numpy.typing import NDArray

__all__ = ["Ids", "as_ids", "as_list", "catalogue", "is_missing", "plain_key", "positions", "take"]

# A polars series of Int64 or String without nulls, or, for any other kind of key, a list.
Ids: TypeAlias = "pl.Series | list[Hashable]"


def plain_key(value: Any) -> Any:
    """A value as Python has it: scalars of NumPy, pandas, torch and Arrow become numbers, texts or dates."""
    if type(value) in (str, int, float, bool, tuple):
        return value
    if isinstance(value, np.datetime64):
        return value.astype("datetime64[us]").item()  # nanoseconds would come out as an integer
    if isinstance(value, np.generic) or getattr(value, "shape", None) == ():
        return value.tolist() if hasattr(value, "tolist") else value  # of a masked value: None
    if hasattr(value, "to_pydatetime") and value == value and not value.nanosecond:
        return value.to_pydatetime()
    return value.as_py() if hasattr(value, "as_py") else value


def is_missing(value: Any) -> bool:
    """Whether a value stands for none: None, NaN, NaT, pandas.NA."""
    try:
        return value is None or bool(value != value)
    except (TypeError, ValueError):  # pandas.NA compares to nothing
        return True


def as_ids(values: Sequence[Hashable], where: str, first_row: int = 0) -> Ids:
    """Check keys and put them into the form that the rest of this module is fast with.

    Args:
        values: Keys of any hashable kind.
        where: What to call them in an error.
        first_row: Number of the row of ``values[0]``.

    Raises:
        DataError: If a key is missing (None or NaN) or not hashable; names the row.
    """
    kinds = set(map(type, values))
    if not kinds <= {str, int}:
        values = [plain_key(value) for value in values]
        kinds = set(map(type, values))
    if kinds <= {str}:
        try:
            return pl.Series(values, dtype=pl.String)
        except UnicodeEncodeError as error:  # half of a pair of UTF-16, which is no character
            raise DataError(
                f"{where}: expected text, found {error.object!r}, which has no form in UTF-8"
            ) from None
    if kinds == {int}:
        try:
            return pl.Series(values, dtype=pl.Int64)
        except (OverflowError, TypeError):  # beyond 64 bits: still a key
            return list(values)
    for row, value in enumerate(values):
        try:
            hash(value)
        except TypeError:
            raise DataError(
                f"{where}: expected hashable ids, found {value!r} of type {type(value).__name__} "
                f"in row {row + first_row}"
            ) from None
        if is_missing(value):
            raise DataError(
                f"{where}: the id in row {row + first_row} is missing ({value}); drop such rows first"
            )
    return list(values)


def as_list(ids: Ids) -> list[Hashable]:
    """The keys as Python objects."""
    return ids.to_list() if isinstance(ids, pl.Series) else ids


def catalogue(*sources: Ids) -> Ids:
    """Every key once: sorted if all are integers or all text, else in the order of appearance."""
    kinds = {source.dtype if isinstance(source, pl.Series) else None for source in sources if len(source)}
    if len(kinds) == 1 and None not in kinds:
        series = [source for source in sources if isinstance(source, pl.Series) and len(source)]
        return pl.concat(series).unique().sort()
    return list(dict.fromkeys(key for source in sources for key in as_list(source)))


def positions(values: Ids, among: Ids) -> NDArray[np.int32]:
    """Index of each key among others, -1 where it is none of them.

    Args:
        values: Keys, ``(N,)``.
        among: Unique keys, ``(n,)``, fewer than 2**31.

    Raises:
        DataError: If there are too many keys for 32-bit indices.
    """
    if len(among) >= 2**31:
        raise DataError(f"{len(among)} ids are more than 32-bit indices can tell apart")
    if isinstance(values, pl.Series) and isinstance(among, pl.Series) and values.dtype == among.dtype:
        keys = pl.DataFrame({"key": among, "index": np.arange(len(among), dtype=np.int32)})
        found = pl.DataFrame({"key": values}).join(keys, on="key", how="left", maintain_order="left")
        return found["index"].fill_null(-1).to_numpy().astype(np.int32)
    index = {key: place for place, key in enumerate(as_list(among))}
    return np.fromiter((index.get(key, -1) for key in as_list(values)), dtype=np.int32, count=len(values))


def take(ids: Ids, keep: NDArray[np.bool_]) -> Ids:
    """Some of the keys, ``keep`` saying which, ``(N,)``."""
    if isinstance(ids, pl.Series):
        return ids.filter(pl.Series(keep))
    return [key for key, kept in zip(ids, keep.tolist(), strict=True) if kept]
