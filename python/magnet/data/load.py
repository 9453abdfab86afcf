"""Data sets from folders."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from magnet.data.assemble import assemble
from magnet.data.columns import find_item, find_time, find_title, find_user, parse_parts, recognised, shown
from magnet.data.feature_files import check_unique
from magnet.data.features import make_modality
from magnet.data.folder_features import (
    all_arrays,
    array_files,
    check_tables,
    in_one_kind,
    read_chosen,
    shadowed_files,
    table_files,
    unasked,
)
from magnet.data.given import as_names, as_whole
from magnet.data.ids import as_list, catalogue, positions
from magnet.data.readers import register_reader
from magnet.data.records import DataSource, Modality
from magnet.data.rules import find_rule, no_such_split
from magnet.data.tables import SUFFIXES, Table, as_text, check_header, read_ids, read_table, whole_numbers
from magnet.data.times import read_times
from magnet.data.unread import unread_columns, unread_files
from magnet.errors import DataError
from magnet.files import as_path
from magnet.forks import use_polars

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
    use_polars("reading a folder")
    folder, seed = as_path(path), as_whole(seed, "seed")
    modalities = None if modalities is None else as_names(modalities, "modalities")
    if folder.is_file():
        raise DataError(
            f"{folder}: expected a folder with inter.tsv or inter.csv and feature files, found a file; name the file "
            "inter.tsv or inter.csv and give the folder that it lies in"
        )
    if not folder.is_dir():
        raise DataError(
            f"{folder}: no such folder; expected one with inter.tsv or inter.csv and feature files"
        )
    inter = read_table(_table_file(folder, "inter"))
    check_header(inter)
    where, columns = str(inter.path), inter.columns
    user_column = find_user(columns, user, where)
    item_column = find_item(columns, item, where)
    rule = find_rule(split, columns)
    if rule is None and split not in columns:
        raise no_such_split(split, columns, where, shown(columns))
    if not len(inter):
        raise DataError(f"{where}: there is not a single interaction below the line of column names")
    messages = [*inter.notes, *_first_line_note(inter)]
    used = [user_column, item_column, *([] if rule is not None else [split])]
    time_column = find_time(columns)
    table = inter.select(used if time_column is None else [*used, time_column])
    times = None if time_column is None else _times(table[time_column], rule, inter)
    used += [] if times is None or time_column is None else [time_column]
    parts = None if rule is not None else parse_parts(table[split], inter.where(split), inter.lines)
    users, found = read_ids(table[user_column], inter)
    messages += found
    user_ids = catalogue(users)

    files = array_files(folder)
    arrays, tables, found = read_chosen(folder, files, modalities)
    messages += found
    listing = next((folder / f"items{s}" for s in SUFFIXES if (folder / f"items{s}").is_file()), None)
    titles: list[str | None] | None = None
    why = ""
    items, found = read_ids(table[item_column], inter, mixed=listing is not None)
    messages += found
    if listing is not None:
        item_ids, items, titles = _listed_items(listing, items, inter, item_column, messages)
        why = f" of {listing.name}"
    elif numbered := arrays or all_arrays(files):
        item_ids, why = _numbered_items(files, numbered, items, inter, item_column)
    else:
        items = in_one_kind(items, tables)
        messages += check_tables(tables, items, grow=True)
        item_ids = catalogue(items, *(given.keys for given in tables.values()))
    check_tables(tables, item_ids, grow=False)
    messages += unread_columns(
        columns, used, where, values=lambda column: inter.select([column])[column], place=inter.place
    )
    hidden = shadowed_files(folder, files)
    messages += [f"{path}: not read, since {files[path.stem].name} is there as well" for path in hidden]
    told = {path.name for path in hidden} | _read_names(folder, files, inter.path, listing, modalities)
    messages += unread_files(folder, told)

    known: dict[str, Modality] = {}
    for name in modalities if modalities is not None else unasked(files):
        if name in arrays:
            modality, found = make_modality(
                name, arrays[name], n_items=len(item_ids), where=str(files[name]), why=why
            )
        else:
            given = tables[name]
            rows = positions(given.keys, item_ids)
            modality, found = make_modality(
                name,
                given.matrix,
                n_items=len(item_ids),
                where=str(folder / name),
                rows=rows,
                first_row=given.lines[0] if len(given.lines) else 0,
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
        where=where,
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


def _table_file(folder: Path, stem: str) -> Path:
    found = [
        folder / f"{stem}{suffix}" for suffix in (".tsv", ".csv") if (folder / f"{stem}{suffix}").is_file()
    ]
    if not found:
        raise DataError(f"{folder}: there is no {stem}.tsv or {stem}.csv in the folder")
    if len(found) > 1:
        raise DataError(f"{folder}: both {stem}.tsv and {stem}.csv are there; keep the one that counts")
    return found[0]


def _read_names(
    folder: Path, files: dict[str, Path], inter: Path, listing: Path | None, chosen: Sequence[str] | None
) -> set[str]:
    """Files that are read, and those that the caller left out by naming others."""
    known = {inter.name, *([] if listing is None else [listing.name])}
    if chosen is None:
        return known | {files[name].name for name in unasked(files)}
    return known | {path.name for path in [*files.values(), *table_files(folder, files).values()]}


def _times(values: pl.Series, rule: Rule | None, inter: Table) -> NDArray[np.int64] | None:
    try:
        return read_times(values, inter.where(values.name), inter.lines)
    except DataError:
        if rule is not None and rule.timed:
            raise
        return None  # a column by that name that no rule asks for


def _first_line_note(table: Table) -> list[str]:
    """Say what was taken for column names, where none of them is known: it may be a row."""
    if not table.is_text or recognised(table.columns):
        return []
    return [f"{table.path}: the first line was taken for column names: {shown(table.columns)}"]


def _listed_items(
    path: Path, items: Ids, inter: Table, item_column: str, messages: list[str]
) -> tuple[Ids, Ids, list[str | None] | None]:
    """Catalogue and titles by the item table, and the interactions' items of the same kind of key."""
    table = read_table(path)
    check_header(table)
    name = find_item(table.columns, None, str(path))
    item_ids, found = read_ids(table.select([name])[name], table, mixed=True)
    messages += [*table.notes, *found]
    check_unique(item_ids, table, name)
    if pl.Series(item_ids).dtype != pl.Series(items).dtype:  # the column may have integers only by chance
        item_ids, items = pl.Series(item_ids).cast(pl.String), pl.Series(items).cast(pl.String)
    unknown = np.flatnonzero(positions(items, item_ids) < 0)
    if unknown.size:
        first = int(unknown[0])
        raise DataError(
            f"{inter.where(item_column)}: item {pl.Series(items)[first]!r} in {inter.place(first)} is not in "
            f"{path.name} ({unknown.size} such rows); list every item there, in the order of the feature rows"
        )
    title = find_title([other for other in table.columns if other != name])
    if title is None:
        return item_ids, items, None
    titles = as_text(table.select([title])[title], table.where(title)).str.strip_chars().to_list()
    return item_ids, items, [text or None for text in titles] if any(titles) else None


def _numbered_items(
    files: dict[str, Path], arrays: dict[str, NDArray[Any]], items: Ids, inter: Table, column: str
) -> tuple[Ids, str]:
    """Catalogue by row number of the feature files."""
    numbered = whole_numbers(items, inter, column)
    longest = max(arrays, key=lambda name: arrays[name].shape[:1])
    rows = arrays[longest].shape[0] if arrays[longest].ndim else 0
    highest = int(numbered.argmax())
    if numbered[highest] >= rows:
        raise DataError(
            f"{inter.where(column)}: item {numbered[highest]} in {inter.place(highest)} has no row in "
            f"{files[longest].name}, whose {rows} feature rows are fewer than the items; add the missing rows "
            "(zeros where there is no feature), or list the items in items.tsv"
        )
    return pl.Series(np.arange(rows)), f" (as many as {files[longest].name} has rows)"


register_reader("folder", load_folder)
