"""The page about a model says what is in the run, and nothing that is not."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import scipy.sparse as sp

import magnet
from magnet.export.card import card_text
from magnet.states import ItemItemState, NeighbourState
from support.blend_data import blend
from support.run_data import DESCRIPTION, contents


def test_settings_data_and_results_are_those_of_the_run(tiny):
    model = magnet.EASE(regularization=20.0, seed=3).fit(tiny.dataset)
    found = model.evaluate(tiny.dataset, "test")
    known = replace(model.contents, metrics=model.metrics | {"test/strict": found.to_json("ease")})
    page = card_text(known, model.description)
    assert "| `regularization` | `20.0` |" in page
    assert "support" not in page  # left at its default
    assert "Seed 3." in page
    assert (
        f"{tiny.dataset.train.nnz:,} training interactions, {tiny.dataset.valid.nnz:,} for validation" in page
    )
    assert tiny.dataset.content_hash in page
    assert f"image (missing for {tiny.dataset.modalities['image'].n_missing} items)" in page
    valid = model.metrics["valid/strict"]["metrics"]["recall@20"]
    assert f"| Recall@20 | {valid:.4f} | {found.metrics['recall@20']:.4f} |" in page
    assert f"{found.n_users} users for test/strict" in page
    assert "no result on the test part" not in page
    assert "answered by popularity at best" in page
    assert "came from memory" in page
    assert f"magnet {magnet.__version__}" in page


def test_defaults_and_the_lack_of_results_are_said():
    page = card_text(
        contents(metrics={}, facts={"delivered": "backbone", "schedule": [3]}, content={}),
        replace(
            DESCRIPTION,
            config={"regularization": 200.0, "support": None},
            source={"split": "random", "seed": 5},
        ),
    )
    assert "All settings are the defaults." in page
    assert "Nothing was measured" in page
    assert "the backbone alone" in page
    assert "refit on all parts" in page
    assert "split: `random`, drawn with seed 5" in page
    assert "content of items: none" in page


def test_parts_of_settings_have_dots_and_unknown_results_stay_empty():
    config = magnet.LightGCN(train={"epochs": 7}).config.resolved()
    metrics = {
        "valid/mmrec": {"n_users": 2, "metrics": {"recall@20": 0.5}},
        "test/mmrec": {"n_users": 1, "metrics": {"recall@20": None, "own": 1.0}},
    }
    page = card_text(
        contents(metrics=metrics), replace(DESCRIPTION, model="lightgcn", config=config), title="Ours"
    )
    assert page.startswith("# Ours\n")
    assert "| `train.epochs` | `7` |" in page
    assert "| Recall@20 | 0.5000 |  |" in page
    assert "users without history are left out" in page


class Own:
    shape = (3, 4)

    def scores(self, users):
        return np.zeros((len(users), 4), np.float32)


@pytest.mark.parametrize(
    ("state", "said"),
    [
        (ItemItemState(sp.csr_array((3, 4), dtype=np.float32), np.eye(4, dtype=np.float32)), "history say"),
        (NeighbourState(sp.csr_array((3, 3)), sp.csr_array((3, 4))), "similar users"),
        (blend(3, 4), "signals behaviour, image, text, audio"),
        (Own(), "a `Own`"),
    ],
)
def test_every_kind_of_model_says_how_it_scores(state, said):
    assert said in card_text(contents(state=state), DESCRIPTION).split("##")[0]
