"""Where the rows and fields of a text table begin and end."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Rows", "count_alike", "cut", "find_rows"]

_NEWLINE = ord("\n")
_QUOTE = ord('"')


class Rows(NamedTuple):
    """The rows of a text table, the line of column names among them."""

    starts: NDArray[np.int64]  # (n,), first byte of each row
    ends: NDArray[np.int64]  # (n,), the byte behind its last one
    fields: NDArray[np.int64]  # (n,), number of its fields
    lines: NDArray[np.int64]  # (n,), its first line in the file, counted from 1
    heights: NDArray[np.int64]  # (n,), number of lines it runs over


def count_alike(data: bytes, separator: str, width: int) -> int | None:
    """How many lines a text without quotes has, if each has as many fields; found without an array of rows.

    Args:
        data: The text; ends with a line feed.
        separator: One ASCII character.
        width: The number of fields of every line.

    Returns:
        The number of lines, None if one has more or fewer fields.
    """
    line = separator.encode() * (width - 1) + b"\n"
    marks = data.translate(None, bytes(set(range(256)) - set(line)))
    n = len(marks) // width
    return n if marks == line * n else None


def find_rows(data: bytes, separator: str, *, quoted: bool) -> Rows:
    """Find all rows, vectorised over the bytes.

    Args:
        data: The text. Lines end with a line feed.
        separator: One ASCII character.
        quoted: Whether quotes hide what is between them. Each of them then opens, closes or is doubled, see
            :mod:`magnet.data.quotes`.
    """
    text = np.frombuffer(data, dtype=np.uint8)
    breaks = text == _NEWLINE
    marks = np.flatnonzero(breaks | (text == ord(separator)))
    ends_line = breaks[marks]
    if data[-1:] != b"\n":
        marks, ends_line = np.append(marks, text.size), np.append(ends_line, True)
    if not quoted:
        places = np.flatnonzero(ends_line)
        ends = marks[places]
        lines = np.arange(1, ends.size + 1)
        heights = np.ones(ends.size, dtype=np.int64)
    else:
        # Behind an odd number of quotes one is inside of them.
        within = np.searchsorted(np.flatnonzero(text == _QUOTE), marks) % 2 == 1
        all_ends = marks[ends_line]
        marks, ends_line = marks[~within], ends_line[~within]
        places = np.flatnonzero(ends_line)
        ends = marks[places]
        last = np.searchsorted(all_ends, ends) + 1
        lines = np.concatenate([[1], last[:-1] + 1])
        heights = last - lines + 1
    starts = np.concatenate([[0], ends[:-1] + 1])
    return Rows(starts, ends, np.diff(places, prepend=-1), lines, heights)


def cut(data: bytes, rows: Rows, keep: NDArray[np.bool_]) -> bytes:
    """The text of some of the rows, each with its line end."""
    text = np.frombuffer(data if data[-1:] == b"\n" else data + b"\n", dtype=np.uint8)
    return text[np.repeat(keep, rows.ends - rows.starts + 1)].tobytes()
