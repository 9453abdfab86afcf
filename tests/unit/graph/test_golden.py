"""What must not change between versions: neighbours, bit for bit, edges that a seed keeps, and weights."""

import importlib.util
import json
from pathlib import Path

import numpy as np
import pytest

from magnet import graph

GOLDEN = Path(__file__).resolve().parents[2] / "golden"


@pytest.fixture(scope="module")
def make():
    spec = importlib.util.spec_from_file_location("make_graph", GOLDEN / "make_graph.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def golden():
    return json.loads((GOLDEN / "graph.json").read_text())


def test_neighbours(make, golden):
    features, _ = make.inputs()
    found = graph.knn_graph(features, 4)
    rows = np.repeat(np.arange(24), np.diff(found.indptr))
    assert np.transpose([rows, found.indices]).tolist() == golden["neighbours"]
    assert found.data.view(np.int32).tolist() == golden["cosines"]


def test_kept_edges(make, golden):
    _, train = make.inputs()
    assert len(golden["kept"]) == 6
    for key, pairs in golden["kept"].items():
        by, seed, epoch = key.split()
        found = graph.drop_edges(train, keep=0.2, by=by, seed=int(seed), epoch=int(epoch))
        assert make.pairs(found) == pairs, key


def test_weights_of_the_local_ridge(make, golden):
    features, train = make.inputs()
    content = graph.knn_graph(features[:12], 3)
    found = graph.local_ridge(train, ridge=2.0, content=content, content_weight=1.5, support=4)
    assert make.pairs(found) == golden["supports"]
    assert found.data == pytest.approx(golden["weights"], abs=1e-6)
