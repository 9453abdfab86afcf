"""The user's own ids as JSON, given back as exactly the keys they were."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

import numpy as np

from magnet.errors import RunError

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence

__all__ = ["decode_ids", "encode_ids", "id_lines", "id_text"]


def encode_ids(ids: Sequence[Hashable], *, of: str) -> list[Any]:
    """Turn ids into JSON-ready data that :func:`decode_ids` turns back without loss.

    JSON tells text, whole numbers, floats and booleans apart by itself, and a list can only have been a
    tuple, because lists are not hashable. NumPy scalars come back as the Python values that equal them.

    Args:
        ids: Text, whole numbers, finite floats, booleans, and tuples of these.
        of: Whose ids they are, ``"user"`` or ``"item"``, for the error.

    Raises:
        RunError: If an id is of any other type, naming the first.

    Example:
        >>> decode_ids(encode_ids(["A1", 7, ("shop", 3)], of="item"))
        ['A1', 7, ('shop', 3)]
    """
    encoded = []
    for index, key in enumerate(ids):
        try:
            encoded.append(_encode(key))
        except TypeError:
            raise RunError(
                f"{of} {index} has the id {key!r} of type {type(key).__name__}, which a run "
                "folder cannot keep: expected text, whole numbers, finite floats, booleans or tuples of "
                "these; turn the ids into text with str() before making the data set"
            ) from None
    return encoded


def decode_ids(encoded: Sequence[Any]) -> list[Hashable]:
    """Give back the ids that :func:`encode_ids` was given."""
    return [_decode(value) for value in encoded]


def id_text(key: Hashable) -> str:
    """An id as it is written on a command line and in files: tuples as JSON lists."""
    return json.dumps(key, ensure_ascii=False) if isinstance(key, tuple) else str(key)


def id_lines(ids: Sequence[Hashable]) -> str:
    r"""Ids as text, one a line; one that would not be a line, being empty or having a break, stands as JSON.

    Example:
        >>> print(id_lines(["A1", 7, "two\nlines"]), end="")
        A1
        7
        "two\nlines"
    """
    texts = [id_text(key) for key in ids]
    lines = [text if text.splitlines() == [text] else json.dumps(text, ensure_ascii=True) for text in texts]
    return "".join(f"{line}\n" for line in lines)


def _encode(key: Hashable) -> Any:
    if isinstance(key, np.generic):
        key = key.item()
    if type(key) is tuple:
        return [_encode(part) for part in key]
    # Subclasses, such as enumerations, would be read back as their base type.
    if type(key) in (str, int, bool) or (type(key) is float and math.isfinite(key)):
        return key
    raise TypeError


def _decode(value: Any) -> Hashable:
    if isinstance(value, list):
        return tuple(map(_decode, value))
    if isinstance(value, str | int | float):
        return value
    raise TypeError
