"""Lists and held-out items in the formats of TREC, which ``trec_eval`` and the tools around it read."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np

from magnet.errors import DataError
from magnet.files import as_path
from magnet.placing import new_file

if TYPE_CHECKING:
    import os
    from collections.abc import Hashable, Iterable, Iterator, Sequence

    from numpy.typing import NDArray

    from magnet.data import Dataset
    from magnet.evaluate.evaluation import Evaluation

__all__ = ["qrels_lines", "run_lines", "write_lines"]

_APART = re.compile(r"[\s\0]")
"""What ends a field of a line, or the line, for one reader or another."""


def run_lines(found: Evaluation, dataset: Dataset, *, tag: str) -> Iterator[str]:
    """The lines of a run, see :meth:`magnet.Evaluation.write_run`.

    Everything is checked before the first line.

    Raises:
        DataError: If the evaluation is of other data or kept no lists, or an id or the tag cannot be kept.
    """
    if found.lists is None:
        raise DataError("this evaluation kept no lists; evaluate again, and write the run of that")
    items, scores = found.lists
    _check_size(found, dataset, items)
    users, names = _words(dataset.user_ids, "user"), _words(dataset.item_ids, "item")
    if not isinstance(tag, str):
        raise DataError(f"the tag names the run and must be a text, got {tag!r}")
    _check_word(tag, "the tag")

    def lines() -> Iterator[str]:
        for row, user in enumerate(found.users.tolist()):
            n = int((items[row] >= 0).sum())
            listed = zip(items[row, :n].tolist(), _falling(scores[row, :n]), strict=True)
            for rank, (item, score) in enumerate(listed, start=1):
                yield f"{users[user]} Q0 {names[item]} {rank} {score} {tag}\n"

    return lines()


def qrels_lines(found: Evaluation, dataset: Dataset) -> Iterator[str]:
    """The lines of the judgements: every held-out item of the users who were evaluated.

    Raises:
        DataError: As :func:`run_lines`.
    """
    held_out = dataset.part(found.part)
    _check_size(found, dataset, held_out.indices)
    users, names = _words(dataset.user_ids, "user"), _words(dataset.item_ids, "item")

    def lines() -> Iterator[str]:
        for user in found.users.tolist():
            for item in held_out.indices[held_out.indptr[user] : held_out.indptr[user + 1]].tolist():
                yield f"{users[user]} 0 {names[item]} 1\n"

    return lines()


def write_lines(path: str | os.PathLike[str], lines: Iterable[str], *, overwrite: bool) -> None:
    """Write a text file that is whole or not there.

    Raises:
        DataError: If it exists and may not be overwritten, or its folder does not exist.
        StorageError: If the disk refuses it.
    """
    with (
        new_file(as_path(path), overwrite=overwrite) as temporary,
        temporary.open("w", encoding="utf-8", newline="\n") as file,
    ):
        file.writelines(lines)


def _falling(scores: NDArray[np.float32]) -> list[str]:
    """Scores as text, each below the one before it: by as little as float32 can where they were equal."""
    told: list[np.float32] = []
    for score in scores:
        below = np.nextafter(told[-1], np.float32(-np.inf)) if told else score
        told.append(min(score, below))
    return [str(score) for score in told]


def _words(ids: Sequence[Hashable], kind: str) -> list[str]:
    words = [str(key) for key in ids]
    owners: dict[str, Hashable] = {}
    for key, word in zip(ids, words, strict=True):
        _check_word(word, f"the {kind} id {key!r}")
        if word in owners:
            raise DataError(
                f"the {kind} ids {owners[word]!r} and {key!r} are both written {word}: a TREC file cannot tell them "
                "apart; give one of them another id"
            )
        owners[word] = key
    return words


def _check_word(word: str, what: str) -> None:
    try:
        word.encode()
    except UnicodeEncodeError:
        why = "holds half a character, which no text file can hold"
    else:
        if not word:
            why = "is empty"
        elif _APART.search(word):
            why = "holds a blank, which ends a field there"
        else:
            return
    raise DataError(f"a TREC file cannot keep {what}: it {why}; give it another name and train again")


def _check_size(found: Evaluation, dataset: Dataset, items: NDArray[np.integer]) -> None:
    outside = len(found.users) and found.users[-1] >= dataset.n_users
    if (
        outside
        or items.max(initial=-1) >= dataset.n_items
        or found.n_users + found.n_left_out != dataset.n_users
    ):
        raise DataError(
            f"{dataset.name} is not the data of this evaluation: it was of {found.n_users + found.n_left_out} users, "
            f"and here are {dataset.n_users} users and {dataset.n_items} items; give the data it was made on"
        )
