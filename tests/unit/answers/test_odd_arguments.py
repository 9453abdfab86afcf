"""Whatever is handed in for any argument of an answer: an answer, or one of our errors."""

from __future__ import annotations

import contextlib
import datetime
import warnings

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import torch

from magnet.errors import MagnetError
from support.shop import fitted

ODD = [
    *(None, True, 0, -1, 2.5, float("nan"), "", "i003", "u000", b"x", [], ["i003", None], ("i003",), {}),
    *({"u000": ["i003"]}, {"u000": 3}, {1: [2]}, {"text": "x"}, {"text": float("nan")}, {None: 1}, {"i003"}),
    *(object(), np.array([]), np.array([["i003"]]), np.int64(3), np.float32(0.3)),
    *(pd.Series(["i003"], dtype="category"), pd.DataFrame()),
    *(pl.DataFrame({"user": ["u000"], "item": ["i003"]}), pl.Series([["i003"]]), pa.array(["i003"])),
    *(pa.table({"user": ["u000"]}), torch.ones(2, 2), range(3), len, datetime.date(2020, 1, 1), pl.col("price") < 3),
    *(pl.col("x"), pl.lit("x"), pl.col("price").sum() > 3, pl.col("^.*$") > 1, ["price<3", None], {"price": None}),
    *({"price": [1, "x"]}, {"price": np.array([[1]])}, {"category": [1.5]}),
]  # fmt: skip
ARGUMENTS = [
    *("k", "candidates", "exclude", "where", "diversity", "calibrate", "calibration", "reasons"),
    *("probability", "unknown", "weights", "roles", "exclude_seen"),
]  # fmt: skip


def kind(value):
    return type(value).__name__


@pytest.mark.filterwarnings("ignore::magnet.errors.MagnetWarning")
@pytest.mark.parametrize("odd", ODD, ids=kind)
def test_every_argument_is_understood_or_refused(odd):
    ease, mixture = fitted("ease"), fitted("magnet")
    x = np.ones((1, ease.contents.content["text"].shape[1]))
    calls = [lambda name=name: ease.recommend("u000", **({"k": 2} | {name: odd})) for name in ARGUMENTS]
    calls += [
        lambda: ease.recommend(history=odd, k=2),
        lambda: ease.recommend(odd, 2, history=["i003"]),
        lambda: ease.recommend("u000", 2, calibrate="category", calibration=odd),
        lambda: mixture.recommend("u000", 2, weights=odd),
        lambda: mixture.recommend("u000", 2, roles=odd),
        lambda: ease.similar_items(odd, 2),
        lambda: ease.similar_items("i003", odd),
        lambda: ease.similar_items("i003", 2, by=odd),
        lambda: ease.similar_items("i003", 2, where=odd),
        lambda: ease.similar_users(odd, 2),
        lambda: ease.similar_users("u000", 2, by=odd),
        lambda: ease.add_items(odd, features={"text": x}),
        lambda: ease.add_items(["a"], features=odd),
        lambda: ease.add_items(["a"], features={"text": odd}),
        lambda: ease.add_items(["a"], features={"text": x}, titles=odd),
        lambda: ease.add_items(["a"], features={"text": x}, item_table=odd),
        lambda: ease.add_items(["a"], features={"text": x}, neighbours=odd),
    ]
    for call in calls:
        with contextlib.suppress(MagnetError), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            call()
