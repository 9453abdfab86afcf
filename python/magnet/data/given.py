"""What users hand in, in one form: ids of any container, whole numbers, names."""

from __future__ import annotations

import math
import operator
from collections.abc import Hashable, Iterable, Mapping, Set
from typing import TYPE_CHECKING, Any, TypeAlias

import narwhals as nw
import numpy as np

from magnet.data.columns import find_item, find_user
from magnet.data.ids import as_ids, as_list, plain_key
from magnet.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Container

    from narwhals.typing import IntoDataFrame

__all__ = [
    "Keys",
    "as_column",
    "as_flag",
    "as_frame",
    "as_key",
    "as_keys",
    "as_mapping",
    "as_names",
    "as_real",
    "as_values",
    "as_whole",
    "as_wholes",
    "as_word",
]

# Ids as the public methods take them: one, or several in whatever holds them.
Keys: TypeAlias = "Hashable | Iterable[Hashable] | IntoDataFrame"

_FIND = {"user": find_user, "item": find_item}


def as_frame(given: Any) -> nw.DataFrame[Any] | None:
    """A data frame of any library that narwhals knows, None for anything else.

    Raises:
        DataError: If two of its columns have the same name.
    """
    try:
        table: nw.DataFrame[Any] = nw.from_native(given, eager_only=True)
    except TypeError:
        return None
    except (
        Exception
    ) as error:  # narwhals refuses names that occur twice, under a class that moved between versions
        names = list(map(str, getattr(given, "columns", ())))
        again = sorted({name for name in names if names.count(name) > 1})
        named = f"{', '.join(map(repr, again))} stand there more than once" if again else str(error)
        raise DataError(f"expected columns of different names: {named}; rename or drop columns") from None
    return table


def as_column(given: Any) -> nw.Series[Any] | None:
    """A column of any library that narwhals knows, None for anything else."""
    try:
        column: nw.Series[Any] = nw.from_native(given, series_only=True)
    except TypeError:
        return None
    return column


def as_values(given: Any, what: str) -> list[Any]:
    """The values of a list, an array, a column, a tensor or another container, as plain Python objects.

    Args:
        given: A list or any other iterable of values, a NumPy array or a tensor of one axis, a column of pandas, polars
            or Arrow. Masked values become None.
        what: What to call it in an error.

    Raises:
        DataError: If it is no such container, has several axes, or is a set, whose order would be drawn anew in every
            process.
    """
    shape = getattr(given, "shape", None)
    if isinstance(shape, tuple) and len(shape) != 1:
        raise DataError(f"{what}: expected a list, found {type(given).__name__} of shape {tuple(shape)}")
    if isinstance(given, Set) and not isinstance(given, Mapping):
        if not hasattr(given, "mapping"):  # what keys() of a mapping gives has an order
            raise DataError(f"{what}: a {type(given).__name__} has no order; give a list, such as sorted(…)")
        given = list(given)
    if isinstance(given, np.ndarray) and given.dtype.kind == "M":
        given = given.astype("datetime64[us]")  # nanoseconds would come out as integers
    for convert in ("to_list", "tolist", "to_pylist"):
        if hasattr(given, convert):
            values = getattr(given, convert)()
            break
    else:
        try:
            values = list(given)
        except TypeError:
            raise DataError(
                f"{what}: expected a list, found {given!r} of type {type(given).__name__}"
            ) from None
    return [plain_key(value) for value in values]


def as_keys(
    given: Any, kind: str, known: Container[Hashable] = (), *, where: str | None = None
) -> list[Hashable]:
    """Ids of users or items, from whatever holds them.

    Args:
        given: A single id, a container as :func:`as_values` takes it, or a frame with a column of ids.
        kind: ``"user"`` or ``"item"``.
        known: Ids of the model. A tuple that is one of them is a single id, any other tuple a list of ids.
        where: What to call the ids in an error, by default after their kind.

    Returns:
        Plain Python objects in the order given; repeats stay.

    Raises:
        DataError: If an id is missing or not hashable, or the container is none of these.
    """
    what = where or f"{kind} ids"
    table = as_frame(given)
    if table is not None:
        columns = table.columns
        column = columns[0] if len(columns) == 1 else _FIND[kind](columns, None, f"{what}: frame")
        values = as_values(table[column], what)
    elif _is_single(given, known):
        values = [plain_key(given)]
    else:
        values = as_values(given, what)
    return as_list(as_ids(values, what))


def as_key(given: Any, kind: str, known: Container[Hashable] = ()) -> Hashable:
    """One id of a user or an item.

    Raises:
        DataError: If it is missing, or a list or anything else that is no single id.
    """
    if not _is_single(given, known) and not isinstance(given, tuple):
        raise DataError(f"expected one {kind} id, found {_shortened(given)} of type {type(given).__name__}")
    return as_list(as_ids([plain_key(given)], f"{kind} ids"))[0]


def as_whole(given: Any, what: str, *, least: int | None = None) -> int:
    """A whole number, also one of NumPy's or torch's; neither 2.0 nor True is one.

    Raises:
        DataError: If it is none, or less than ``least``.
    """
    bound = "" if least is None else f" of at least {least}"
    try:
        number = None if isinstance(plain_key(given), bool) else operator.index(given)
    except (TypeError, ValueError):
        number = None
    if number is None or (least is not None and number < least):
        raise DataError(f"{what} must be a whole number{bound}, got {given!r} of type {type(given).__name__}")
    return number


def as_real(given: Any, what: str) -> float:
    """A finite number, also one of NumPy's or torch's; True is none.

    Raises:
        DataError: If it is none.
    """
    number = plain_key(given)
    if isinstance(number, bool) or not isinstance(number, (int, float)) or not math.isfinite(number):
        raise DataError(f"{what} must be a finite number, got {given!r} of type {type(given).__name__}")
    return float(number)


def as_wholes(given: Any, what: str, *, least: int | None = None) -> list[int]:
    """Whole numbers, one or several.

    Raises:
        DataError: If there is none, or :func:`as_whole` refuses one.
    """
    values = [given] if _is_single(given) else as_values(given, what)
    if not values:
        bound = "" if least is None else f" of at least {least}"
        raise DataError(f"{what} must be whole numbers{bound}, got {given!r}")
    return [as_whole(value, what, least=least) for value in values]


def as_flag(given: Any, what: str) -> bool:
    """A truth value, also NumPy's.

    Raises:
        DataError: If it is none: neither 1 nor "no" is one.
    """
    if not isinstance(given, (bool, np.bool_)):
        raise DataError(
            f"{what} must be True or False, got {_shortened(given)} of type {type(given).__name__}"
        )
    return bool(given)


def as_mapping(given: Any, what: str, example: str) -> dict[Any, Any]:
    """A mapping, empty for None.

    Raises:
        DataError: If it is none; the text shows the example.
    """
    if given is None:
        return {}
    if not isinstance(given, Mapping):
        raise DataError(
            f"{what}: expected a mapping such as {example}, found {_shortened(given)} of type {type(given).__name__}"
        )
    return dict(given)


def as_word(given: Any, what: str) -> str:
    """A text.

    Raises:
        DataError: If it is none.
    """
    if not isinstance(given, str):
        raise DataError(f"{what} must be a text, got {_shortened(given)} of type {type(given).__name__}")
    return given


def as_names(given: Any, what: str) -> list[str]:
    """Names, one or several; a text is one name, not its letters.

    Raises:
        DataError: If one is no text.
    """
    names = [given] if isinstance(given, str) else as_values(given, what)
    for name in names:
        if not isinstance(name, str):
            raise DataError(f"{what}: expected names, found {name!r} of type {type(name).__name__}")
    return names


def _is_single(given: Any, known: Container[Hashable] = ()) -> bool:
    if isinstance(given, tuple):
        return _hashable(given) and given in known
    if isinstance(given, (str, bytes)) or getattr(given, "shape", None) == ():
        return True
    return not isinstance(given, Iterable) and not hasattr(given, "to_pylist")


def _hashable(key: object) -> bool:
    try:
        hash(key)
    except TypeError:
        return False
    return True


def _shortened(given: Any) -> str:
    text = " ".join(repr(given).split())
    return text if len(text) <= 60 else f"{text[:59]}…"
