"""``~`` is the home folder for everything that takes a path, in Python and on the command line."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

import magnet
from magnet.cli import app
from magnet.config import read_toml
from magnet.graph import cached_knn
from magnet.synthetic.write import read_truth, write_folder
from support.quick import CONTROLLER, MIXING


@pytest.fixture
def home(monkeypatch, tmp_path):
    """A home folder; a test that ends with anything in the working directory fails."""
    home, here = tmp_path / "home", tmp_path / "here"
    home.mkdir()
    here.mkdir()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("MAGNET_CACHE", "~/graphs")
    monkeypatch.chdir(here)
    yield home
    assert list(here.iterdir()) == []


def test_in_python(home, tiny):
    write_folder(tiny, "~/data")
    assert read_truth("~/data").seed == 0
    data = magnet.Dataset.from_folder("~/data")
    quick = {"epochs": 1, "batch_size": 512}
    settings = {"dim": 4, "train": quick, "mixing": MIXING, "controller": CONTROLLER}
    model = magnet.Magnet(**settings).fit(data, folder="~/runs/a", progress=False)
    magnet.Magnet(**settings).fit(data, folder="~/runs/a", resume=True, progress=False)
    control = magnet.Magnet(**settings, router={"kind": "uniform"})
    magnet.Trainer(control, data, folder="~/runs/b", backbone="~/runs/a", progress=False).fit()
    model.save("~/runs/c")
    assert magnet.load("~/runs/c").description == model.description
    assert sorted(run.name for run in (home / "runs").iterdir()) == ["a", "b", "c"]
    assert list((home / "graphs").glob("knn-*.npz"))
    cached_knn(data.modalities["text"].features, 3, folder="~/others")
    assert list((home / "others").glob("knn-*.npz"))
    (home / "a.toml").write_text("dim = 4\n")
    assert read_toml("~/a.toml") == {"dim": 4}


def test_plots(home, tiny):
    pytest.importorskip("matplotlib")
    quick = {"epochs": 1, "batch_size": 512}
    data = tiny.dataset
    model = magnet.Magnet(dim=4, train=quick, mixing=MIXING, controller=CONTROLLER).fit(data, progress=False)
    model.explain().plot("~/whole.svg")
    model.explain(data.user_ids[0], data.item_ids[0]).plot("~/pair.png")
    assert {"pair.png", "whole.svg", "whole-experts.svg"} <= {file.name for file in home.iterdir()}


def test_on_the_command_line(home):
    def call(*arguments):
        result = CliRunner().invoke(app, list(arguments), catch_exceptions=False)
        assert result.exit_code == 0, result.stderr
        return json.loads(result.stdout)

    call("data", "synthetic", "--out", "~/data", "--size", "tiny", "--json")
    assert call("data", "check", "~/data", "--json")["n_users"] == 240
    (home / "ease.toml").write_text("regularization = 20\n")
    (home / "users.txt").write_text("u001\n")
    common = ["--data", "~/data", "--model", "ease", "--config", "~/ease.toml", "--json"]
    call("train", *common, "--out", "~/run")
    assert magnet.load(home / "run").config.regularization == 20
    call("evaluate", "~/run", "--part", "test", "--data", "~/data", "--json")
    call("recommend", "~/run", "--users", "~/users.txt", "--out", "~/lists.csv", "--json")
    assert (home / "lists.csv").read_text().startswith("user_id,item_id")
    call("explain", "~/run", "--user", "u001", "--item", "i001", "--png", "~/pair.png", "--json")
    assert (home / "pair.png").read_bytes().startswith(b"\x89PNG")
    found = call("doctor", "--json")
    assert found["healthy"]
    assert (home / "graphs").is_dir()
