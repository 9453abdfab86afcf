"""Text tables as people have them: read row by row, or refused with the line and the cause."""

from __future__ import annotations

import io
import re
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import polars as pl

from magnet.data.columns import recognised, shown
from magnet.data.encoding import to_utf8
from magnet.data.quotes import UnpairedQuoteError, settle_quotes
from magnet.data.rows import Rows, count_alike, cut, find_rows
from magnet.data.separators import choose_separator, named, split_line
from magnet.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

__all__ = ["SEPARATORS", "Delimited", "open_delimited"]

# .inter and .item are what MMRec and RecBole call theirs.
SEPARATORS = {".tsv": "\t", ".csv": ",", ".inter": "\t", ".item": "\t"}
_COMMENT = "#"
_SPREADSHEET = re.compile(r'"?sep=."?')  # how Excel is told the separator
_NAMED = 3

_LINE_END = re.compile(rb"\r+\n")  # files that were converted twice have two returns


class Delimited(NamedTuple):
    """A text table whose rows are known to have a field for each column."""

    columns: list[str]
    lines: Sequence[int]  # of each row below the column names, counted from 1
    notes: list[str]
    separator: str
    quoted: bool
    text: bytes  # column names and rows, without anything that is left out

    def select(self, columns: Sequence[str]) -> pl.DataFrame:
        """Some of the columns, as text; null where a field is empty and not in quotes."""
        places = sorted({self.columns.index(column) for column in columns})
        table = pl.read_csv(
            self.text,
            separator=self.separator,
            quote_char='"' if self.quoted else None,
            columns=places,
            infer_schema=False,
        )
        if table.height != len(self.lines):
            raise DataError(
                f"{len(self.lines)} rows were counted and {table.height} read; is a quote astray?"
            )
        table.columns = [self.columns[place] for place in places]
        return table.select(columns)


def open_delimited(path: Path) -> Delimited:
    """Find out how a text table is written, and check that every row has a field for each column.

    Understood, with a message where it is not what the ending says: UTF-8 and UTF-16, line ends of all systems, other
    separators, blank lines, comments, blanks around column names. Quotes enclose a field only from its beginning.

    Args:
        path: The file.

    Raises:
        DataError: If it is none of this, a row is too long or too short, or column names repeat; names the line.
    """
    where = str(path)
    data, notes = to_utf8(path.read_bytes(), where)
    if not data or data.isspace():
        raise DataError(
            f"{where}: the file is empty; expected a line of column names and one line for each row"
        )
    data = _one_line_end(data, where, notes)
    header, line = _header_line(data)
    separator, data, found = choose_separator(header, data, SEPARATORS[path.suffix], where, _fits)
    notes += found
    header, line = _header_line(data)  # as it is now: something longer may have separated its fields
    width = len(split_line(header, separator))
    if b'"' not in data and line == 1 and width > 1:
        n_lines = count_alike(data, separator, width)
        if n_lines is not None:
            return _named(header, range(2, n_lines + 1), notes, separator, False, data, where)
    data, quoted = _settled(data, separator, where, notes)
    table = find_rows(data, separator, quoted=quoted)
    if quoted and (table.fields != width).any():
        plain = find_rows(data, separator, quoted=False)
        if _kept(data, plain, width).all() and (plain.fields == width).all():
            notes.append(f"{where}: double quotes are characters of the text, as only so all lines are rows")
            table, quoted = plain, False
    if quoted and _ends_with_return(data, table).any():
        data = _without_returns(data, table)
        table = find_rows(data, separator, quoted=quoted)
    return _checked(data, table, line, header, separator, quoted, notes, where)


def _one_line_end(data: bytes, where: str, notes: list[str]) -> bytes:
    """The text with line feeds behind its lines; within quotes others may stay, those before a line feed."""
    first = data.find(b"\r")
    feed = data.find(b"\n")
    if first >= 0 and not 0 <= feed < first and not _LINE_END.match(data, first):
        if feed >= 0:
            raise DataError(
                f"{where}: line 1 ends with a carriage return alone, and there are line feeds too; write the file with "
                "one kind of line ends"
            )
        notes.append(f"{where}: lines end with a carriage return, as on old Macs, and were read so")
        data = data.replace(b"\r", b"\n")
    elif first >= 0 and b'"' not in data:
        while b"\r\n" in data:
            data = data.replace(b"\r\n", b"\n")
    return data if data.endswith(b"\n") else data + b"\n"


def _header_line(data: bytes) -> tuple[str, int]:
    """The first line that is neither blank nor a comment, or begins with # and names columns; and its number."""
    first = ("", 1)
    for line, raw in enumerate(io.BytesIO(data), 1):
        text = raw.decode()
        if not text.strip() or _SPREADSHEET.fullmatch(text.strip()):
            continue
        first = first if first[0] else (text, line)
        if not text.startswith(_COMMENT) or _commented_names(text):
            return text, line
    return first


def _commented_names(line: str) -> bool:
    return any(recognised(split_line(_bare(line), mark)) for mark in ("\t", ",", ";", "|"))


def _bare(line: str) -> str:
    return line.lstrip(_COMMENT).lstrip(" ")


def _fits(data: bytes, separator: str) -> bool:
    """Whether every row has as many fields as the first, at least two, comments and blank lines aside."""
    try:
        settled = settle_quotes(data, separator) if b'"' in data else data
    except UnpairedQuoteError:
        settled = data
    rows = find_rows(settled, separator, quoted=b'"' in data and settled is not data)
    kept = _kept(settled, rows, int(rows.fields.max()))
    fields = rows.fields[kept]
    return bool(fields[0] > 1 and (fields == fields[0]).all())


def _settled(data: bytes, separator: str, where: str, notes: list[str]) -> tuple[bytes, bool]:
    if b'"' not in data:
        return data, False
    try:
        return settle_quotes(data, separator), True
    except UnpairedQuoteError as error:
        notes.append(
            f"{where}: the quotes of line {error.line} do not pair; double quotes of this file are read as "
            "characters of the text"
        )
        return data, False


def _ends_with_return(data: bytes, rows: Rows) -> NDArray[np.bool_]:
    text = np.frombuffer(data, dtype=np.uint8)
    found: NDArray[np.bool_] = (rows.ends > rows.starts) & (text[rows.ends - 1] == ord("\r"))
    return found


def _without_returns(data: bytes, rows: Rows) -> bytes:
    text = np.frombuffer(data, dtype=np.uint8)
    return np.delete(text, rows.ends[_ends_with_return(data, rows)] - 1).tobytes()


def _kept(data: bytes, rows: Rows, width: int) -> NDArray[np.bool_]:
    """Which rows are neither blank nor a comment."""
    text = np.frombuffer(data, dtype=np.uint8)
    keep = rows.ends > rows.starts
    if width > 1:
        for row in np.flatnonzero(keep & (rows.fields == 1)).tolist():
            keep[row] = bool(data[rows.starts[row] : rows.ends[row]].strip())
    comments = keep & (text[rows.starts] == ord(_COMMENT)) & (rows.fields != width)
    keep &= ~comments
    return keep


def _checked(
    data: bytes,
    rows: Rows,
    line: int,
    header: str,
    separator: str,
    quoted: bool,
    notes: list[str],
    where: str,
) -> Delimited:
    """Leave out blank and comment lines, and refuse rows of another length."""
    width = len(split_line(header, separator))
    keep = _kept(data, rows, width)
    begins = int(np.searchsorted(rows.lines, line))
    if begins == rows.lines.size or rows.lines[begins] != line or rows.heights[begins] > 1:
        raise DataError(f"{where}: the column names in line {line} run over several lines; write them in one")
    keep[:begins] = False
    keep[begins] = True
    _tell_left_out(data, rows, keep, notes, where)
    below = keep.copy()
    below[begins] = False
    _refuse_ragged(rows, below, header, separator, where)
    _refuse_swallowed(data, rows, below, separator, where)
    tall = np.flatnonzero(below & (rows.heights > 1))
    if tall.size:
        notes.append(
            f"{where}: rows in which text in quotes runs over several lines: {tall.size} ({_lines(rows, tall)})"
        )
    text = data[rows.starts[begins] : rows.ends[begins]].decode()
    return _named(text, rows.lines[below].tolist(), notes, separator, quoted, cut(data, rows, keep), where)


def _tell_left_out(data: bytes, rows: Rows, keep: NDArray[np.bool_], notes: list[str], where: str) -> None:
    dropped = np.flatnonzero(~keep)
    blank = np.array([not data[rows.starts[row] : rows.ends[row]].strip() for row in dropped], dtype=bool)
    for which, word in ((dropped[blank], "blank"), (dropped[~blank], "comment")):
        if which.size:
            notes.append(f"{where}: {word} lines that were left out: {which.size} ({_lines(rows, which)})")


def _lines(rows: Rows, which: NDArray[np.intp]) -> str:
    text = ", ".join(str(line) for line in rows.lines[which[:_NAMED]].tolist())
    more = "" if which.size <= _NAMED else ", …"
    return f"line {text}{more}"


def _refuse_ragged(rows: Rows, below: NDArray[np.bool_], header: str, separator: str, where: str) -> None:
    names = split_line(header, separator)
    width = len(names)
    wrong = np.flatnonzero(below & (rows.fields != width))
    if not wrong.size:
        return
    kind = where.rpartition(".")[2]
    start = f"{where}: not a readable {kind} table: "
    found, line = int(rows.fields[wrong[0]]), int(rows.lines[wrong[0]])
    count = f"{wrong.size} such lines" if wrong.size > 1 else "the only such line"
    if wrong.size == np.count_nonzero(below) > 1 and (rows.fields[wrong] == found).all():
        raise DataError(
            f"{start}the first line has {width} fields ({shown(names[:5])}) and every other {found}; the first line "
            "must name all columns, also that of row numbers, and no line may stand above it"
        )
    if found < width:
        raise DataError(
            f"{start}no value for column {names[found]!r} in line {line}, which has {found} of {width} fields "
            f"({count}); every row needs as many fields as there are columns, with {named(separator)} between them"
        )
    raise DataError(
        f"{start}line {line} has {found} fields where {width} columns are named ({count}); text that holds "
        f"{named(separator)} must stand in double quotes"
    )


def _refuse_swallowed(data: bytes, rows: Rows, below: NDArray[np.bool_], separator: str, where: str) -> None:
    """Refuse a row over several lines each of which would be a row: a stray quote may have swallowed them."""
    mark = separator.encode()
    for row in np.flatnonzero(below & (rows.heights > 1)).tolist():
        parts = data[rows.starts[row] : rows.ends[row]].split(b"\n")
        if all(part.count(mark) == rows.fields[row] - 1 for part in parts):
            first = int(rows.lines[row])
            raise DataError(
                f"{where}: lines {first} to {first + len(parts) - 1} are one row by their quotes and {len(parts)} rows "
                "without; if quotes are characters of the text, write them doubled and in quotes, else take the line "
                "breaks out of the text"
            )


def _named(
    header: str,
    lines: Sequence[int],
    notes: list[str],
    separator: str,
    quoted: bool,
    data: bytes,
    where: str,
) -> Delimited:
    names = split_line(header, separator)
    if header.startswith(_COMMENT) and _commented_names(header):
        names = split_line(_bare(header), separator)
    again = sorted({name for name in names if name and names.count(name) > 1})
    if again:
        raise DataError(
            f"{where}: the columns {shown(again)} stand there more than once; rename or drop all but one of each"
        )
    # Columns without a name, such as the row numbers that pandas writes, are no one's; there may be several.
    names = [
        name or ("" if place == names.index("") else f"column {place + 1}")
        for place, name in enumerate(names)
    ]
    repeated = data.find(b"\n" + header.rstrip("\r\n").encode() + b"\n")
    if repeated >= 0 and recognised(names):  # without a header, the first row may well come again
        row = int(np.searchsorted(find_rows(data, separator, quoted=quoted).starts, repeated))
        line = lines[min(row, len(lines)) - 1]
        raise DataError(
            f"{where}: line {line} repeats the column names; of files that were joined, keep only the first such line"
        )
    return Delimited(names, lines, notes, separator, quoted, data)
