"""Processes that fork: what lacks its threads is refused in words, all else goes on to the same bits."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

import magnet
from magnet import forks
from magnet.errors import ForkError, MagnetError
from magnet.synthetic.write import write_folder

ENVIRONMENT = {"PYTHONPATH": str(Path(magnet.__file__).parents[1]), "PATH": "/usr/bin:/bin"}
# Everything in one interpreter, since importing torch takes longest. A child that hangs is ended by its alarm.
PROCESS = """
import json, os, signal, sys
import numpy as np, polars as pl, torch
import magnet
from magnet.graph import knn_graph
torch.set_num_threads(2)
x = np.random.default_rng(0).standard_normal((300, 16), dtype=np.float32)

def read():
    return magnet.Dataset.from_folder(sys.argv[1])
def frame():
    return magnet.Dataset.from_frame(pl.DataFrame({"user": ["a", "b"], "item": ["x", "y"]}))
def train(data):
    state = magnet.LightGCN(train={"epochs": 1}).fit(data, progress=False).contents.state
    return state.users.detach().numpy().tobytes()
def closed(data):
    model = magnet.Popularity().fit(data)
    found = model.evaluate(data).metrics["recall@20"], knn_graph(x, 5).data.tobytes()
    return found, model.recommend(data.user_ids[:9], k=5)["item_id"].to_list()
def said(call):
    try:
        call()
    except magnet.MagnetError as error:
        return f"{type(error).__name__}: {error}"

def in_child(work):
    reader, writer = os.pipe()
    if (child := os.fork()) == 0:
        signal.alarm(15)
        code = 1
        try:
            os.write(writer, json.dumps(work()).encode())
            code = 0
        finally:
            os._exit(code)
    os.close(writer)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    with os.fdopen(reader) as answer:
        return [status, json.loads(answer.read() or "null")]

found = {"before any use": in_child(lambda: train(read()) != b"")}
data = read()
before, known = train(data), closed(data)
found["trained"] = in_child(lambda: train(data) == before)
found["closed"] = in_child(lambda: closed(data) == known)
found["read"] = in_child(lambda: said(read))
found["frame"] = in_child(lambda: said(frame))
found["grandchild"] = in_child(lambda: in_child(lambda: said(frame)))
found["parent"] = [0, train(data) == before and closed(data) == known and read().n_users]
print(json.dumps(found))
"""


@pytest.fixture(scope="module")
def answers(tiny, tmp_path_factory):
    folder = write_folder(tiny, tmp_path_factory.mktemp("data") / "tiny")
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", PROCESS, str(folder)],
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_a_fork_before_any_use_costs_nothing(answers):
    assert answers["before any use"] == [0, True]


def test_training_and_kernels_go_on_in_parent_and_child(answers):
    assert answers["trained"] == [0, True]
    assert answers["closed"] == [0, True]
    assert answers["parent"] == [0, 240]


@pytest.mark.parametrize(("what", "words"), [("read", "reading a folder"), ("frame", "reading a frame")])
def test_what_needs_the_threads_of_polars_is_refused_in_words(what, words, answers):
    status, said = answers[what]
    assert status == 0, "it hung"
    assert said.startswith(f"ForkError: {words} would wait for ever")
    assert "'spawn'" in said
    assert "'forkserver'" in said


def test_a_child_of_the_child_is_refused_as_well(answers):
    assert answers["grandchild"][0] == 0
    assert answers["grandchild"][1][1].startswith("ForkError: reading a frame")


@pytest.fixture
def marks(monkeypatch):
    for name in ("_started", "_lost", "_losing"):
        monkeypatch.setattr(forks, name, {"polars": False, "openmp": False})


def test_experiments_and_stores_are_refused_too(marks, tiny, tmp_path):
    magnet.compare({"p": "popularity"}, tiny.dataset, seeds=(0,), store=tmp_path / "store", progress=False)
    forks._lost["polars"] = True
    with pytest.raises(ForkError, match="reading a store would"):
        magnet.compare(
            {"p": "popularity"}, tiny.dataset, seeds=(0,), store=tmp_path / "store", progress=False
        )
    with pytest.raises(ForkError, match="an experiment would"):
        magnet.compare({"p": "popularity"}, tiny.dataset, seeds=(0,), store=tmp_path / "new", progress=False)


def forked():
    forks._before()
    forks._in_child()


def test_threads_that_somebody_else_made_polars_start_count(marks, monkeypatch, tmp_path):
    monkeypatch.setattr(forks, "_THREADS", tmp_path)
    for number, name in enumerate(["python", "polars-ooc-clea", "jemalloc_bg_thd"]):
        (tmp_path / str(number)).mkdir()
        (tmp_path / str(number) / "comm").write_text(f"{name}\n")
    (tmp_path / "77").mkdir()
    (tmp_path / "77" / "comm").mkdir()  # cannot be read, as of a thread that has ended
    forked()
    forks.use_polars("reading")
    forks._started["polars"] = False
    (tmp_path / "2" / "comm").write_text("polars-0\n")
    forked()
    with pytest.raises(ForkError, match="reading would wait for ever"):
        forks.use_polars("reading")
    assert issubclass(ForkError, MagnetError)


@pytest.mark.parametrize(
    "mapped", ["no such file", "7f00-7f01 r-xp 00000000 00:00 1 /nowhere/libgomp.so.1\n"]
)
def test_training_is_refused_where_the_threads_of_openmp_could_not_be_ended(
    mapped, marks, monkeypatch, tmp_path
):
    maps = tmp_path / "maps"
    if mapped.strip() != "no such file":
        maps.write_text(mapped)
    monkeypatch.setattr(forks, "_MAPPED", maps)
    forked()
    forks.use_openmp("training", threads=2)  # nothing had been started
    forked()
    with pytest.raises(
        ForkError, match=r"training on 2 threads would wait for ever.*'spawn'\) or 'forkserver'"
    ):
        forks.use_openmp("training", threads=2)
    forks.use_openmp("training", threads=1)


def test_without_torch_and_polars_there_is_nothing_to_lose(marks, monkeypatch):
    for name in ("torch", "polars"):
        monkeypatch.delitem(sys.modules, name)
    forked()
    assert not any(forks._lost.values())
