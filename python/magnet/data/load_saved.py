"""Data sets from the folders that :meth:`magnet.Dataset.save` writes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from magnet.data.assemble import assemble
from magnet.data.columns import find_pair, find_time, find_user, parse_parts
from magnet.data.folder_features import array_files, check_tables, make_modalities, read_chosen, unasked
from magnet.data.ids import as_list, positions
from magnet.data.interactions import choose_split
from magnet.data.ratings import rating_column
from magnet.data.saved import INTER, ITEMS, MANIFEST, USERS, decoded
from magnet.data.tables import as_text, read_table
from magnet.data.times import read_times
from magnet.data.unread import unread_files
from magnet.errors import DataError

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from magnet.data.dataset import Dataset
    from magnet.data.ids import Ids
    from magnet.data.records import Choice
    from magnet.data.tables import Table

__all__ = ["load_saved"]


def load_saved(folder: Path, manifest: dict[str, Any], choice: Choice) -> Dataset:
    """Read a saved folder: the same data set, unless another split or other modalities are chosen.

    Args:
        folder: The folder.
        manifest: What :func:`magnet.data.saved.read_manifest` found in it.
        choice: Split and modalities; feature files that were added later are read too.

    Raises:
        DataError: If a file is missing or damaged, or what is chosen is not there.
    """
    inter, listed = read_table(folder / INTER), read_table(folder / ITEMS)
    where, columns = str(inter.path), inter.columns
    user_column, item_column = find_pair(columns, choice.user, choice.item, where)
    rating_column(columns, choice, where)  # none was saved: whoever asks for one is told so
    column, rule = choose_split(choice.split, columns, where)
    time_column = find_time(columns)
    frame = inter.select()
    item_name, title_name = manifest["item_column"], manifest["title_column"]
    for name in (item_name, *([] if title_name is None else [title_name])):
        if name not in listed.columns:
            raise DataError(f"{listed.path}: damaged, there is no column {name!r}")
    about = listed.select()
    users_path = folder / USERS
    users_table = read_table(users_path)
    user_name = find_user(users_table.columns, None, str(users_path))
    user_kind, item_kind = manifest["user_ids"], manifest["item_ids"]
    user_ids = _unique(users_table.select([user_name])[user_name], user_kind, users_table)
    item_ids = _unique(about[item_name], item_kind, listed)
    users = _indices(decoded(frame[user_column], user_kind, inter.where(user_column)), user_ids, inter, USERS)
    items = _indices(decoded(frame[item_column], item_kind, inter.where(item_column)), item_ids, inter, ITEMS)
    parts = None if column is None else parse_parts(frame[column], inter.where(column), inter.lines)
    times = None
    if time_column is not None:
        times = read_times(frame[time_column], inter.where(time_column), inter.lines)

    files = array_files(folder)
    lost = [name for name in manifest["modalities"] if name not in files]
    if lost and choice.modalities is None:
        raise DataError(
            f"{folder}: {lost[0]}.npy is missing, which was saved with the data; name others to do without"
        )
    kept = [name for name in manifest["modalities"] if name in files]
    names = choice.modalities
    if names is None:
        names = kept + [name for name in unasked(files) if name not in kept]
    arrays, tables, messages = read_chosen(folder, files, names)
    if item_kind == "text":  # tables in text cannot say that their numbers are text too
        tables = {
            name: table._replace(keys=pl.Series(table.keys).cast(pl.String)) for name, table in tables.items()
        }
    messages += check_tables(tables, item_ids, grow=False)
    modalities, found = make_modalities(folder, names, files, arrays, tables, item_ids, f" of {ITEMS}")
    read = {MANIFEST, INTER, USERS, ITEMS, *(path.name for path in files.values())}
    messages += unread_files(folder, read | {table.path.name for table in tables.values()})
    others = [name for name in about.columns if name not in (item_name, title_name)]
    titles = None if title_name is None else as_text(about[title_name], listed.where(title_name)).to_list()
    return assemble(
        name=folder.resolve().name,
        where=where,
        users=users,
        items=items,
        parts=parts,
        rule=rule,
        times=times,
        seed=choice.seed,
        user_ids=as_list(user_ids),
        item_ids=as_list(item_ids),
        titles=titles,
        modalities=modalities,
        messages=messages + found,
        source=choice.source(folder),
        item_table=about.select(others) if others else None,
    )


def _unique(values: pl.Series, kind: str, table: Table) -> Ids:
    ids = decoded(values, kind, table.where(values.name))
    if len(set(as_list(ids))) != len(ids):
        raise DataError(f"{table.where(values.name)}: damaged, an id stands there more than once")
    return ids


def _indices(ids: Ids, among: Ids, inter: Table, listing: str) -> NDArray[np.int32]:
    found = positions(ids, among)
    unknown = np.flatnonzero(found < 0)
    if unknown.size:
        first = int(unknown[0])
        raise DataError(
            f"{inter.path}: {as_list(ids)[first]!r} in {inter.place(first)} is not in {listing} ({unknown.size} such "
            "rows); list every one there"
        )
    return found
