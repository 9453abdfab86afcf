"""The encoding of a text file: UTF-8, or what its byte order mark says; anything else is refused with its place."""

from __future__ import annotations

import codecs

from magnet.errors import DataError

__all__ = ["to_utf8"]

# Longer marks first: that of UTF-32 begins like that of UTF-16.
_MARKS = (
    (codecs.BOM_UTF8, "UTF-8"),
    (codecs.BOM_UTF32_LE, "UTF-32"),
    (codecs.BOM_UTF32_BE, "UTF-32"),
    (codecs.BOM_UTF16_LE, "UTF-16"),
    (codecs.BOM_UTF16_BE, "UTF-16"),
)
_SHOWN = 20  # bytes around the one that is wrong


def to_utf8(raw: bytes, where: str) -> tuple[bytes, list[str]]:
    """Bring the bytes of a text file into UTF-8 without a mark.

    Args:
        raw: The whole file.
        where: What to call the file in an error.

    Returns:
        The same text in UTF-8; and a message if it was in another encoding.

    Raises:
        DataError: If the text is in none of these encodings, or holds NUL bytes; names line and byte.
    """
    mark, name = next(((mark, name) for mark, name in _MARKS if raw.startswith(mark)), (b"", "UTF-8"))
    notes = []
    if name == "UTF-8":
        data = raw[len(mark) :]
        try:
            if not data.isascii():  # which needs no memory
                data.decode()
        except UnicodeDecodeError as error:
            raise DataError(_not_utf8(data, error.start, where)) from None
    else:
        try:
            # By the mark, which the codec takes away.
            data = raw.decode(name).encode()
        except UnicodeError as error:
            raise DataError(
                f"{where}: the file begins with the mark of the encoding {name} and then breaks its rules "
                f"({error}); save it as UTF-8"
            ) from None
        notes.append(f"{where}: read in the encoding {name}, which the file begins with")
    zero = data.find(0)
    if zero >= 0:
        raise DataError(_holds_nul(data, zero, where))
    return data, notes


def _place(data: bytes, at: int) -> tuple[int, int]:
    """Line and byte within it, both counted from 1."""
    return data.count(b"\n", 0, at) + 1, at - data.rfind(b"\n", 0, at)


def _not_utf8(data: bytes, at: int, where: str) -> str:
    line, byte = _place(data, at)
    begin = max(data.rfind(b"\n", 0, at) + 1, at - _SHOWN)
    around = data[begin : at + _SHOWN].splitlines()[0]
    return (
        f"{where}: line {line} is not in the encoding UTF-8: byte {byte} of the line is 0x{data[at]:02x}; in "
        f"Windows-1252 (Latin-1) it would read {around.decode('cp1252', errors='replace')!r}; save the file as UTF-8, "
        "for example with iconv -f WINDOWS-1252 -t UTF-8"
    )


def _holds_nul(data: bytes, at: int, where: str) -> str:
    line, byte = _place(data, at)
    # Text in UTF-16 without its mark has a zero beside every plain letter.
    wide = data.count(0) * 3 > len(data)
    cause = (
        "the encoding looks like UTF-16 without its mark; save the file as UTF-8"
        if wide
        else "expected text; is it another kind of file, or damaged?"
    )
    return f"{where}: a NUL byte in line {line} (byte {byte} of the line): {cause}"
