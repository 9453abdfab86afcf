"""Data sets from folders."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from magnet.data.assemble import assemble
from magnet.data.columns import find_item, find_title, find_user, parse_parts, shown
from magnet.data.feature_files import ARRAYS, check_unique, read_array, read_vectors
from magnet.data.features import make_modality
from magnet.data.given import as_names, as_whole
from magnet.data.ids import as_list, catalogue, positions
from magnet.data.readers import register_reader
from magnet.data.records import DataSource, Modality
from magnet.data.rules import find_rule, no_such_split
from magnet.data.tables import FIRST_LINE, SUFFIXES, header, read_ids, read_table, whole_numbers
from magnet.data.times import find_time, read_times
from magnet.errors import DataError, nearest
from magnet.files import as_path

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path
    from typing import Any

    from numpy.typing import NDArray

    from magnet.data.dataset import Dataset
    from magnet.data.ids import Ids
    from magnet.data.rules import Rule

__all__ = ["load_folder"]


def load_folder(
    path: str | Path,
    *,
    split: str,
    modalities: Sequence[str] | None,
    user: str | None,
    item: str | None,
    seed: int,
) -> Dataset:
    """See :meth:`magnet.Dataset.from_folder`.

    Raises:
        DataError: If something is missing, empty, or breaks a rule; the text names file and line.
    """
    folder, seed = as_path(path), as_whole(seed, "seed")
    modalities = None if modalities is None else as_names(modalities, "modalities")
    if not folder.is_dir():
        raise DataError(
            f"{folder}: no such folder; expected one with inter.tsv or inter.csv and feature files"
        )
    inter = _table_file(folder, "inter")
    columns = header(inter)
    user_column = find_user(columns, user, str(inter))
    item_column = find_item(columns, item, str(inter))
    rule = find_rule(split, columns)
    if rule is None and split not in columns:
        raise no_such_split(split, columns, str(inter), shown(columns))
    time_column = find_time(columns)
    wanted = [user_column, item_column] + ([split] if rule is None else [])
    wanted += [] if time_column is None else [time_column]
    table = read_table(inter, list(dict.fromkeys(wanted)))
    if table.height == 0:
        raise DataError(f"{inter}: there is not a single interaction below the line of column names")
    times = (
        None if time_column is None else _times(table[time_column], rule, f"{inter}: column {time_column!r}")
    )
    parts = None if rule is not None else parse_parts(table[split], f"{inter}: column {split!r}", FIRST_LINE)
    users = read_ids(table[user_column], f"{inter}: column {user_column!r}")
    user_ids = catalogue(users)

    files = _array_files(folder)
    arrays, tables = _feature_files(folder, files, modalities)
    listing = next((folder / f"items{s}" for s in SUFFIXES if (folder / f"items{s}").is_file()), None)
    titles: list[str | None] | None = None
    item_where = f"{inter}: column {item_column!r}"
    why = ""
    if listing is not None:
        item_ids, items, titles = _listed_items(listing, table[item_column], item_where)
        why = f" of {listing.name}"
    elif numbered := arrays or _all_arrays(files):
        items = read_ids(table[item_column], item_where)
        item_ids, why = _numbered_items(files, numbered, items, item_where)
    else:
        items = read_ids(table[item_column], item_where)
        item_ids = catalogue(items, *(keys for keys, _ in tables.values()))

    known: dict[str, Modality] = {}
    messages = _shadowed(folder, files)
    for name in modalities if modalities is not None else _unasked(files):
        if name in arrays:
            modality, found = make_modality(
                name, arrays[name], n_items=len(item_ids), where=str(files[name]), why=why
            )
        else:
            keys, matrix = tables[name]
            rows = positions(keys, item_ids)
            modality, found = make_modality(
                name, matrix, n_items=len(item_ids), where=str(folder / name), rows=rows, first_row=FIRST_LINE
            )
            if (rows < 0).any():
                unknown = np.count_nonzero(rows < 0)
                found.append(f"{folder / name}: {unknown} rows name no item of the data set and were ignored")
        known[name] = modality
        messages.extend(found)
    source = DataSource(
        path=str(folder.resolve()),
        split=split,
        modalities=None if modalities is None else list(modalities),
        user=user,
        item=item,
        seed=seed,
    )
    return assemble(
        name=folder.resolve().name,
        where=str(inter),
        users=positions(users, user_ids),
        items=positions(items, item_ids),
        parts=parts,
        rule=rule,
        times=times,
        seed=seed,
        user_ids=as_list(user_ids),
        item_ids=as_list(item_ids),
        titles=titles,
        modalities=known,
        messages=messages,
        source=source,
    )


def _times(values: pl.Series, rule: Rule | None, where: str) -> NDArray[np.int64] | None:
    try:
        return read_times(values, where, FIRST_LINE)
    except DataError:
        if rule is not None and rule.timed:
            raise
        return None  # a column by that name that no rule asks for


def _table_file(folder: Path, stem: str) -> Path:
    found = [
        folder / f"{stem}{suffix}" for suffix in (".tsv", ".csv") if (folder / f"{stem}{suffix}").is_file()
    ]
    if not found:
        raise DataError(f"{folder}: there is no {stem}.tsv or {stem}.csv in the folder")
    if len(found) > 1:
        raise DataError(f"{folder}: both {stem}.tsv and {stem}.csv are there; keep the one that counts")
    return found[0]


def _array_files(folder: Path) -> dict[str, Path]:
    """The files of arrays by their stem, sorted; of several of one stem the first kind."""
    found: dict[str, Path] = {}
    for suffix in reversed(ARRAYS):
        found |= {path.stem: path for path in folder.glob(f"*{suffix}") if not path.name.startswith(".")}
    return dict(sorted(found.items()))


def _unasked(files: dict[str, Path]) -> list[str]:
    """What is read where nothing is chosen: ``.npy`` files, or without any all other files of arrays.

    Beside the first, others often hold something else, such as a graph of neighbours.
    """
    plain = [name for name, path in files.items() if path.suffix == ".npy"]
    return plain or list(files)


def _shadowed(folder: Path, files: dict[str, Path]) -> list[str]:
    """A message for each file of arrays that is not read because of another one of its stem."""
    beside = sorted(path for suffix in ARRAYS for path in folder.glob(f"*{suffix}") if path.stem in files)
    return [
        f"{path}: not read, since {files[path.stem].name} is there as well"
        for path in beside
        if path != files[path.stem]
    ]


def _feature_files(
    folder: Path, files: dict[str, Path], chosen: Sequence[str] | None
) -> tuple[dict[str, NDArray[Any]], dict[str, tuple[Ids, NDArray[Any]]]]:
    """The chosen features: matrices with numbered rows, and those that bring item ids along."""
    tables = {
        path.stem: path
        for suffix in SUFFIXES
        for path in sorted(folder.glob(f"*{suffix}"))
        if path.stem not in ("inter", "items") and path.stem not in files and not path.name.startswith(".")
    }
    names = _unasked(files) if chosen is None else list(chosen)
    arrays: dict[str, NDArray[Any]] = {}
    keyed: dict[str, tuple[Ids, NDArray[Any]]] = {}
    for place, name in enumerate(names):
        if name not in files and name not in tables:
            raise DataError(f"{folder}: there is no modality {name!r}{nearest(name, [*files, *tables])}")
        if name in names[:place]:
            raise DataError(f"{folder}: modality {name!r} is asked for twice")
        if name in tables:
            keyed[name] = read_vectors(tables[name])
            continue
        try:
            keys, matrix = read_array(files[name])
        except DataError as error:
            if chosen is not None or files[name].suffix == ".npy":
                raise
            raise DataError(f"{error}. If these are no features, name those that are (modalities)") from None
        if keys is None:
            arrays[name] = matrix
        else:
            # As text, so that ids are read as those of tables are: the number 7 and the text "7" are one item.
            texts = pl.Series([str(key) for key in as_list(keys)], dtype=pl.String)
            keyed[name] = read_ids(texts, f"{files[name]}: ids", mixed=True), matrix
    return arrays, keyed


def _all_arrays(files: dict[str, Path]) -> dict[str, NDArray[Any]]:
    """The matrices with numbered rows, whether chosen or not; files that are none of these are left alone."""
    arrays: dict[str, NDArray[Any]] = {}
    for name, path in files.items():
        try:
            keys, matrix = read_array(path)
        except DataError:
            if path.suffix == ".npy":
                raise
            continue
        if keys is None:
            arrays[name] = matrix
    return arrays


def _listed_items(path: Path, column: pl.Series, where: str) -> tuple[Ids, Ids, list[str | None] | None]:
    """Catalogue and titles by the item table, and the interactions' items of the same kind of key."""
    table = read_table(path)
    name = find_item(table.columns, None, str(path))
    item_ids = read_ids(table[name], f"{path}: column {name!r}", mixed=True)
    check_unique(item_ids, f"{path}: column {name!r}")
    items = read_ids(column, where, mixed=True)
    if pl.Series(item_ids).dtype != pl.Series(items).dtype:  # the column may have integers only by chance
        item_ids, items = pl.Series(item_ids).cast(pl.String), pl.Series(items).cast(pl.String)
    unknown = np.flatnonzero(positions(items, item_ids) < 0)
    if unknown.size:
        first = int(unknown[0])
        raise DataError(
            f"{where}: item {pl.Series(items)[first]!r} in line {first + FIRST_LINE} is not in {path.name} "
            f"({unknown.size} such lines); list every item there, in the order of the feature rows"
        )
    title = find_title([other for other in table.columns if other != name])
    if title is None:
        return item_ids, items, None
    titles = table[title].cast(pl.String).str.strip_chars().to_list()
    return item_ids, items, [text or None for text in titles] if any(titles) else None


def _numbered_items(
    files: dict[str, Path], arrays: dict[str, NDArray[Any]], items: Ids, where: str
) -> tuple[Ids, str]:
    """Catalogue by row number of the feature files."""
    numbered = whole_numbers(items, where)
    longest = max(arrays, key=lambda name: arrays[name].shape[:1])
    rows = arrays[longest].shape[0] if arrays[longest].ndim else 0
    highest = int(numbered.argmax())
    if numbered[highest] >= rows:
        raise DataError(
            f"{where}: item {numbered[highest]} in line {highest + FIRST_LINE} has no row in {files[longest].name}, "
            f"whose {rows} feature rows are fewer than the items; add the missing rows (zeros where there "
            "is no feature), or list the items in items.tsv"
        )
    return pl.Series(np.arange(rows)), f" (as many as {files[longest].name} has rows)"


register_reader("folder", load_folder)
