"""A folder for one target, and sound things that a target spoils one file of."""

from __future__ import annotations

import shutil
import tempfile
from functools import cache
from pathlib import Path

import numpy as np
import polars as pl
import torch
from scipy.sparse import csr_array

import magnet
from magnet.api import make
from magnet.blend import BlendState
from magnet.operators.dense import DenseOperator
from magnet.operators.factors import FactorOperator
from magnet.operators.filter import FilterOperator
from magnet.operators.grown import GrownOperator
from magnet.operators.sparse import SparseOperator
from magnet.operators.spectral import SpectralOperator
from magnet.run.folder import RunContents, RunDescription, RunFolder
from magnet.states import DotState, ItemItemState, NeighbourState

__all__ = ["FEATURES", "INTER", "Place", "dataset"]

# Three users, three items, with a split.
INTER = b"user\titem\tsplit\na\tx\t0\na\ty\t1\nb\tx\t0\nb\tz\t2\nc\tz\t0\nc\ty\t0\n"
FEATURES = np.arange(1, 7, dtype=np.float32).reshape(3, 2)
_IN_MEMORY = Path("/dev/shm")


class Place:
    """Where a target works. What is sound is made once, and copied for each input."""

    def __init__(self) -> None:
        self._there = tempfile.TemporaryDirectory(
            prefix="magnet-fuzz-", dir=_IN_MEMORY if _IN_MEMORY.is_dir() else None
        )
        self.root = Path(self._there.name)

    def empty(self) -> Path:
        """A folder with nothing in it."""
        folder = self.root / "here"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        return folder

    def copy(self, template: Path) -> Path:
        """A copy of something sound."""
        folder = self.empty() / "copy"
        shutil.copytree(template, folder)
        return folder

    @cache  # noqa: B019, a place lives as long as its process
    def saved(self) -> Path:
        """A data set as :meth:`magnet.Dataset.save` writes it."""
        return dataset(modalities=True).save(self.root / "saved")

    @cache  # noqa: B019
    def runs(self) -> list[Path]:
        """Finished runs, one for each kind of state; the first one has all files that a run can have."""
        rows, halves = torch.arange(6.0).reshape(3, 2), torch.from_numpy(FEATURES).half()
        square = csr_array(np.array([[0, 1, 0], [1, 0, 2], [0, 2, 0]], dtype=np.float32))
        train = dataset().train
        matrix = SparseOperator(square)
        ones = np.ones((2, 1), dtype=np.float32)
        operators = [
            DenseOperator(square.toarray()),
            matrix,
            FilterOperator(train, [0.0, 1.0], 0.5),
            FactorOperator(FEATURES, FEATURES),
            SpectralOperator(train, [0.0, 1.0], 0.5, FEATURES, 0.5, 0.25),
            GrownOperator(DenseOperator(ones[:1]), csr_array(ones)),
        ]
        cues, experts = {"kind": matrix}, ["one", "two"]
        states = [
            ("lightgcn", DotState(users=rows, items=rows + 1)),
            ("user-knn", NeighbourState(neighbours=square, history=train)),
            (
                "magnet",
                BlendState(rows, rows + 1, train, cues, rows, rows, torch.ones(2, 1), 0.5, 1, experts),
            ),
            *(("item-knn", ItemItemState(history=train, operator=operator)) for operator in operators),
        ]
        folders = []
        for name, state in states:
            description = RunDescription(name, make(name).config.resolved(), "abc", "strict", 0)
            run = RunFolder.create(self.root / "runs" / str(len(folders)), description)
            more = {"axes": {"image": torch.eye(2)}, "item_table": pl.DataFrame({"kind": ["a", None, "b"]})}
            run.finish(
                RunContents(
                    state=state,
                    user_ids=["a", "b", "c"],
                    item_ids=["x", 7, "z"],
                    titles=["X", None, "Z"],
                    train=train,
                    valid=dataset().valid,
                    metrics={"valid/strict": {"metrics": {"recall@20": 0.5}}},
                    valid_users=np.array([0], dtype=np.int32),
                    valid_per_user={"recall@20": np.array([0.5])},
                    facts={"chosen_by": "recall@20"},
                    content={"image": halves},
                    events=[{"epoch": 0, "loss": 0.5}, {"epoch": 1, "loss": None}],
                    **({} if folders else more),
                )
            )
            run.record_metrics("test/strict", {"metrics": {"recall@20": 0.25}})
            folders.append(run.path)
        return folders

    @cache  # noqa: B019
    def store(self) -> Path:
        """A store with two experiments on one data set, and no runs."""
        there = self.root / "store"
        models = ["popularity", magnet.EASE(regularization=2.0)]
        magnet.compare(models, {"one": dataset()}, seeds=(0,), store=there, progress=False)
        shutil.rmtree(there / "runs")
        return there


def dataset(*, modalities: bool = False) -> magnet.Dataset:
    """Three users, three items."""
    frame = pl.read_csv(INTER, separator="\t")
    more = {"features": {"f": FEATURES}, "titles": ["X", "Y", "Z"]} if modalities else {}
    return magnet.Dataset.from_frame(frame, split="split", items=["x", "y", "z"], **more)
