"""Targets that read data sets: interactions, items, features, saved folders."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

import magnet
from torture.fuzz.place import FEATURES, INTER

if TYPE_CHECKING:
    from pathlib import Path

    from torture.fuzz.place import Place

__all__ = [
    "BETWEEN",
    "FEATURE_KINDS",
    "SAVED",
    "TABLE_ENDINGS",
    "atomic",
    "features",
    "interactions",
    "items",
    "saved",
    "tables",
]

# What separates the files of an input that is more than one.
BETWEEN = b"\n=====\n"
TABLE_ENDINGS = (".parquet", ".arrow", ".feather", ".npz")
FEATURE_KINDS = ("npy", "npz", "safetensors", "pt", "parquet", "arrow", "tsv", "csv", "pth", "feather")
SAVED = ("magnet.json", "inter.parquet", "users.parquet", "items.parquet", "f.npy")
_ITEMS = b"item\ttitle\nx\tX\ny\tY\nz\tZ\n"
_SPLITS: list[dict[str, Any]] = [
    {},
    {"split": None},
    {"split": "random:0.8,0.1,0.1"},
    {"split": "leave-one-out"},
    {"min_rating": 3.0},
    {"user": "user", "item": "item"},
    {"seed": 3, "split": "temporal:0.8,0.1,0.1"},
]


def check(data: magnet.Dataset) -> None:
    """What is read is a data set that keeps its promises."""
    for indices, ids in ((data.users, data.user_ids), (data.items, data.item_ids)):
        assert len(indices) == len(data.parts)
        assert (indices >= 0).all()
        assert (indices < len(ids)).all()
        assert len(set(ids)) == len(ids)
    assert data.train.shape == (data.n_users, data.n_items)
    for modality in data.modalities.values():
        rows = np.asarray(modality.features)
        assert rows.shape[0] == data.n_items == len(modality.present)
        assert np.isfinite(rows).all()
    repr(data)


def _read(folder: Path, **options: Any) -> None:
    check(magnet.Dataset.from_folder(folder, **options))


def interactions(how: int, content: bytes, place: Place) -> None:
    """A text of interactions, split by some rule."""
    folder = place.empty()
    (folder / ("inter.tsv" if how % 2 else "inter.csv")).write_bytes(content)
    _read(folder, **_SPLITS[how // 2 % len(_SPLITS)])


def tables(how: int, content: bytes, place: Place) -> None:
    """A binary table or a matrix of interactions."""
    folder = place.empty()
    (folder / f"inter{TABLE_ENDINGS[how % 4]}").write_bytes(content)
    _read(folder, **_SPLITS[how // 4 % len(_SPLITS)])


def items(how: int, content: bytes, place: Place) -> None:
    """A table of items beside sound interactions."""
    folder = place.empty()
    endings = (".tsv", ".csv", ".parquet", ".arrow", ".feather")
    (folder / "inter.tsv").write_bytes(INTER)
    (folder / f"items{endings[how % 5]}").write_bytes(content)
    if how & 128:
        np.save(folder / "f.npy", FEATURES)
    _read(folder)


def atomic(how: int, content: bytes, place: Place) -> None:
    """The files of RecBole, of interactions and of items."""
    folder = place.empty()
    inter, _, about = content.partition(BETWEEN)
    (folder / "data.inter").write_bytes(inter)
    if how % 2:
        (folder / "data.item").write_bytes(about)
    _read(folder, **_SPLITS[how // 2 % len(_SPLITS)])


def features(how: int, content: bytes, place: Place) -> None:
    """Features of three items, in a file of any kind."""
    folder = place.empty()
    (folder / "inter.tsv").write_bytes(INTER)
    if how & 128:
        (folder / "items.tsv").write_bytes(_ITEMS)
    (folder / f"f.{FEATURE_KINDS[how % 128 % len(FEATURE_KINDS)]}").write_bytes(content)
    _read(folder, modalities=["f"])


def saved(how: int, content: bytes, place: Place) -> None:
    """A saved data set, one file of it replaced."""
    folder = place.copy(place.saved())
    (folder / SAVED[how % len(SAVED)]).write_bytes(content)
    _read(folder)
