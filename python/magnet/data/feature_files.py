"""Files of features: arrays and tensors, with or without the ids of their items, and tables."""

from __future__ import annotations

import pickle
import warnings
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import polars as pl

from magnet.data.columns import find_item, is_id_name
from magnet.data.ids import as_ids
from magnet.data.tables import SUFFIXES, Table, check_header, numbers, read_ids, read_table
from magnet.data.vectors import FORMS, beside, column_vectors, matrix, stack
from magnet.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from magnet.data.ids import Ids

__all__ = ["ARRAYS", "FeatureTable", "check_unique", "read_array", "read_features", "read_vectors"]

# Of two files of one stem the first of these is read.
ARRAYS = (".npy", ".npz", ".safetensors", ".pt", ".pth")


class FeatureTable(NamedTuple):
    """Features that bring their item ids along."""

    path: Path
    keys: Ids  # (n,), unique
    matrix: NDArray[Any]  # (n, d)
    lines: Sequence[int]  # number of each row for a reader of the file: its line in a text, else its index
    notes: list[str]


def read_features(path: Path) -> NDArray[Any] | FeatureTable:
    """Features of a file of any kind: a matrix if it has no ids of their items.

    Raises:
        DataError: If the file is missing, of another kind, damaged, or holds no features.
    """
    if path.suffix in ARRAYS:
        return read_array(path)
    if path.suffix in SUFFIXES:
        return read_vectors(path)
    raise DataError(f"{path}: files that end in {path.suffix!r} are not read; {FORMS}")


def read_array(path: Path) -> NDArray[Any] | FeatureTable:
    """Features of a file of arrays or tensors.

    A file of several arrays holds one matrix, and beside it the items' ids under a name such as ``ids`` or ``item_id``,
    or else a vector for each item under the item's id. A ``.npy`` file is mapped into memory, not read.

    Args:
        path: It ends in one of :data:`ARRAYS`.

    Returns:
        The matrix, ``(n, d)``, if its rows are numbered; else it and the id of each row.

    Raises:
        DataError: If it is missing or damaged, would run code when it is opened, or what belongs together is not clear.
    """
    if not path.is_file():
        raise DataError(f"{path}: no such file")
    opened = _OPEN[path.suffix](path)
    if not isinstance(opened, Mapping):
        return matrix(opened, str(path))
    keys, rows = _picked(opened, str(path))
    return rows if keys is None else FeatureTable(path, keys, rows, range(len(rows)), [])


def read_vectors(path: Path) -> FeatureTable:
    """Features of a table with an item column and columns of numbers, or in Parquet of lists of numbers.

    Raises:
        DataError: If there is no item column, an id stands there twice, or a column holds something else.
    """
    table = read_table(path)
    check_header(table)
    column = find_item(table.columns, None, str(path))
    keys, notes = read_ids(table.select([column])[column], table, mixed=True)
    check_unique(keys, table, column)
    names = [name for name in table.columns if name != column]
    rest = table.select(names) if names else pl.DataFrame()
    lists = [name for name in names if isinstance(rest[name].dtype, (pl.List, pl.Array))]
    blocks = [column_vectors(rest[name], table.where(name)) for name in lists]
    others = rest.drop(lists)
    if others.width or not lists:
        blocks.append(numbers(table, others))
    return FeatureTable(path, keys, beside(blocks), table.lines, [*table.notes, *notes])


def check_unique(keys: Ids, table: Table, column: str) -> None:
    """Make sure that no item stands in a table twice.

    Raises:
        DataError: If one does; names it and its line.
    """
    again = pl.Series(keys)
    repeated = (~again.is_first_distinct()).arg_true()
    if len(repeated):
        first = int(repeated[0])
        raise DataError(
            f"{table.where(column)}: item {again[first]!r} in {table.place(first)} stands there a second time"
        )


def _picked(found: Mapping[Any, Any], where: str) -> tuple[Ids | None, NDArray[Any]]:
    """The matrix of several arrays and the ids of its rows, or a vector for each id."""
    values = {name: _laid_out(value, where) for name, value in found.items()}
    matrices = [name for name, value in values.items() if value.ndim == 2]
    ids = [name for name, value in values.items() if value.ndim == 1 and is_id_name(name)]
    others = [name for name in values if name not in matrices and name not in ids]
    if len(matrices) == 1 and not others and len(ids) <= 1:
        rows = values[matrices[0]]
        if not ids:
            return None, rows
        keys = values[ids[0]]
        if len(keys) != len(rows):
            raise DataError(
                f"{where}: {len(keys)} ids in {ids[0]!r} do not fit the {len(rows)} rows of {matrices[0]!r}"
            )
        return _unique_ids(keys.tolist(), where), rows
    if not matrices and not ids and values and all(value.ndim == 1 for value in values.values()):
        return _unique_ids(list(values), where), stack(list(values.values()), list(values), where)
    shapes = ", ".join(f"{name!r} of shape {value.shape}" for name, value in list(values.items())[:5])
    more = ", …" if len(values) > 5 else ""
    raise DataError(
        f"{where}: expected one matrix (items, features), if its rows are not numbered beside an array named 'ids', or "
        f"a vector for each item under its id; found {shapes or 'nothing'}{more}"
    )


def _laid_out(value: Any, where: str) -> NDArray[Any]:
    if isinstance(value, Mapping):
        raise DataError(
            f"{where}: expected arrays, found a dictionary in a dictionary; save the features alone"
        )
    if isinstance(value, (list, tuple)):  # of ids, or of vectors
        return np.asarray(value, dtype=object if any(isinstance(v, str) for v in value) else None)
    return matrix(value, where) if hasattr(value, "shape") else np.asarray(value)


def _unique_ids(keys: list[Any], where: str) -> Ids:
    ids = as_ids(keys, f"{where}: ids")
    if len(set(keys)) != len(keys):
        raise DataError(f"{where}: {len(keys) - len(set(keys))} rows repeat the id of an earlier one")
    return ids


def _open_npy(path: Path) -> NDArray[Any]:
    try:
        array: NDArray[Any] = np.load(path, mmap_mode="r", allow_pickle=False)
    # The header is a text of Python: damaged ones fail in as many ways as texts of Python can.
    except Exception as error:
        raise DataError(f"{path}: not a readable array of numbers: {_reason(error)}") from None
    return array


def _open_npz(path: Path) -> Any:
    try:
        # NumPy would leave the file of a broken archive open.
        with path.open("rb") as opened, np.load(opened, allow_pickle=False) as file:
            if "format" in file and "indptr" in file:
                from scipy.sparse import load_npz

                return load_npz(path)
            return {name: file[name] for name in file.files}
    except Exception as error:  # of the archive, or of a header in it
        raise DataError(f"{path}: not readable arrays of numbers: {_reason(error)}") from None


def _reason(error: Exception) -> str:
    """The first line of what was wrong, no longer than a line: some repeat the file."""
    return (str(error).splitlines() or [type(error).__name__])[0][:120]


def _open_safetensors(path: Path) -> dict[str, Any]:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return dict(load_file(path))
    except (SafetensorError, OSError) as error:
        raise DataError(f"{path}: damaged, not readable as safetensors ({error})") from None


def _open_torch(path: Path) -> Any:
    import torch

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of protocols of pickle: it is read, or refused below
            return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise DataError(
            f"{path}: holds more than tensors, lists, texts and numbers, and such a file can run code when it is "
            f"opened ({_reason(error)}); save tensors alone: torch.save(torch.from_numpy(array), path)"
        ) from None
    # The file is a program for torch's own reader: a damaged one fails in as many ways as programs can.
    except Exception as error:
        raise DataError(f"{path}: damaged, not readable as tensors ({_reason(error)})") from None


_OPEN: dict[str, Callable[[Path], Any]] = {
    ".npy": _open_npy,
    ".npz": _open_npz,
    ".safetensors": _open_safetensors,
    ".pt": _open_torch,
    ".pth": _open_torch,
}
