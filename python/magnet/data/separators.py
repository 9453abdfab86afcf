"""What separates the fields of a text table: what its ending stands for, or what its lines say."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING

from magnet.data.columns import recognised
from magnet.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["choose_separator", "named", "split_line"]

_NAMES = {"\t": "a tab", ",": "a comma", ";": "a semicolon", "|": "a vertical bar", " ": "a space"}
_DOUBLE = "::"  # MovieLens


def named(separator: str) -> str:
    """A separator as errors call it."""
    return f"{_NAMES[separator]} ({separator!r})" if separator in _NAMES else repr(separator)


def split_line(line: str, separator: str) -> list[str]:
    """The fields of one row, without blanks around them."""
    if '"' not in line:
        return [field.strip() for field in line.rstrip("\r\n").split(separator)]
    try:
        fields = next(csv.reader(io.StringIO(line, newline=""), delimiter=separator, strict=True))
    except csv.Error:
        fields = line.rstrip("\r\n").split(separator)
    return [field.strip() for field in fields]


def choose_separator(
    header: str, data: bytes, expected: str, where: str, fits: Callable[[bytes, str], bool]
) -> tuple[str, bytes, list[str]]:
    """Find what separates the fields.

    Args:
        header: The line of column names.
        data: The whole text.
        expected: What the ending of the file stands for: it is taken if it stands in the header, unless no name is
            known under it, and one is under another.
        where: What to call the file in an error.
        fits: Whether all rows of a text have as many fields under a separator.

    Returns:
        One character; the text, in which it separates fields if something longer did; a message if it is not the
        expected one.

    Raises:
        DataError: If several others fit alike.
    """
    if expected in header and not _others_say_more(header, expected):
        return expected, data, []
    if expected not in header and _DOUBLE not in header and recognised([header]):
        return expected, data, []
    kind = f"the ending of the file stands for {named(expected)}"
    if _DOUBLE in header:
        free = next((mark for mark in (expected, *_NAMES) if mark.encode() not in data), None)
        if free is None:
            raise DataError(f"{where}: fields are separated by {_DOUBLE!r}; replace it by {named(expected)}")
        note = f"{where}: fields are separated by {_DOUBLE!r} and were read so, where {kind}"
        return free, data.replace(_DOUBLE.encode(), free.encode()), [note]
    others = [mark for mark in _NAMES if mark != expected and mark in header]
    names = {mark: recognised(split_line(header, mark)) for mark in others}
    most = max(names.values(), default=0)
    # Columns whose names are known say most, also where a row is damaged: errors then name its line.
    found = [mark for mark in others if names[mark] == most]
    if most == 0 or len(found) > 1:
        found = [mark for mark in found if fits(data, mark)]
    if not found:
        return expected, data, []
    if len(found) > 1:
        raise DataError(
            f"{where}: {named(expected)} does not separate the first line, and the separator may be "
            f"{' or '.join(map(named, found))}; {kind}: write the file with that"
        )
    note = f"{where}: the separator is {named(found[0])} and was taken for it, where {kind}"
    return found[0], data, [note]


def _others_say_more(header: str, expected: str) -> bool:
    """Whether known names come out under another separator alone, as where one name holds the expected one."""
    if recognised(split_line(header, expected)):
        return False
    # A space stands within names.
    return any(recognised(split_line(header, mark)) for mark in _NAMES if mark not in (expected, " "))
