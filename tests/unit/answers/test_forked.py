"""Answers in a process that was forked from one that had read tables: given, or refused, but never waited for."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import magnet

SCRIPT = """
import os, sys
import polars as pl
from support.shop import fitted, shop

model, data = fitted("ease"), shop()
pl.DataFrame({"a": range(2_000_000)}).group_by(pl.col("a") % 7).len()  # starts the threads of polars
rows, table = data.modalities["text"].features[3:4], pl.DataFrame({"item": ["a"], "price": [1]})
for name, call in {
    "recommend": lambda: model.recommend(model.user_ids, 5),
    "history": lambda: model.recommend(history=["i003"], k=3, reasons=True, probability=True),
    "calibrate": lambda: model.recommend("u000", 3, calibrate="category"),
    "similar": lambda: model.similar_items("i003", 3),
    "save": lambda: model.save(sys.argv[1]),
    "where": lambda: model.recommend("u000", 3, where="price<5"),
    "add": lambda: model.add_items(["a"], features={"text": rows}, item_table=table),
    "filter": lambda: data.filter(k_core=2),
    "keep": lambda: data.save(sys.argv[1] + "-data"),
}.items():
    sys.stdout.flush()
    child = os.fork()
    if not child:
        try:
            call()
            print(name, "done")
        except Exception as error:
            print(name, type(error).__name__)
        sys.stdout.flush()
        os._exit(0)
    os.waitpid(child, 0)
"""


def test_a_forked_process_answers_or_refuses(tmp_path):
    tests, package = Path(__file__).parents[2], Path(magnet.__file__).parents[1]
    found = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(tmp_path / "run")],
        env=os.environ | {"PYTHONPATH": f"{tests}:{package}", "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    said = dict(line.split() for line in found.stdout.splitlines())
    answered, refused = (
        ("recommend", "history", "calibrate", "similar", "save"),
        ("where", "add", "filter", "keep"),
    )
    assert said == dict.fromkeys(answered, "done") | dict.fromkeys(refused, "ForkError")
