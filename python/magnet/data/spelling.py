"""One spelling for each id: blanks, Unicode forms, words for nothing, whole numbers that were written as floats."""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING

import polars as pl

from magnet.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Sequence

    from magnet.data.ids import Ids

__all__ = ["check_spelling", "clean_text", "named_places", "refuse_nothing", "settle_floats", "spell"]

# What programs write where there is no value. Names of people (Nan, Na) are written in another case.
NOTHING = (
    *("", "nan", "NaN", "NAN", "-nan", "-NaN", "NaT", "NA", "<NA>", "N/A", "n/a", "#N/A", "#NA", "\\N"),
    *("null", "NULL", "Null", "none", "None", "NONE"),
)
# Unseen characters that str.strip leaves: the byte order mark, spaces and joiners of no width.
_UNSEEN = "\ufeff\u200b\u200c\u200d\u2060"
_ODD = rf"^[\s{_UNSEEN}\x1c-\x1f]|[\s{_UNSEEN}\x1c-\x1f]$|[^\x00-\x7f]"
_FLOAT = r"^-?\d+\.0+$"
_SCIENTIFIC = r"^\d\.\d+[eE]\+\d+$"
_NAMED = 3


def clean_text(text: str) -> str:
    """A text without blanks and unseen characters around it, in the Unicode form NFC.

    Example:
        >>> clean_text("  u1 ")
        'u1'
    """
    before = None
    while before != text:
        before = text
        text = text.strip().strip(_UNSEEN)
    return unicodedata.normalize("NFC", text)


def named_places(values: Sequence[object], rows: Sequence[int], place: Callable[[int], str]) -> str:
    """The first few of some values, and where they stand, as errors and messages list them."""
    text = ", ".join(
        f"{value!r} in {place(row)}" for value, row in zip(values[:_NAMED], rows[:_NAMED], strict=True)
    )
    return text if len(values) <= _NAMED else f"{text}, …"


def refuse_nothing(values: pl.Series, where: str, place: Callable[[int], str]) -> None:
    """Refuse rows whose id is empty or a word for nothing.

    Args:
        values: Text.
        where: What to call the ids in an error.
        place: The name of a row for a reader of the file.

    Raises:
        DataError: If there is such a row; names the first ones.
    """
    rows = values.str.strip_chars().is_in(list(NOTHING)).arg_true().to_list()
    if rows:
        raise DataError(
            f"{where}: {_rows(len(rows))} no id but a word for nothing, or blanks: "
            f"{named_places([values[row] for row in rows[: _NAMED + 1]], rows[: _NAMED + 1], place)}; drop such rows, "
            "or give them ids"
        )


def spell(values: pl.Series, where: str, place: Callable[[int], str]) -> tuple[pl.Series, list[str]]:
    """Bring text ids of a file into one spelling; no id is then the same as another but for what cannot be seen.

    Args:
        values: Text, without nulls.
        where: What to call the ids in an error.
        place: The name of a row for a reader of the file.

    Returns:
        The ids; and a message if some were changed.

    Raises:
        DataError: If an id is empty, or a word such as nan or NULL.
    """
    refuse_nothing(values, where, place)
    odd = values.str.contains(_ODD)
    if not odd.any():
        return values, []
    texts = values.filter(odd).unique().to_list()
    changed = {text: clean_text(text) for text in texts if clean_text(text) != text}
    if not changed:
        return values, []
    cleaned = values.replace(changed)
    refuse_nothing(cleaned, where, place)
    rows = (cleaned != values).arg_true().to_list()
    message = (
        f"{where}: {_rows(len(rows))} an id with blanks around it, or in another Unicode form than NFC; ids were "
        f"brought into one form: {_examples(values, rows, place)}"
    )
    return cleaned, [message]


def check_spelling(ids: Ids, where: str, place: Callable[[int], str]) -> list[str]:
    """Look at ids that came as Python values, and so stay as they are.

    Args:
        ids: Of any kind; texts are looked at.
        where: What to call the ids in an error.
        place: The name of a row for the user.

    Returns:
        A message if ids have blanks around them, or look like floats.

    Raises:
        DataError: If an id is empty or a word for nothing, or two differ by what cannot be seen: blanks, Unicode
            form, ``7`` and ``7.0``.
    """
    if isinstance(ids, pl.Series):
        if ids.dtype != pl.String:
            return []
        texts, of_text = ids, place
    else:
        found = [(row, key) for row, key in enumerate(ids) if isinstance(key, str)]
        texts = pl.Series([key for _, key in found], dtype=pl.String)

        def of_text(row: int) -> str:
            return place(found[row][0])

    if not len(texts):
        return []

    refuse_nothing(texts, where, of_text)
    notes = []
    odd = texts.str.contains(_ODD).arg_true().to_list()
    changed = [row for row in odd if clean_text(texts[row]) != texts[row]]
    if changed:
        known = set(texts.unique().to_list())
        for row in changed:
            other = clean_text(texts[row])
            if other in known:
                raise DataError(
                    f"{where}: {texts[row]!r} in {of_text(row)} is {other!r} but for blanks or the Unicode form, "
                    "and both are there; bring ids into one form first, as str.strip and unicodedata.normalize do"
                )
        notes.append(
            f"{where}: {_rows(len(changed))} an id with blanks around it, or in another Unicode form than NFC, and "
            f"keeps it: {_examples(texts, changed, of_text)}"
        )
    floats = texts.str.contains(_FLOAT)
    if floats.any():
        _refuse_both(texts, floats, where, of_text)
        rows_of = floats.arg_true().to_list()
        notes.append(
            f"{where}: {_rows(len(rows_of))} an id that looks like a whole number written as a float, and keeps it as "
            f"text: {_examples(texts, rows_of, of_text)}"
        )
    return notes


def settle_floats(
    values: pl.Series, where: str, place: Callable[[int], str], *, whole: pl.Series
) -> tuple[pl.Series, list[str]]:
    """Write ids such as 7.0 as 7 where all ids are like that: pandas writes integers so where a row has a gap.

    Args:
        values: Text, without nulls.
        where: What to call the ids in an error.
        place: The name of a row for a reader of the file.
        whole: Which of them are plain integers.

    Returns:
        The ids; and a message if they were changed.

    Raises:
        DataError: If ``7.0`` stands beside ``7``, or ids are numbers of which a spreadsheet cut the last digits.
    """
    cut = values.str.contains(_SCIENTIFIC).arg_true().to_list()
    if cut:
        raise DataError(
            f"{where}: {_rows(len(cut))} an id as spreadsheets write long numbers, whose last digits are lost: "
            f"{_examples(values, cut, place)}; export the column as text"
        )
    floats = values.str.contains(_FLOAT)
    if not floats.any():
        return values, []
    if (floats | whole).all() and whole.any():
        row, other = int(floats.arg_max() or 0), int(whole.arg_max() or 0)
        raise DataError(
            f"{where}: expected integers written in one way, found {values[row]!r} in {place(row)} and "
            f"{values[other]!r} in {place(other)} ({int(floats.sum())} and {int(whole.sum())} such rows); "
            "write all of them without '.0'"
        )
    _refuse_both(values, floats, where, place)
    if not floats.all():
        return values, []
    message = (
        f"{where}: all ids are written as floats, as {values[0]!r} in {place(0)}, and were read as integers"
    )
    return values.str.replace(r"\.0+$", ""), [message]


def _refuse_both(values: pl.Series, floats: pl.Series, where: str, place: Callable[[int], str]) -> None:
    """Refuse texts that are the same number with ``.0`` and without."""
    short = values.filter(floats).str.replace(r"\.0+$", "").unique()
    twin = (values.is_in(short.to_list()) & ~floats).arg_true()
    if len(twin):
        first = int(twin[0])
        row = int((floats & values.str.contains(rf"^{values[first]}\.0+$")).arg_max() or 0)
        raise DataError(
            f"{where}: {values[row]!r} in {place(row)} and {values[first]!r} in {place(first)} are one number; "
            "write ids in one way"
        )


def _rows(count: int) -> str:
    return "1 row has" if count == 1 else f"{count} rows have"


def _examples(values: pl.Series, rows: list[int], place: Callable[[int], str]) -> str:
    """The first few different ids among some rows."""
    seen: dict[Hashable, int] = {}
    for row in rows:
        seen.setdefault(values[row], row)
        if len(seen) > _NAMED:
            break
    return named_places(list(seen), list(seen.values()), place)
