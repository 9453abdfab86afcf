"""From ids to indices and back: unknown ids are named, ids that only look like known ones are refused."""

from __future__ import annotations

import contextlib
import datetime
import unicodedata
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from magnet.data.given import as_frame
from magnet.errors import DataError, UnknownIdError, with_command

if TYPE_CHECKING:
    from collections.abc import Hashable, Mapping, Sequence

    from numpy.typing import NDArray

__all__ = ["first_ids", "id_column", "id_indices", "like", "refuse_alike"]

# Ids named in an error; more would hide the sentence around them.
_NAMED = 5
# Types of ids that a column of polars, and what is written of it, keeps as they are.
_PLAIN = {int, str, float, bool, datetime.date, datetime.datetime}


def id_indices(
    keys: Sequence[Hashable], index: Mapping[Hashable, int], what: str, advice: str = ""
) -> NDArray[np.int32]:
    """Indices of ids.

    Args:
        keys: Ids.
        index: From id to index.
        what: ``user`` or ``item``, for errors.
        advice: What an error ends with.

    Raises:
        UnknownIdError: If there is no such id.
    """
    refuse_alike(keys, index, what)
    missing = [key for key in keys if key not in index]
    if missing:
        error = UnknownIdError(f"unknown {what} ids {first_ids(missing)}{advice}", missing)
        raise with_command(
            error, str(error).replace("unknown='skip'", "--unknown skip").replace("'popular'", "popular")
        )
    return np.array([index[key] for key in keys], dtype=np.int32)


def refuse_alike(keys: Sequence[Hashable], index: Mapping[Hashable, int], what: str) -> None:
    """Refuse ids that only look like known ones: they would be answered as strangers, or as someone else.

    Raises:
        DataError: If truth values stand where ids are none.
        UnknownIdError: If an unknown id is a known one of another type or with other blanks; names both.
    """
    truth = [key for key in keys if isinstance(key, bool)]
    if truth and not any(isinstance(key, bool) for key in index):
        raise DataError(
            f"{what} ids: found {truth[0]}, and no {what} of the model has a truth value for an id; "
            f"of a mask give the ids that it chooses, such as ids[mask]"
        )
    read = ((key, [known for known in _readings(key) if known in index]) for key in keys if key not in index)
    alike = [(key, found[0]) for key, found in read if found]
    if alike:
        key, known = alike[0]
        raise UnknownIdError(
            f"unknown {what} ids {first_ids([key for key, _ in alike])}: {key!r} is {_kind(key)}, and the model knows "
            f"{known!r}, {_kind(known)}; give the ids as they are in the data",
            [key for key, _ in alike],
        )


def _readings(key: Hashable) -> list[Hashable]:
    """What an id may have been before it came as another type or was written in another way."""
    if isinstance(key, (int, float)):
        whole = isinstance(key, int) or key.is_integer()
        return [str(int(key)), str(float(key))] if whole else [str(key)]
    if not isinstance(key, str):
        return []
    text = unicodedata.normalize("NFC", key.strip())
    readings: list[Hashable] = [text, unicodedata.normalize("NFD", text)]
    with contextlib.suppress(ValueError):
        number = float(text)
        readings.append(int(number) if number.is_integer() else number)
    return readings


def _kind(key: Hashable) -> str:
    names = {str: "text", int: "a whole number", float: "a float"}
    return names.get(type(key), f"of type {type(key).__name__}")


def first_ids(keys: Sequence[Hashable]) -> str:
    """The first few ids, and how many more there are."""
    named = ", ".join(map(repr, keys[:_NAMED]))
    return named if len(keys) <= _NAMED else f"{named} and {len(keys) - _NAMED} more"


def id_column(name: str, keys: Sequence[Hashable]) -> pl.Series:
    """A column of ids: of their own type where they share one that polars knows, else of Python objects.

    Args:
        name: Of the column.
        keys: Its values, at least one; None is missing in a column of any type.
    """
    kinds = {type(key) for key in keys if key is not None}
    if len(kinds) == 1 and kinds <= _PLAIN:
        with contextlib.suppress(OverflowError, TypeError, pl.exceptions.PolarsError):  # too large an integer
            return pl.Series(name, keys)
    return pl.Series(name, keys, dtype=pl.Object)


def like(given: Any, frame: pl.DataFrame) -> Any:
    """The frame in the library of a frame that was given, else as it is."""
    table = as_frame(given)
    if table is None or table.implementation.is_polars():
        return frame
    columns = {
        name: column.to_list() if column.dtype in (pl.Object, pl.String) else column.to_numpy()
        for name, column in zip(frame.columns, frame, strict=True)
    }
    library = table.__native_namespace__()
    return library.table(columns) if hasattr(library, "table") else library.DataFrame(columns)
