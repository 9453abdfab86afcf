"""Double quotes in text tables: which of them enclose a field, and which are characters of the text."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

__all__ = ["UnpairedQuoteError", "settle_quotes"]

_QUOTE, _NEWLINE, _RETURN = b'"'[0], b"\n"[0], b"\r"[0]


class UnpairedQuoteError(ValueError):
    """A field begins with a quote and does not end with one."""

    def __init__(self, line: int) -> None:
        super().__init__(line)
        self.line = line


def settle_quotes(data: bytes, separator: str) -> bytes:
    """Write a table in such a way that every quote opens a field, closes one, or is half of a doubled one.

    A quote encloses a field where the field begins with it (RFC 4180). Within a field that begins with something else
    it is a character, as in ``15" laptop``: parsers that take it for an opening one swallow all rows until the next.
    Such fields are enclosed in quotes here, and their own quotes doubled. Lines keep their numbers and separators.

    Args:
        data: The text.
        separator: One ASCII character.

    Raises:
        UnpairedQuoteError: If a field that begins with a quote goes on behind the closing one, or never ends.
    """
    text = np.frombuffer(data, dtype=np.uint8)
    quotes = np.flatnonzero(text == _QUOTE)
    if _regular(text, quotes, separator):
        return data
    ends = np.flatnonzero(text == _NEWLINE)
    pieces, done, free = [], 0, 0  # bytes and lines that are settled
    for line in np.unique(np.searchsorted(ends, quotes)).tolist():
        if line < free:
            continue
        start = int(ends[line - 1]) + 1 if line else 0
        fields, taken = _read_row(_lines_from(data, start), separator, line)
        free = line + taken
        stop = int(ends[free - 1]) + 1 if free <= ends.size else len(data)
        pieces += [data[done:start], _write_row(fields, separator, data[start:stop])]
        done = stop
    return b"".join([*pieces, data[done:]])


def _regular(text: NDArray[np.uint8], quotes: NDArray[np.int64], separator: str) -> bool:
    """Whether quotes alternate between opening and closing ones, each at the border of a field or doubled."""
    if quotes.size % 2:
        return False
    opening, closing = quotes[0::2], quotes[1::2]
    doubled = np.zeros(opening.size + 1, dtype=bool)  # between the pairs before and behind
    doubled[1:-1] = opening[1:] == closing[:-1] + 1
    padded = np.concatenate([[_NEWLINE], text, [_NEWLINE, _NEWLINE]])  # shifted by one
    before, behind = padded[opening], padded[closing + 2]
    border = (ord(separator), _NEWLINE)
    ends_line = (behind == _RETURN) & (padded[closing + 3] == _NEWLINE)
    opens = np.isin(before, border) | doubled[:-1]
    return bool(opens.all() and (np.isin(behind, border) | ends_line | doubled[1:]).all())


def _lines_from(data: bytes, start: int) -> Iterator[str]:
    while start < len(data):
        stop = data.find(b"\n", start) + 1 or len(data)
        yield data[start:stop].decode()
        start = stop


def _read_row(lines: Iterator[str], separator: str, line: int) -> tuple[list[str], int]:
    reader = csv.reader(lines, delimiter=separator, strict=True)
    try:
        fields = next(reader)
    except csv.Error:
        raise UnpairedQuoteError(line + 1) from None
    return fields, reader.line_num


def _write_row(fields: list[str], separator: str, before: bytes) -> bytes:
    end = "\r\n" if before.endswith(b"\r\n") else "\n" if before.endswith(b"\n") else ""
    out = io.StringIO(newline="")
    csv.writer(out, delimiter=separator, lineterminator=end).writerow(fields)
    return out.getvalue().encode()
