"""Generated data as a folder, the truth beside it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from magnet.data.dataset import PARTS
from magnet.errors import DataError
from magnet.files import as_path
from magnet.forks import use_polars
from magnet.placing import replacing_folder
from magnet.synthetic.generator import Synthetic, Truth

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["TRUTH_FILE", "read_truth", "write_folder"]

TRUTH_FILE = "truth.npz"


def write_folder(synthetic: Synthetic, path: str | Path, *, overwrite: bool = False) -> Path:
    """Write generated data so that :meth:`magnet.Dataset.from_folder` reads back the same.

    The folder appears whole or not at all: it is written under another name beside its place and renamed.

    Args:
        synthetic: Generated data.
        path: The folder to make.
        overwrite: Replace a folder that was written by this function, or is empty. No other folder is ever
            replaced.

    Returns:
        The folder.

    Raises:
        DataError: If the folder exists and may not be replaced.
    """
    use_polars("writing data")
    folder = as_path(path)
    if folder.exists():
        ours = folder.is_dir() and ((folder / TRUTH_FILE).is_file() or not any(folder.iterdir()))
        if not overwrite:
            raise DataError(f"{folder}: exists already; choose another folder or allow it to be overwritten")
        if not ours:
            raise DataError(f"{folder}: is not a folder of generated data and is left alone; choose another")
    with replacing_folder(folder) as prepared:
        _write(synthetic, prepared)
    return folder


def _write(synthetic: Synthetic, folder: Path) -> None:
    data, truth = synthetic.dataset, synthetic.truth
    pl.DataFrame(
        {
            "userID": [data.user_ids[user] for user in data.users],
            "itemID": [data.item_ids[item] for item in data.items],
            "split": [PARTS[part] for part in data.parts],
        }
    ).write_csv(folder / "inter.tsv", separator="\t")
    titles = data.titles or [None] * data.n_items
    pl.DataFrame({"itemID": data.item_ids, "title": titles}).write_csv(folder / "items.tsv", separator="\t")
    for modality in data.modalities.values():
        np.save(folder / f"{modality.name}.npy", modality.features, allow_pickle=False)
    np.savez_compressed(
        folder / TRUTH_FILE,
        groups=truth.groups,
        tastes=truth.tastes,
        latents=truth.latents,
        clusters=truth.clusters,
        popularity=truth.popularity,
        kappa=np.float64(truth.kappa),
        seed=np.int64(truth.seed),
        difficulty=np.str_(truth.difficulty),
    )


def read_truth(path: str | Path) -> Truth:
    """The truth behind a folder that :func:`write_folder` made.

    Raises:
        DataError: If the folder has none, or it is damaged.
    """
    file = as_path(path) / TRUTH_FILE
    if not file.is_file():
        raise DataError(f"{file}: no such file; only generated data have a truth to compare with")
    try:
        with file.open("rb") as stream, np.load(stream, allow_pickle=False) as stored:
            return Truth(
                groups=stored["groups"],
                tastes=stored["tastes"],
                latents=stored["latents"],
                clusters=stored["clusters"],
                popularity=stored["popularity"],
                kappa=float(stored["kappa"]),
                seed=int(stored["seed"]),
                difficulty=str(stored["difficulty"]),
            )
    except Exception as error:  # a damaged zip, zlib stream or header each raises its own type
        raise DataError(f"{file}: not a readable truth file: {error}") from None
