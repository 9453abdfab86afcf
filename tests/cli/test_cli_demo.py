"""The demo, on the tiny data so that it takes seconds."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from magnet.synthetic import generator, presets
from support.quick import CONTROLLER, MIXING

QUICK = {"dim": 8, "train": {"epochs": 2, "batch_size": 512}}


@pytest.fixture
def small(monkeypatch):
    pytest.importorskip("matplotlib")
    generate = generator.generate
    monkeypatch.setattr(generator, "generate", lambda size, seed: generate("tiny", seed=seed))
    monkeypatch.setitem(presets.DEMO, "magnet", QUICK | {"mixing": MIXING, "controller": CONTROLLER})
    monkeypatch.setitem(presets.DEMO, "lightgcn", QUICK)


def test_the_demo_does_everything_and_leaves_it_behind(magnet, small, tmp_path):
    out = tmp_path / "demo"
    answer = magnet("demo", "--out", out, "--json")
    assert answer.code == 0, answer.err
    found = json.loads(answer.out)
    assert list(found["test"]) == ["magnet", "lightgcn", "ease", "popularity", "ceiling"]
    assert all(0 < value <= 1 for one in found["test"].values() for value in one.values())
    assert found["test"]["ceiling"]["recall@20"] == max(one["recall@20"] for one in found["test"].values())
    assert [row["rank"] for row in found["recommendations"]] == [1, 2, 3, 4, 5]
    assert all(row["reason"] for row in found["recommendations"])
    assert str(out / "training.png") in found["plots"].values()
    for plot in found["plots"].values():
        assert Path(plot).read_bytes().startswith(b"\x89PNG")
    again = json.loads(magnet("evaluate", out / "run", "--part", "test", "--json").out)
    assert again["metrics"]["recall@20"] == found["test"]["magnet"]["recall@20"]
    refused = magnet("demo", "--out", out)
    assert refused.code == 1
    assert "--overwrite" in refused.err
    replaced = magnet("demo", "--out", out, "--overwrite")
    assert replaced.code == 0
    assert "Recall@20" in replaced.out
    assert "ceiling" in replaced.out
