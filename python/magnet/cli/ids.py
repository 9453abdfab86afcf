"""Ids on the command line and in files with one in each line, and what they are in a model."""

from collections.abc import Hashable, Iterable

from magnet.errors import DataError
from magnet.files import as_path

__all__ = ["match_ids", "read_ids"]


def read_ids(given: str, *, option: str = "--users", kind: str = "user") -> list[str]:
    """The ids on the command line, or of a file with one in each line.

    Args:
        given: The value of the option.
        option: For errors.
        kind: ``user`` or ``item``, likewise.

    Raises:
        DataError: If the file cannot be read, or there is no id.
    """
    path = as_path(given)
    if path.is_file():
        try:
            lines = path.read_text(encoding="utf-8-sig").splitlines()
        except UnicodeDecodeError as error:
            raise DataError(f"{path}: not a text file with one {kind} id in each line: {error}") from None
        ids = [line.strip() for line in lines if line.strip()]
        if not ids:
            raise DataError(f"{path}: empty, expected one {kind} id in each line")
        return ids
    ids = [part.strip() for part in given.split(",") if part.strip()]
    if not ids:
        raise DataError(
            f"{option} names no {kind}: give ids with commas between them, or a file with one in each line"
        )
    if len(ids) == 1 and (path.parent != type(path)() or path.suffix in (".txt", ".csv", ".tsv")):
        raise DataError(
            f"{path}: no such file; expected one with a {kind} id in each line, or ids with commas between"
        )
    return ids


def match_ids(texts: Iterable[str], known: Iterable[Hashable]) -> list[Hashable]:
    """The ids that are written like these texts, as they are or in the spelling that ids of files are brought into.

    A text like which none is written stays itself.
    """
    from magnet.data.spelling import clean_text
    from magnet.run.ids import id_text

    by_text: dict[str, Hashable] = {}
    for key in known:
        # Where both the text "1" and the number 1 are ids, the text wins.
        if isinstance(key, str) or id_text(key) not in by_text:
            by_text[id_text(key)] = key
    return [by_text.get(text, by_text.get(clean_text(text), text)) for text in texts]
