"""Folders that keep a data set as it is: ids of their own kind, the order of everything, titles, times and parts.

Tables are Parquet, and ``magnet.json`` says what they cannot: text ids that look like numbers stay text, users without
any interaction stay users.
"""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from magnet.data.dataset import PARTS, Dataset
from magnet.data.features import rows_where
from magnet.errors import DataError
from magnet.files import as_path
from magnet.forks import use_polars
from magnet.placing import replacing_folder

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence
    from pathlib import Path

    from magnet.data.ids import Ids
    from magnet.data.records import Modality

__all__ = ["FORMAT_VERSION", "INTER", "ITEMS", "MANIFEST", "USERS", "decoded", "read_manifest", "save"]

FORMAT_VERSION = 1
MANIFEST, INTER, USERS, ITEMS = "magnet.json", "inter.parquet", "users.parquet", "items.parquet"
USER_COLUMN, ITEM_COLUMN = "user_id", "item_id"


def save(dataset: Dataset, path: str | Path, *, overwrite: bool) -> Path:
    """See :meth:`magnet.Dataset.save`.

    Raises:
        DataError: If the folder may not be written, or something cannot be kept or could not be read again.
        StorageError: If the disk refuses it.
    """
    use_polars("saving data")
    folder = as_path(path)
    _check_place(folder, overwrite=overwrite)
    _check_readable(dataset)
    users, user_kind = _encoded(dataset.user_ids, f"{dataset.name}: user")
    items, item_kind = _encoded(dataset.item_ids, f"{dataset.name}: item")
    inter = pl.DataFrame(
        {
            USER_COLUMN: users.gather(pl.Series(dataset.users)),
            ITEM_COLUMN: items.gather(pl.Series(dataset.items)),
            "split": pl.Series(PARTS).gather(pl.Series(dataset.parts)),
        }
    )
    if dataset.times is not None:
        inter = inter.with_columns(pl.Series("timestamp", dataset.times))
    table = pl.DataFrame() if dataset.item_table is None else dataset.item_table
    item_column = _free(ITEM_COLUMN, table.columns)
    title_column = None if dataset.titles is None else _free("title", table.columns)
    about = [items.alias(item_column)]
    if dataset.titles is not None and title_column is not None:
        about.append(_texts(dataset.titles, title_column, f"{dataset.name}: titles"))
    manifest = {
        "format_version": FORMAT_VERSION,
        "user_ids": user_kind,
        "item_ids": item_kind,
        "item_column": item_column,
        "title_column": title_column,
        "modalities": list(dataset.modalities),
    }
    with replacing_folder(folder) as prepared:
        inter.write_parquet(prepared / INTER)
        users.alias(USER_COLUMN).to_frame().write_parquet(prepared / USERS)
        try:
            pl.DataFrame(about).hstack(table).write_parquet(prepared / ITEMS)
        except (pl.exceptions.PolarsError, pl.exceptions.PanicException) as error:
            reason = (str(error).splitlines() or [type(error).__name__])[0]
            raise DataError(
                f"{dataset.name}: item_table cannot be kept in Parquet: {reason}; drop or convert such columns"
            ) from None
        for modality in dataset.modalities.values():
            np.save(prepared / f"{modality.name}.npy", modality.features, allow_pickle=False)
        (prepared / MANIFEST).write_text(json.dumps(manifest, indent=1) + "\n", encoding="utf-8")
    return folder


def read_manifest(folder: Path) -> dict[str, Any] | None:
    """What :func:`save` said about a folder; None if it did not write it.

    Raises:
        DataError: If the file is damaged, or of a newer version.
    """
    path = folder / MANIFEST
    if not path.is_file():
        return None
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        version, kinds = found["format_version"], {found["user_ids"], found["item_ids"]}
        sound = (
            isinstance(version, int)
            and isinstance(found["item_column"], str)
            and isinstance(found["title_column"], (str, type(None)))
            and all(isinstance(name, str) for name in found["modalities"])
        )
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        version, kinds, sound = 0, set(), False
    if sound and version > FORMAT_VERSION:
        raise DataError(
            f"{path}: written by a newer Magnet (format {version}, this one reads up to {FORMAT_VERSION}); upgrade "
            "Magnet"
        )
    if not sound or version < 1 or not kinds <= _DECODE.keys():
        raise DataError(
            f"{path}: damaged, it does not say how Magnet saved this data set; save it anew, or remove the file to "
            "have the folder read as any other"
        )
    return dict(found)


def decoded(values: pl.Series, kind: str, where: str) -> Ids:
    """Ids as they were before they were written.

    Args:
        values: Of a table.
        kind: As :func:`save` said.
        where: What to call them in an error.

    Raises:
        DataError: If they are of another kind.
    """
    if values.dtype == _DECODE[kind] and not values.null_count():
        if kind != "json":
            return values
        try:
            return [json.loads(text) for text in values.to_list()]
        except ValueError:
            pass
    raise DataError(f"{where}: damaged, expected ids of the kind {kind!r}, found {values.dtype}")


_DECODE = {"integer": pl.Int64(), "text": pl.String(), "json": pl.String()}


def _encoded(ids: Sequence[Hashable], what: str) -> tuple[pl.Series, str]:
    """Ids as a column, and their kind: what is neither all text nor all integers is written as JSON."""
    kinds = set(map(type, ids))
    if kinds == {str}:
        return _texts(ids, "ids", f"{what} ids"), "text"
    if kinds == {int} and all(-(2**63) <= key < 2**63 for key in ids):  # type: ignore[operator]
        return pl.Series("ids", ids, dtype=pl.Int64), "integer"
    for key in ids:
        if type(key) not in (str, int, float, bool) or (isinstance(key, float) and not math.isfinite(key)):
            raise DataError(
                f"{what} ids: {key!r} of type {type(key).__name__} cannot be kept in a folder, which text and numbers "
                "can; make a data set with such ids first, for example str(key)"
            )
    return _texts([json.dumps(key) for key in ids], "ids", f"{what} ids"), "json"


def _texts(values: Sequence[Any], name: str, what: str) -> pl.Series:
    try:
        return pl.Series(name, values, dtype=pl.String)
    except UnicodeEncodeError:
        odd = next(text for text in values if text is not None and not _is_unicode(text))
        raise DataError(f"{what}: {odd!r} is no valid Unicode and cannot be kept in a file") from None


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _free(name: str, taken: Sequence[str]) -> str:
    while name in taken:
        name += "_"
    return name


def _check_place(folder: Path, *, overwrite: bool) -> None:
    if not folder.exists():
        return
    if not overwrite:
        raise DataError(f"{folder}: exists already; choose another folder or allow it to be overwritten")
    if not folder.is_dir():
        raise DataError(f"{folder}: is a file, expected the name of a folder to write")
    there = {path.name for path in folder.iterdir()}
    manifest = read_manifest(folder) if there else None
    ours = {MANIFEST, INTER, USERS, ITEMS}
    if manifest is not None:
        ours |= {f"{name}.npy" for name in manifest["modalities"]}
    others = sorted(there - ours)
    if there and (manifest is None or others):
        what = (
            "is no folder that Dataset.save wrote" if manifest is None else f"holds other files ({others[0]})"
        )
        raise DataError(f"{folder}: {what} and is left alone; choose another")


def _check_readable(dataset: Dataset) -> None:
    """Refuse what could be written, and not be read as the same again."""
    for kind, count in (("user", dataset.n_users), ("item", dataset.n_items)):
        if count < 2:
            raise DataError(
                f"{dataset.name}: {count} {kind} is too few to be saved; a recommender compares two at least"
            )
    if not (dataset.parts == 0).any():
        raise DataError(
            f"{dataset.name}: there is no training interaction, and such data could not be read again"
        )
    pairs = dataset.users.astype(np.int64) * dataset.n_items + dataset.items
    if np.unique(pairs).size < pairs.size:
        raise DataError(f"{dataset.name}: a pair of user and item occurs twice; keep one of each first")
    for key, modality in dataset.modalities.items():
        _check_modality(key, modality, f"{dataset.name}: modality {key!r}")


def _check_modality(key: str, modality: Modality, where: str) -> None:
    name = modality.name
    if name != key:
        raise DataError(f"{where}: it is called {name!r} itself; give it one name")
    if not name or name.startswith(".") or not set("/\\\0").isdisjoint(name) or not _is_unicode(name):
        raise DataError(f"{where}: the name cannot be that of a file; name it with letters, digits and _")
    kind = modality.features.dtype
    if kind not in (np.float16, np.float32) or not kind.isnative or modality.features.ndim != 2:
        raise DataError(f"{where}: expected a matrix of float32 or float16, found {kind}")
    some = rows_where(modality.features, lambda block: (block != 0).any(axis=1))
    finite = rows_where(modality.features, lambda block: np.isfinite(block).all(axis=1))
    odd = np.flatnonzero((some != modality.present) | ~finite)
    if odd.size:
        raise DataError(
            f"{where}: row {int(odd[0])} must be finite, and zeros where the item lacks the modality and nowhere else "
            f"({odd.size} such rows); make the modality by Dataset.from_frame, which sees to it"
        )
    if not some.any():
        raise DataError(f"{where}: not a single item has it; leave it out")
