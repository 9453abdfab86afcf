"""Data sets from folders, and from single files of interactions."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from magnet.data.assemble import assemble
from magnet.data.atomic import read_item_file
from magnet.data.catalogue import Catalogue, listed_items, matrix_items, numbered_items
from magnet.data.folder_features import (
    all_arrays,
    array_files,
    check_tables,
    in_one_kind,
    make_modalities,
    read_chosen,
    shadowed_files,
    table_files,
    unasked,
)
from magnet.data.given import as_names, as_whole
from magnet.data.ids import as_list, catalogue, positions
from magnet.data.interactions import read_interactions
from magnet.data.layouts import ENDINGS, find_interactions, find_item_file, find_listing, open_interactions
from magnet.data.load_saved import load_saved
from magnet.data.readers import register_reader
from magnet.data.records import Choice
from magnet.data.saved import read_manifest
from magnet.data.unread import unread_files
from magnet.errors import DataError
from magnet.files import as_path
from magnet.forks import use_polars

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path
    from typing import Any

    from magnet.data.dataset import Dataset
    from magnet.data.ids import Ids
    from magnet.data.interactions import Interactions

__all__ = ["load_folder", "load_path"]


def load_path(path: str | Path, **options: Any) -> Dataset:
    """A data set of a folder, or of a single file of interactions; the options are those of :func:`load_folder`.

    Raises:
        DataError: If something is missing, empty, or breaks a rule; the text names file and line.
    """
    place = as_path(path)
    if place.is_dir() or not (place.is_file() or place.suffix in ENDINGS):
        return load_folder(place, **options)
    return _load_file(place, _chosen(**options))


def load_folder(
    path: str | Path,
    *,
    split: str | None,
    modalities: Sequence[str] | None,
    user: str | None,
    item: str | None,
    seed: int,
    min_rating: float | None = None,
    rating: str | None = None,
) -> Dataset:
    """See :meth:`magnet.Dataset.from_folder`.

    Raises:
        DataError: If something is missing, empty, or breaks a rule; the text names file and line.
    """
    use_polars("reading a folder")
    folder = as_path(path)
    choice = _chosen(split, modalities, user, item, seed, min_rating, rating)
    if folder.is_file():
        raise DataError(
            f"{folder}: expected a folder with inter.tsv or inter.csv and feature files, found a file; name the file "
            "inter.tsv or inter.csv and give the folder that it lies in, or read it alone with Dataset.read"
        )
    if not folder.is_dir():
        beside = folder.parent
        there = [place.name for place in beside.iterdir()] if beside.is_dir() else []
        close = difflib.get_close_matches(folder.name, there, n=1, cutoff=0.7)
        meant = f"; did you mean '{beside / close[0]}'?" if close else ""
        raise DataError(
            f"{folder}: no such folder or file{meant}; expected a folder with inter.tsv or inter.csv and feature "
            f"files, or a file of interactions ({', '.join(ENDINGS[:-1])} or {ENDINGS[-1]})"
        )
    manifest = read_manifest(folder)
    if manifest is not None:
        return load_saved(folder, manifest, choice)
    path_of = find_interactions(folder)
    listing, about_file = find_listing(folder), find_item_file(path_of)
    mixed = listing is not None or about_file is not None
    inter = read_interactions(open_interactions(path_of), choice, mixed=mixed)
    messages = list(inter.messages)
    files = {name: file for name, file in array_files(folder).items() if file != path_of}
    arrays, tables, found = read_chosen(folder, files, choice.modalities)
    messages += found
    about = None
    if listing is not None:
        known = listed_items(listing, inter, messages)
    elif inter.table.shape is not None:
        known = matrix_items(inter, inter.table.shape)
    elif numbered := arrays or all_arrays(files):
        known = numbered_items(files, numbered, inter)
    else:
        items = in_one_kind(inter.items, tables)
        messages += check_tables(tables, items, grow=True)
        known = Catalogue(catalogue(items, *(given.keys for given in tables.values())), items)
    if listing is None and about_file is not None:
        about = read_item_file(about_file)
        messages += about.notes
        if not known.why:  # neither feature rows nor a matrix say which items there are
            known = about.grown(known)
        titles, item_table = about.align(known.item_ids)
        known = known._replace(titles=titles, item_table=item_table)
    check_tables(tables, known.item_ids, grow=False)
    messages += inter.unread
    hidden = shadowed_files(folder, files)
    messages += [f"{path}: not read, since {files[path.stem].name} is there as well" for path in hidden]
    read = {path.name for path in (path_of, listing, about_file) if path is not None}
    told = {path.name for path in hidden} | read | _features_told(folder, files, choice.modalities)
    messages += unread_files(folder, told)
    names = choice.modalities if choice.modalities is not None else unasked(files)
    made, found = make_modalities(folder, names, files, arrays, tables, known.item_ids, known.why)
    return _assembled(
        inter,
        known,
        choice,
        folder.resolve().name,
        folder,
        modalities=made,
        messages=messages + found,
    )


def _load_file(path: Path, choice: Choice) -> Dataset:
    """Interactions alone, without anything that is known about items."""
    use_polars("reading a file")
    if path.suffix not in ENDINGS:
        raise DataError(
            f"{path}: files that end in {path.suffix!r} hold no interactions that can be read; expected a folder, or "
            f"a file that ends in {', '.join(ENDINGS[:-1])} or {ENDINGS[-1]}"
        )
    if choice.modalities:
        raise DataError(
            f"{path}: a single file has no features, and {', '.join(map(repr, choice.modalities))} were asked for; put "
            f"it into a folder as inter{path.suffix}, with the feature files beside it"
        )
    inter = read_interactions(open_interactions(path), choice, mixed=False)
    shape = inter.table.shape
    known = Catalogue(catalogue(inter.items), inter.items) if shape is None else matrix_items(inter, shape)
    messages = [*inter.messages, *inter.unread]
    return _assembled(inter, known, choice, path.stem, path, modalities={}, messages=messages)


def _assembled(
    inter: Interactions,
    known: Catalogue,
    choice: Choice,
    name: str,
    path: Path,
    *,
    modalities: dict[str, Any],
    messages: list[str],
) -> Dataset:
    shape = inter.table.shape
    user_ids: Ids = catalogue(inter.users) if shape is None else pl.Series(np.arange(shape[0]))
    return assemble(
        name=name,
        where=str(inter.table.path),
        users=positions(inter.users, user_ids),
        items=positions(known.items, known.item_ids),
        parts=inter.parts,
        rule=inter.rule,
        times=inter.times,
        seed=choice.seed,
        user_ids=as_list(user_ids),
        item_ids=as_list(known.item_ids),
        titles=known.titles,
        modalities=modalities,
        messages=messages,
        source=choice.source(path),
        item_table=known.item_table,
    )


def _chosen(
    split: str | None,
    modalities: Sequence[str] | None,
    user: str | None,
    item: str | None,
    seed: int,
    min_rating: float | None = None,
    rating: str | None = None,
) -> Choice:
    names = None if modalities is None else as_names(modalities, "modalities")
    return Choice(split, names, user, item, as_whole(seed, "seed"), min_rating, rating)


def _features_told(folder: Path, files: dict[str, Path], chosen: Sequence[str] | None) -> set[str]:
    """Files of features that are read, and those that the caller left out by naming others."""
    if chosen is None:
        return {files[name].name for name in unasked(files)}
    return {path.name for path in [*files.values(), *table_files(folder, files).values()]}


register_reader("folder", load_path)
