"""The demo, on the tiny data so that it takes seconds."""

from __future__ import annotations

import json

import pytest

from magnet.cli import demo
from magnet.evaluate import evaluate
from magnet.synthetic import ceilings, generator

QUICK = {"dim": 8, "train": {"epochs": 2, "batch_size": 512}}


@pytest.fixture
def small(monkeypatch):
    pytest.importorskip("matplotlib")
    generate = generator.generate
    monkeypatch.setattr(generator, "generate", lambda size, seed: generate("tiny", seed=seed))
    monkeypatch.setattr(demo, "DEMO_MAGNET", QUICK | {"schedule": {"epochs": 2}})
    monkeypatch.setattr(demo, "DEMO_LIGHTGCN", QUICK)


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
    for name in ("training.png", "experts.png"):
        assert (out / name).read_bytes().startswith(b"\x89PNG")
    again = json.loads(magnet("evaluate", out / "run", "--part", "test", "--json").out)
    assert again["metrics"]["recall@20"] == found["test"]["magnet"]["recall@20"]
    refused = magnet("demo", "--out", out)
    assert refused.code == 1
    assert "--overwrite" in refused.err
    replaced = magnet("demo", "--out", out, "--overwrite")
    assert replaced.code == 0
    assert "Recall@20" in replaced.out
    assert "ceiling" in replaced.out


@pytest.mark.parametrize("protocol", ["strict", "mmrec"])
def test_the_ceiling_is_that_of_ranking_by_true_utility(tiny, protocol):
    found = evaluate(demo.ceiling_state(tiny.truth), tiny.dataset, "test", protocol=protocol)
    expected = ceilings.ceiling_recall(tiny, "test", protocol=protocol)
    assert found.metrics["recall@20"] == pytest.approx(expected, abs=1e-12)
