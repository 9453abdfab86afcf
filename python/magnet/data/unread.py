"""What lies in the data and is not read: columns, ratings, files. Whoever brought it may think that it counts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from magnet.data.columns import find_rating, shown
from magnet.data.spelling import named_places

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence
    from pathlib import Path

__all__ = ["unread_columns", "unread_files"]

# Endings of files that people keep features, interactions or items in.
_ENDINGS = {
    *(
        ".npy",
        ".npz",
        ".pt",
        ".pth",
        ".safetensors",
        ".tsv",
        ".csv",
        ".txt",
        ".dat",
        ".parquet",
        ".feather",
        ".arrow",
    ),
    *(
        ".json",
        ".jsonl",
        ".pkl",
        ".pickle",
        ".h5",
        ".hdf5",
        ".mat",
        ".xlsx",
        ".xls",
        ".inter",
        ".item",
        ".user",
    ),
}
_TRUTH = "truth.npz"  # of generated data, see magnet.synthetic: nothing to learn from
_NAMED = 8


def unread_columns(
    columns: Sequence[str],
    used: Collection[str],
    where: str,
    *,
    rating: str | None = None,
    values: Callable[[str], pl.Series],
    place: Callable[[int], str],
) -> list[str]:
    """Name the columns of the interactions that are not read, and what their ratings would have said.

    Args:
        columns: All of the table.
        used: Those that are read.
        where: What to call the table.
        rating: The column of ratings, if its name is not recognised.
        values: Gives a column.
        place: The name of a row for a reader of the file.

    Returns:
        A message for a column of ratings, and one for all others.
    """
    others = [column for column in columns if column not in used]
    rating = rating if rating in others else find_rating(others)
    messages = []
    if rating is not None:
        messages.append(_ratings(values(rating), rating, where, place))
        others.remove(rating)
    if others:
        named = shown(others[:_NAMED]) + (", …" if len(others) > _NAMED else "")
        messages.append(f"{where}: {_count(len(others), 'column')} not read: {named}")
    return messages


def _ratings(values: pl.Series, column: str, where: str, place: Callable[[int], str]) -> str:
    text = f"{where}: column {column!r} is not read, every row is an interaction"
    try:
        numbers = values.cast(pl.Float64, strict=False)
    except pl.exceptions.PolarsError:
        return text
    low = (numbers <= 0).fill_null(False).arg_true().to_list()
    if not low:
        return text
    first = named_places([values[row] for row in low[:4]], low[:4], place)
    return (
        f"{text}, also the {len(low)} of {len(values)} with a rating of 0 or below: {first}; leave out rows "
        "that are no likes, as min_rating= (--min-rating) does"
    )


def unread_files(folder: Path, read: Collection[str]) -> list[str]:
    """Name the files of a folder that look like data and are not read.

    Args:
        folder: The folder.
        read: Names of the files that are.
    """
    others = [
        path.name
        for path in sorted(folder.iterdir())
        if path.suffix.lower() in _ENDINGS
        and path.name not in {*read, _TRUTH}
        and not path.name.startswith(".")
    ]
    if not others:
        return []
    named = shown(others[:_NAMED]) + (", …" if len(others) > _NAMED else "")
    tables = any(name.endswith((".tsv", ".csv", ".parquet")) for name in others)
    advice = "; tables of features are read where modalities name them" if tables else ""
    return [f"{folder}: {_count(len(others), 'file')} not read: {named}{advice}"]


def _count(count: int, noun: str) -> str:
    return f"{count} {noun} is" if count == 1 else f"{count} {noun}s are"
