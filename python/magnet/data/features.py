"""Feature matrices: checked, aligned with the items, never summed in float16."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from magnet.data.records import Modality
from magnet.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

__all__ = ["MAPPED_FROM", "make_modality", "rows_where", "some"]

# Mapped files of at least so many bytes stay on the disk. Smaller ones are read: whoever writes such a file anew in its
# place, as np.save does, would change or break the data set of a process that still has it mapped.
MAPPED_FROM = 256 << 20
_BLOCK = 1 << 24  # numbers that are looked at at a time


def some(rows: NDArray[np.intp], limit: int = 5) -> str:
    """The first few of some numbers, as errors list them."""
    text = ", ".join(str(int(row)) for row in rows[:limit])
    return text if rows.size <= limit else f"{text}, … ({rows.size} in all)"


def make_modality(
    name: str,
    array: NDArray[Any],
    *,
    n_items: int,
    where: str,
    rows: NDArray[np.int32] | None = None,
    first_row: int = 0,
    why: str = "",
) -> tuple[Modality, list[str]]:
    """Check a feature matrix and align it with the items.

    A row of zeros says nothing (its cosine with anything is undefined), so its item lacks the modality.

    Args:
        name: Of the modality.
        array: Features, ``(I, d)``, or ``(n, d)`` with ``rows``; any real number type, or truth values. float16 and
            float32 are kept, others become float32. A mapped file of these types of :data:`MAPPED_FROM` bytes or more
            stays on the disk if row i belongs to item i; everything else is copied.
        n_items: Number of items, I.
        where: What to call the matrix in an error.
        rows: The item of each row of ``array``, ``(n,)``, unique, -1 to leave the row out; None if row i
            belongs to item i.
        first_row: Number of the first row for a reader of the file.
        why: Where the number of items comes from, for an error.

    Returns:
        The modality, and a message for each thing that was found odd.

    Raises:
        DataError: If the array is not a matrix of real numbers, has too few or too many rows, or holds NaN or
            infinity, or numbers that float32 cannot hold.
    """
    if array.ndim != 2 or array.shape[1] == 0:
        raise DataError(f"{where}: expected a matrix (items, features), got an array of shape {array.shape}")
    if array.dtype.kind not in "fiub":
        raise DataError(
            f"{where}: expected numbers (float16, float32, float64, integers or truth values), got {array.dtype}"
        )
    if rows is None and array.shape[0] != n_items:
        word = "fewer" if array.shape[0] < n_items else "more"
        raise DataError(
            f"{where}: {array.shape[0]} feature rows are {word} than the {n_items} items{why}; "
            "every item needs a row, of zeros if it has no such feature"
        )
    kept = np.float16 if array.dtype.kind == "f" and array.dtype.itemsize == 2 else np.float32
    if array.dtype.kind == "b":
        array = array.astype(np.float32)
    with np.errstate(over="ignore"):  # numbers that are too large become infinite, which is reported below
        features: NDArray[Any] = (
            np.asarray(array)
            if rows is None and _may_stay_mapped(array)
            else np.array(array, dtype=kept, order="C")
        )
    _check_range(array, features, where, first_row)
    faulty = np.flatnonzero(~rows_where(features, lambda block: np.isfinite(block).all(axis=1)))
    if faulty.size:
        raise DataError(
            f"{where}: NaN or infinity in row {some(faulty + first_row)}; correct the features, "
            "or write a row of zeros for an item that has none"
        )
    if rows is not None:
        aligned: NDArray[Any] = np.zeros((n_items, features.shape[1]), dtype=kept)
        aligned[rows[rows >= 0]] = features[rows >= 0]
        given = np.zeros(n_items, dtype=bool)
        given[rows[rows >= 0]] = True
        features = aligned
    else:
        given = np.ones(n_items, dtype=bool)
    present = rows_where(features, lambda block: (block != 0).any(axis=1))
    messages = []
    absent, zero = n_items - np.count_nonzero(given), np.count_nonzero(given & ~present)
    if absent:
        messages.append(f"{where}: {absent} of {n_items} items have no row and lack the modality '{name}'")
    if zero:
        messages.append(
            f"{where}: {zero} of {n_items} items have a row of zeros and lack the modality '{name}'"
        )
    if not present.any():
        raise DataError(f"{where}: not a single item has a row that is not all zeros")
    return Modality(name, features, present), messages


def _may_stay_mapped(array: NDArray[Any]) -> bool:
    """Whether features are a mapped file that can be used as it lies on the disk, and are worth it."""
    return (
        isinstance(array, np.memmap)
        and array.nbytes >= MAPPED_FROM
        and array.dtype in (np.float16, np.float32)
        and array.dtype.isnative
        and array.flags.c_contiguous
    )


def rows_where(
    features: NDArray[Any], test: Callable[[NDArray[Any]], NDArray[np.bool_]]
) -> NDArray[np.bool_]:
    """A truth value for each row, found block by block: a mapped file may be larger than the memory."""
    step = max(1, _BLOCK // max(1, features.shape[1]))
    blocks = [test(features[start : start + step]) for start in range(0, len(features), step)]
    return np.concatenate(blocks) if blocks else np.zeros(0, dtype=bool)


def _check_range(given: NDArray[Any], kept: NDArray[Any], where: str, first_row: int) -> None:
    """Make sure that rounding to float32 leaves something of every row.

    Raises:
        DataError: If numbers of a row are too large, or all of them too small.
    """
    if given.dtype == kept.dtype or not given.size:
        return
    with np.errstate(invalid="ignore"):  # NaN is reported by the caller
        largest = np.abs(given).max(axis=1)  # (n,)
        lost = (largest > np.finfo(kept.dtype).max) & np.isfinite(largest)
        lost |= (largest > 0) & (largest < np.finfo(kept.dtype).tiny)
    rows = np.flatnonzero(lost)
    if rows.size:
        raise DataError(
            f"{where}: the largest number of row {int(rows[0]) + first_row} is {largest[rows[0]]:.3g}, which "
            f"{kept.dtype} cannot hold ({rows.size} such rows); divide all features by one number: no score changes"
        )
