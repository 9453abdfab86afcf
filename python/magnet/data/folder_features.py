"""Features of a folder: which files there are, which of them are read, and whether they speak of the items."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from magnet.data.feature_files import ARRAYS, FeatureTable, read_array, read_vectors
from magnet.data.features import make_modality
from magnet.data.ids import as_list, positions
from magnet.data.matching import check_overlap
from magnet.data.tables import SUFFIXES, ids_of_text
from magnet.errors import DataError, nearest

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path
    from typing import Any

    from numpy.typing import NDArray

    from magnet.data.ids import Ids
    from magnet.data.records import Modality

__all__ = [
    "all_arrays",
    "array_files",
    "check_tables",
    "in_one_kind",
    "make_modalities",
    "read_chosen",
    "shadowed_files",
    "table_files",
    "unasked",
]

_NO_FEATURES = "If these are no features, name those that are (modalities)"


def array_files(folder: Path) -> dict[str, Path]:
    """The files of arrays by their stem, sorted; of several of one stem the first kind."""
    found: dict[str, Path] = {}
    for suffix in reversed(ARRAYS):
        found |= {path.stem: path for path in folder.glob(f"*{suffix}") if not path.name.startswith(".")}
    return dict(sorted(found.items()))


def shadowed_files(folder: Path, files: dict[str, Path]) -> list[Path]:
    """The files of arrays that are not read because of another one of their stem."""
    beside = sorted(path for suffix in ARRAYS for path in folder.glob(f"*{suffix}") if path.stem in files)
    return [path for path in beside if path != files[path.stem]]


def table_files(folder: Path, files: dict[str, Path]) -> dict[str, Path]:
    """The tables of a folder that may hold features, by their stem; none that a file of arrays has."""
    return {
        path.stem: path
        for suffix in SUFFIXES
        for path in sorted(folder.glob(f"*{suffix}"))
        if path.stem not in ("inter", "items") and path.stem not in files and not path.name.startswith(".")
    }


def unasked(files: dict[str, Path]) -> list[str]:
    """What is read where nothing is chosen: ``.npy`` files, or without any all other files of arrays.

    Beside the first, others often hold something else, such as a graph of neighbours.
    """
    plain = [name for name, path in files.items() if path.suffix == ".npy"]
    return plain or list(files)


def read_chosen(
    folder: Path, files: dict[str, Path], chosen: Sequence[str] | None
) -> tuple[dict[str, NDArray[Any]], dict[str, FeatureTable], list[str]]:
    """Read the chosen features.

    Args:
        folder: The folder.
        files: Its files of arrays, see :func:`array_files`.
        chosen: Names of modalities; None for :func:`unasked`.

    Returns:
        Matrices with numbered rows, and those that bring item ids along, by modality; and what was odd.

    Raises:
        DataError: If a name is unknown or stands there twice, or a file is none of features.
    """
    tables = table_files(folder, files)
    names = unasked(files) if chosen is None else list(chosen)
    arrays: dict[str, NDArray[Any]] = {}
    keyed: dict[str, FeatureTable] = {}
    messages: list[str] = []
    for place, name in enumerate(names):
        if name not in files and name not in tables:
            raise DataError(f"{folder}: there is no modality {name!r}{nearest(name, [*files, *tables])}")
        if name in names[:place]:
            raise DataError(f"{folder}: modality {name!r} is asked for twice")
        if name in tables:
            keyed[name] = read_vectors(tables[name])
            messages += keyed[name].notes
            continue
        try:
            found = read_array(files[name])
        except DataError as error:
            if chosen is not None or files[name].suffix == ".npy":
                raise
            raise DataError(f"{error}. {_NO_FEATURES}") from None
        if isinstance(found, FeatureTable):
            keyed[name] = _as_of_tables(found)
            messages += keyed[name].notes
        else:
            arrays[name] = found
    return arrays, keyed, messages


def _as_of_tables(given: FeatureTable) -> FeatureTable:
    """Ids of a file of arrays, read as those of tables are: the number 7 and the text "7" are one item."""
    where = f"{given.path}: ids"

    def place(row: int) -> str:
        return f"row {given.lines[row]}"

    texts = pl.Series([str(key) for key in as_list(given.keys)], dtype=pl.String)
    keys, notes = ids_of_text(texts, where, place, mixed=True)
    repeated = (~pl.Series(keys).is_first_distinct()).arg_true()
    if len(repeated):  # apart by blanks, or by the kind of id
        first = int(repeated[0])
        raise DataError(
            f"{where}: item {pl.Series(keys)[first]!r} in {place(first)} stands there a second time"
        )
    return given._replace(keys=keys, notes=[*given.notes, *notes])


def all_arrays(files: dict[str, Path]) -> dict[str, NDArray[Any]]:
    """The matrices with numbered rows, whether chosen or not; files that are none of these are left alone."""
    arrays: dict[str, NDArray[Any]] = {}
    for name, path in files.items():
        try:
            found = read_array(path)
        except DataError:
            if path.suffix == ".npy":
                raise
            continue
        if not isinstance(found, FeatureTable):
            arrays[name] = found
    return arrays


def in_one_kind(items: Ids, tables: dict[str, FeatureTable]) -> Ids:
    """The items as text where a feature table has text among its integers; both have integers only by chance."""
    kinds = {pl.Series(table.keys).dtype for table in tables.values()} | {pl.Series(items).dtype}
    if kinds != {pl.Int64, pl.String}:
        return items
    for name, table in tables.items():
        tables[name] = table._replace(keys=pl.Series(table.keys).cast(pl.String))
    return pl.Series(items).cast(pl.String)


def check_tables(tables: dict[str, FeatureTable], item_ids: Ids, *, grow: bool) -> list[str]:
    """Make sure that feature tables speak of the items.

    Args:
        tables: By modality.
        item_ids: The items that are known.
        grow: Whether the tables' other ids become items; they are left out otherwise.

    Raises:
        DataError: If hardly any row of a table is about an item.
    """
    known, messages = as_list(item_ids), []
    for table in tables.values():
        try:
            found = check_overlap(as_list(table.keys), known, str(table.path), grow=grow)
        except DataError as error:
            if table.path.suffix not in ARRAYS:
                raise
            raise DataError(f"{error}. {_NO_FEATURES}") from None
        messages += found if grow else []
    return messages


def make_modalities(
    folder: Path,
    names: Sequence[str],
    files: dict[str, Path],
    arrays: dict[str, NDArray[Any]],
    tables: dict[str, FeatureTable],
    item_ids: Ids,
    why: str,
) -> tuple[dict[str, Modality], list[str]]:
    """Check the features that were read, and align them with the items.

    Args:
        folder: The folder.
        names: The modalities in order.
        files: Files of arrays, see :func:`array_files`.
        arrays: Matrices by modality, whose row i belongs to item i.
        tables: Features with ids by modality.
        item_ids: The catalogue, ``(I,)``.
        why: Where the number of items comes from, for an error.

    Returns:
        The modalities by name, and what was odd.

    Raises:
        DataError: If a matrix does not fit the items, or a number cannot be used.
    """
    known: dict[str, Modality] = {}
    messages: list[str] = []
    for name in names:
        if name in arrays:
            where = str(files[name])
            modality, found = make_modality(name, arrays[name], n_items=len(item_ids), where=where, why=why)
        else:
            given, where = tables[name], str(folder / name)
            rows = positions(given.keys, item_ids)
            modality, found = make_modality(
                name,
                given.matrix,
                n_items=len(item_ids),
                where=where,
                rows=rows,
                first_row=given.lines[0] if len(given.lines) else 0,
            )
            if (rows < 0).any():
                unknown = np.count_nonzero(rows < 0)
                found.append(f"{where}: {unknown} rows name no item of the data set and were ignored")
        known[name] = modality
        messages.extend(found)
    return known, messages
