"""A small finished run, for the tests of run folders."""

from __future__ import annotations

import numpy as np
import torch

from magnet.run.folder import RunContents, RunDescription, RunFolder
from magnet.states import DotState
from support.evaluation_data import make_dataset

DESCRIPTION = RunDescription(
    model="ease",
    config={"regularization": 0.1 + 0.2},
    content_hash="abc",
    protocol="mmrec",
    seed=7,
    source={"path": "somewhere", "split": "split", "modalities": None},
)


def contents(**changes):
    dataset = make_dataset(
        train={0: {0, 3}, 1: {1}, 2: {0}}, valid={0: {1}, 2: {2}}, test={1: {0}}, n_users=3, n_items=4
    )
    values = {
        "state": DotState(users=torch.randn(3, 2), items=torch.randn(4, 2)),
        "user_ids": ["ann", 7, ("shop", 3)],
        "item_ids": [True, 2.5, "", "日本"],
        "titles": ["Tea", None, "Cup", "é"],
        "train": dataset.train,
        "valid": dataset.valid,
        "metrics": {"valid/mmrec": {"recall@20": 0.1 + 0.2}},
        "valid_users": np.array([0, 2], dtype=np.int32),
        "valid_per_user": {"recall@20": np.array([1 / 3, 1.0])},
        "facts": {"fired_by": "criterion", "weight": 0.1 + 0.2},
        "content": {"image": torch.randn(4, 3).half()},
        "events": [{"epoch": 0, "loss": 0.1 + 0.2}, {"epoch": 1, "loss": None}],
    }
    return RunContents(**values | changes)


def finished(path, **changes):
    run = RunFolder.create(path, DESCRIPTION)
    run.finish(contents(**changes))
    return run
