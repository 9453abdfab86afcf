"""Whether the parts of a data set fit each other."""

from __future__ import annotations

from typing import TYPE_CHECKING, get_args

import numpy as np

from magnet.choices import Part
from magnet.errors import DataError

if TYPE_CHECKING:
    from magnet.data.dataset import Dataset

__all__ = ["check_fit"]


def check_fit(data: Dataset) -> None:
    """Make sure that lengths, types and indices of a data set fit each other.

    Raises:
        DataError: If they do not; names what was expected and found.
    """
    if data.times is not None and data.times.shape != data.users.shape:
        raise DataError(f"{data.name}: times must have shape {data.users.shape}, got {data.times.shape}")
    kinds = {"users": np.int32, "items": np.int32, "parts": np.int8}
    for name, kind in kinds.items():
        array = getattr(data, name)
        if array.dtype != kind or array.shape != data.users.shape or array.ndim != 1:
            raise DataError(
                f"{data.name}: {name} must be a {np.dtype(kind)} array of shape {data.users.shape}, "
                f"got {array.dtype} {array.shape}"
            )
    bounds = {"users": data.n_users, "items": data.n_items, "parts": len(get_args(Part))}
    for name, bound in bounds.items():
        array = getattr(data, name)
        outside = np.flatnonzero((array < 0) | (array >= bound))
        if outside.size:
            raise DataError(
                f"{data.name}: {name} must lie in [0, {bound}), "
                f"but {name}[{outside[0]}] = {array[outside[0]]}"
            )
    for name, ids in {"user_ids": data.user_ids, "item_ids": data.item_ids}.items():
        if len(set(ids)) != len(ids):
            raise DataError(
                f"{data.name}: {name} must be unique, but {len(ids) - len(set(ids))} are repeated"
            )
    if data.titles is not None and len(data.titles) != data.n_items:
        raise DataError(
            f"{data.name}: expected {data.n_items} titles, one for each item, got {len(data.titles)}"
        )
    for place, title in enumerate(data.titles or ()):
        if title is not None and not isinstance(title, str):
            raise DataError(
                f"{data.name}: titles must be text, or None where there is none, but titles[{place}] = {title!r}"
            )
    _check_item_table(data)
    for modality in data.modalities.values():
        if modality.features.shape[:1] != (data.n_items,) or modality.present.shape != (data.n_items,):
            raise DataError(
                f"{data.name}: modality '{modality.name}' must have {data.n_items} rows, "
                f"one for each item, got {modality.features.shape[0]}"
            )


def _check_item_table(data: Dataset) -> None:
    if data.item_table is None:
        return
    import polars as pl

    if not isinstance(data.item_table, pl.DataFrame):
        raise DataError(
            f"{data.name}: item_table must be a polars frame, got {type(data.item_table).__name__}; "
            "Dataset.from_frame takes one of any library"
        )
    if data.item_table.height != data.n_items:
        raise DataError(
            f"{data.name}: item_table must have {data.n_items} rows, one for each item, got "
            f"{data.item_table.height}"
        )
