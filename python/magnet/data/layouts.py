"""Where in a folder the interactions are, and what is known about items beside them."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from magnet.data.atomic import open_atomic
from magnet.data.matrices import read_npz
from magnet.data.tables import SUFFIXES, Table, read_table
from magnet.errors import DataError

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["ENDINGS", "find_interactions", "find_item_file", "find_listing", "open_interactions"]

ATOMIC = ".inter"
# Of files that may hold interactions, as inter.tsv does.
ENDINGS = (*SUFFIXES, ".npz", ATOMIC)


def find_interactions(folder: Path) -> Path:
    """The file of interactions: ``inter`` with any of :data:`ENDINGS`, or ``NAME.inter``.

    Raises:
        DataError: If there is none, or more than one.
    """
    plain = [folder / f"inter{ending}" for ending in (*SUFFIXES, ".npz")]
    atomic = sorted(path for path in folder.glob(f"*{ATOMIC}") if not path.name.startswith("."))
    found = [path for path in (*plain, *atomic) if path.is_file()]
    if not found:
        raise DataError(
            f"{folder}: there is no inter.tsv or inter.csv in the folder, no inter.parquet, .arrow, .feather or .npz, "
            "and no NAME.inter of MMRec or RecBole"
        )
    if len(found) > 1:
        names = [path.name for path in found]
        both = "both " if len(names) == 2 else ""
        raise DataError(
            f"{folder}: {both}{', '.join(names[:-1])} and {names[-1]} are there; keep the one that counts"
        )
    return found[0]


def open_interactions(path: Path) -> Table:
    """Open a file of interactions of any kind in :data:`ENDINGS`.

    Raises:
        DataError: If it cannot be read as such.
    """
    if path.suffix == ".npz":
        return read_npz(path)
    return open_atomic(path)[0] if path.suffix == ATOMIC else read_table(path)


def find_listing(folder: Path) -> Path | None:
    """The table that lists all items in the order of the feature rows, if there is one.

    Raises:
        DataError: If something of that name is no file.
    """
    there = [path for path in (folder / f"items{suffix}" for suffix in SUFFIXES) if os.path.lexists(path)]
    for path in there:
        if not path.is_file():  # else the items would be counted by number, in silence
            raise DataError(
                f"{path}: expected the table of items, found a folder, a pipe or a link to nothing"
            )
    return there[0] if there else None


def find_item_file(inter: Path) -> Path | None:
    """RecBole's file about items, beside ``NAME.inter``."""
    beside = inter.with_suffix(".item")
    return beside if inter.suffix == ATOMIC and beside.is_file() else None
