"""Interactions as a matrix of users and items, and the ``.npz`` files that hold them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from magnet.data.tables import Table
from magnet.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

__all__ = ["entries", "read_npz"]


def read_npz(path: Path) -> Table:
    """Interactions of a matrix that ``scipy.sparse.save_npz`` wrote, or of arrays under the names of columns.

    Raises:
        DataError: If it is damaged, or neither of the two.
    """
    from scipy.sparse import load_npz

    if not path.is_file():
        raise DataError(f"{path}: no such file")
    try:
        with np.load(path, allow_pickle=False) as file:
            sparse = "format" in file and "shape" in file
            arrays = {} if sparse else {name: file[name] for name in file.files}
        matrix = load_npz(path) if sparse else None
    except Exception as error:  # of the archive, of a header in it, or of indices that do not fit
        reason = (str(error).splitlines() or [type(error).__name__])[0][:120]
        raise DataError(f"{path}: not readable interactions: {reason}") from None
    if matrix is not None:
        users, items, values, notes = entries(matrix, str(path))
        frame = pl.DataFrame({"user": users, "item": items})
        if (values != 1).any():
            frame = frame.with_columns(pl.Series("rating", values))
        shape = (int(matrix.shape[0]), int(matrix.shape[1]))
        return Table(path, frame.columns, range(frame.height), notes, frame.select, shape)
    lengths = {len(array) for array in arrays.values() if array.ndim == 1}
    if not arrays or len(lengths) != 1 or any(array.ndim != 1 for array in arrays.values()):
        found = ", ".join(f"{name!r} of shape {array.shape}" for name, array in list(arrays.items())[:5])
        raise DataError(
            f"{path}: expected a matrix of users and items as scipy.sparse.save_npz writes it, or an array for each "
            f"column, such as user and item, all of one length; found {found or 'nothing'}"
        )
    frame = pl.DataFrame(
        {name: array if array.dtype.kind in "iufU" else array.tolist() for name, array in arrays.items()},
        strict=False,
    )
    return Table(path, frame.columns, range(frame.height), [], frame.select)


def entries(
    given: Any, where: str
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64], list[str]]:
    """The entries of a matrix that are not zero.

    Args:
        given: SciPy's, of any format, or a dense one, ``(U, I)``.
        where: What to call it in an error.

    Returns:
        Rows, columns and values, ``(N,)`` each, in the order of rows; and what was odd.

    Raises:
        DataError: If it is no matrix of real numbers, or holds NaN or infinity.
    """
    from scipy.sparse import coo_array

    sparse = hasattr(given, "tocoo")
    if not sparse and not (isinstance(given, np.ndarray) and given.ndim == 2):
        raise DataError(
            f"{where}: expected a matrix of users and items of SciPy or NumPy, found {type(given).__name__}"
            f"{_shape_of(given)}"
        )
    if given.dtype.kind not in "fiub" or given.ndim != 2:
        raise DataError(
            f"{where}: expected a matrix of numbers or truth values, found {given.dtype}{_shape_of(given)}"
        )
    coo = coo_array(given)
    rows, columns = coo.coords if hasattr(coo, "coords") else (coo.row, coo.col)
    values = coo.data.astype(np.float64)
    faulty = np.flatnonzero(~np.isfinite(values))
    if faulty.size:
        at = int(faulty[0])
        raise DataError(
            f"{where}: NaN or infinity at row {int(rows[at])}, column {int(columns[at])} ({faulty.size} such entries)"
        )
    there = values != 0
    notes = []
    if not there.all():
        notes.append(
            f"{where}: {np.count_nonzero(~there)} entries that are stored as zeros are no interactions"
        )
    order = np.lexsort((columns[there], rows[there]))
    found: Sequence[NDArray[Any]] = [array[there][order] for array in (rows, columns, values)]
    return found[0].astype(np.int64), found[1].astype(np.int64), found[2], notes


def _shape_of(given: Any) -> str:
    shape = getattr(given, "shape", None)
    return f" of shape {tuple(shape)}" if isinstance(shape, tuple) else ""
