"""Feature vectors of items, from whatever holds them: matrices, tensors, lists, and columns of lists or arrays."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

import narwhals as nw
import numpy as np
import polars as pl

from magnet.data.columns import shown
from magnet.data.ids import is_missing
from magnet.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Hashable, Mapping, Sequence
    from pathlib import Path

    from narwhals.typing import IntoDataFrame, IntoSeries
    from numpy.typing import ArrayLike, NDArray

__all__ = [
    "FORMS",
    "Features",
    "beside",
    "column_vectors",
    "frame_vectors",
    "is_matrix",
    "is_missing_vector",
    "is_numeric",
    "matrix",
    "stack",
]

# Features as the public methods take them.
Features: TypeAlias = (
    "ArrayLike | IntoDataFrame | IntoSeries | Mapping[Hashable, ArrayLike] | str | Path | Any"
)

FORMS = (
    "features may be a matrix in the order of items= (array, tensor, sparse matrix or list of vectors), a mapping from "
    "item id to vector, a frame with an item column and columns of numbers or of vectors, a pandas Series of vectors "
    "by item id, or the path of a .npy, .npz, .pt, .safetensors, .parquet, .tsv or .csv file"
)
# Sparse matrices are written out in full; above so many bytes that is refused before anything is allocated.
_MOST = 4 << 30


def is_matrix(given: Any) -> bool:
    """Whether something is a matrix, or a list of vectors, and no frame or column."""
    return (
        isinstance(given, (np.ndarray, list, tuple))
        or hasattr(given, "__array_interface__")
        or hasattr(given, "detach")
        or _is_sparse(given)
    )


def matrix(given: Any, where: str) -> NDArray[Any]:
    """A matrix of numbers of an array, a tensor, a sparse matrix or a list of vectors.

    Args:
        given: ``(n, d)``. A vector that is None, and a row of a masked array that is masked as a whole, become zeros:
            the item has no such feature.
        where: What to call it in an error.

    Raises:
        DataError: If vectors differ in length, a row is masked in part, or a sparse matrix is too large to write out.
    """
    if _is_sparse(given):
        return _written_out(given, where)
    if hasattr(given, "detach"):
        return _of_tensor(given, where)
    if isinstance(given, np.ma.MaskedArray):
        return _unmasked(given, where)
    if isinstance(given, np.ndarray) and given.dtype != object:
        return given
    if isinstance(given, np.ndarray) and given.ndim != 1:
        return _numbers_of(given, where)
    if isinstance(given, (list, tuple, np.ndarray)):
        vectors = list(given)
        if any(np.ndim(_plain(vector, where)) for vector in vectors if not is_missing_vector(vector)):
            return stack(vectors, range(len(vectors)), where, of="row")
    return _array(given, where)


def stack(
    vectors: Sequence[Any], keys: Sequence[Any], where: str, *, of: str = "item", empty: int = 0
) -> NDArray[Any]:
    """Vectors of one length as the rows of a matrix.

    Args:
        vectors: Arrays, lists or tensors, ``(d,)`` each; None for none, which becomes a row of zeros.
        keys: What to call each in an error.
        where: What to call them all.
        of: What the keys are.
        empty: Width of the matrix where there is no vector at all.

    Raises:
        DataError: If a vector has another length than the first, or something is no vector.
    """
    arrays = [None if is_missing_vector(vector) else _plain(vector, where) for vector in vectors]
    first = next((array for array in arrays if array is not None), None)
    if first is None:
        return np.zeros((len(arrays), empty))
    for key, array in zip(keys, arrays, strict=True):
        if array is not None and (array.ndim != 1 or array.shape != first.shape):
            what = (
                "vectors of one length"
                if of == "item"
                else "a matrix (items, features), vectors of one length"
            )
            raise DataError(
                f"{where}: expected {what}, {first.size} as the first, got shape {array.shape} for {of} {key!r}"
            )
    none = np.zeros_like(first)
    return np.stack([none if array is None else array for array in arrays])


def is_missing_vector(given: Any) -> bool:
    """Whether None, NaN or pandas.NA stands in a vector's place."""
    return given is None or (np.ndim(given) == 0 and not hasattr(given, "detach") and is_missing(given))


def is_numeric(values: nw.Series[Any]) -> bool:
    """Whether a column of a frame holds numbers or truth values."""
    return values.dtype.is_numeric() or values.dtype == nw.Boolean


def frame_vectors(table: nw.DataFrame[Any], names: Sequence[str], where: str) -> NDArray[Any]:
    """Columns of a frame side by side: numbers, truth values, and lists or arrays of numbers.

    Rows without a single number in the columns of numbers have zeros there, and rows without a list have zeros in its
    place.

    Raises:
        DataError: If a column is of another kind; it is named.
    """
    chosen = [
        (name, values)
        for name, values in zip(table.columns, table.iter_columns(), strict=True)
        if name in set(names)
    ]
    plain = [_small(values).to_numpy() for _, values in chosen if is_numeric(values)]
    numbers = iter(_filled(plain).T if plain else ())
    blocks = []
    for name, values in chosen:
        column = f"{where}: column {name!r}"
        if is_numeric(values):
            blocks.append(next(numbers)[:, None])
        elif isinstance(values.dtype, (nw.List, nw.Array)):
            blocks.append(column_vectors(values.to_polars(), column))
        else:
            cells = values.to_list() if values.dtype == nw.Object else []
            if not any(np.ndim(cell) or hasattr(cell, "detach") for cell in cells):
                raise DataError(
                    f"{where}: expected numbers in column {name!r}, found {values.dtype}; the columns are "
                    f"{shown(table.columns)}. Lists that were written as text have to be parsed first"
                )
            blocks.append(stack(cells, range(len(cells)), column, of="row"))
    return beside(blocks) if blocks else np.zeros((len(table), 0))


def _small(values: nw.Series[Any]) -> nw.Series[Any]:
    """The column, as floats where NumPy has no integers as wide."""
    return values.cast(nw.Float64) if str(values.dtype) in ("Int128", "UInt128") else values


def column_vectors(values: pl.Series, where: str) -> NDArray[Any]:
    """A polars column of lists or arrays as a matrix; rows without a list become zeros.

    Args:
        values: List or Array of numbers or truth values, ``(n,)``.
        where: What to call it in an error.

    Raises:
        DataError: If lists differ in length, hold something else than numbers, or lack a number; names the row,
            counted from 0.
    """
    if isinstance(values.dtype, pl.Array):
        if len(values.dtype.shape) > 1:
            raise DataError(f"{where}: expected one vector for each row, found {values.dtype}")
        values = values.arr.to_list()
    inner = getattr(values.dtype, "inner", None)
    if inner is None or not (inner.is_numeric() or inner == pl.Boolean):
        raise DataError(f"{where}: expected lists of numbers, found {values.dtype}")
    lengths = values.list.len()  # (n,), null where there is no list
    found = lengths.drop_nulls()
    if not len(found):
        return np.zeros((len(values), 0))
    other = (lengths != found[0]).fill_null(False).arg_true()
    if len(other):
        raise DataError(
            f"{where}: expected lists of one length, {found[0]} as the first, found {lengths[int(other[0])]} numbers "
            f"in row {int(other[0])} ({len(other)} such rows)"
        )
    holes = values.list.eval(pl.element().is_null()).list.any().fill_null(False).arg_true()
    if len(holes):
        raise DataError(
            f"{where}: a number is missing in the list of row {int(holes[0])} ({len(holes)} such rows); "
            "leave the whole list out where an item has no such feature"
        )
    there = values.is_not_null().to_numpy()
    flat = values.drop_nulls().explode()
    numbers = (flat if inner.is_float() or inner.is_integer() else flat.cast(pl.Float32)).to_numpy()
    rows = np.zeros((len(values), int(found[0])), dtype=numbers.dtype)
    if rows.size:
        rows[there] = numbers.reshape(-1, int(found[0]))
    return rows


def beside(blocks: Sequence[NDArray[Any]]) -> NDArray[Any]:
    """Matrices side by side."""
    return blocks[0] if len(blocks) == 1 else np.concatenate(blocks, axis=1)


def _filled(columns: Sequence[NDArray[Any]]) -> NDArray[Any]:
    """Columns of numbers as a matrix, rows without any number being zeros."""
    rows = np.stack(columns, axis=1)
    if rows.dtype.kind == "O":  # nullable columns
        numbers = [np.nan if is_missing(value) else float(value) for value in rows.ravel()]
        rows = np.array(numbers).reshape(rows.shape)
    if rows.dtype.kind == "f":
        rows = np.where(np.isnan(rows).all(axis=1, keepdims=True), rows.dtype.type(0), rows)
    return rows


def _plain(vector: Any, where: str) -> NDArray[Any]:
    return _of_tensor(vector, where) if hasattr(vector, "detach") else _array(vector, where)


def _array(given: Any, where: str) -> NDArray[Any]:
    try:
        return np.asarray(given)
    except (ValueError, TypeError) as error:
        raise DataError(f"{where}: expected a matrix (items, features): {error}") from None


def _numbers_of(given: NDArray[Any], where: str) -> NDArray[Any]:
    """An array of Python's numbers as one of floats."""
    try:
        return given.astype(np.float64)
    except (ValueError, TypeError) as error:
        raise DataError(f"{where}: expected a matrix of numbers: {error}") from None


def _of_tensor(given: Any, where: str) -> NDArray[Any]:
    if given.is_meta:
        raise DataError(f"{where}: expected numbers, got a tensor on the device 'meta', which holds none")
    tensor = given.detach().cpu()
    if str(tensor.layout) != "torch.strided":  # one of the sparse ones
        tensor = tensor.to_dense()
    if tensor.is_complex() or tensor.is_quantized:
        raise DataError(f"{where}: expected a tensor of real numbers, got {tensor.dtype}")
    if str(tensor.dtype).startswith(("torch.bfloat16", "torch.float8")):  # NumPy has no such numbers
        tensor = tensor.float()
    array: NDArray[Any] = tensor.numpy()
    return array


def _unmasked(given: np.ma.MaskedArray[Any, Any], where: str) -> NDArray[Any]:
    mask = np.ma.getmaskarray(given)
    if given.ndim == 2:
        partly = np.flatnonzero(mask.any(axis=1) & ~mask.all(axis=1))
        if partly.size:
            raise DataError(
                f"{where}: row {int(partly[0])} is masked in part ({partly.size} such rows); fill such values, or mask "
                "the whole row of an item that has no such feature"
            )
    return given.filled(0)


def _is_sparse(given: Any) -> bool:
    return hasattr(given, "toarray") and hasattr(given, "nnz")


def _written_out(given: Any, where: str) -> NDArray[Any]:
    size = int(np.prod(given.shape)) * np.dtype(given.dtype).itemsize
    if size > _MOST:
        raise DataError(
            f"{where}: the sparse matrix of shape {tuple(given.shape)} takes {size / 2**30:.0f} GiB when it is written "
            "out, which features are; reduce it first, for example with sklearn.decomposition.TruncatedSVD"
        )
    array: NDArray[Any] = given.toarray()
    return array
