"""What a person adds from outside: found again by load, by the command, and refused in words."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

import magnet
from magnet.errors import ConfigError, DataError, RunError
from magnet.evaluate import rank, score
from magnet.files import file_digest
from magnet.states import DotState
from magnet.synthetic import write_folder

PLUGIN = '''
import json
from pathlib import Path
import numpy as np, torch, polars as pl
import magnet
from magnet.states import DotState

class LoudConfig(magnet.Config):
    """Settings.

    Attributes:
        power: Of the popularity.
    """

    power: float = 1.0

class Rows:
    """The same row of scores for everyone."""

    def __init__(self, n_users, row):
        self.shape, self.row = (n_users, len(row)), row
    def scores(self, users):
        return np.tile(self.row, (len(users), 1))
    def to_tensors(self):
        return {"row": torch.from_numpy(self.row)}, {"n_users": self.shape[0]}
    @classmethod
    def from_tensors(cls, tensors, meta):
        return cls(meta["n_users"], tensors["row"].numpy())

def fit(dataset, config, *, seed):
    counts = np.bincount(dataset.train.indices, minlength=dataset.n_items).astype(np.float32)
    return Rows(dataset.n_users, counts ** config.power + seed)

def read(path, *, split, modalities, user, item, seed):
    rows = json.loads(Path(path).read_text())
    return magnet.Dataset.from_frame(pl.DataFrame(rows), split=split, seed=seed)

magnet.register("loud", LoudConfig, fit=fit)
magnet.register_state("loud rows", Rows)
magnet.register_reader("rows", read, suffixes=[".rows"])
'''


@pytest.fixture
def outside(tmp_path):
    """A folder with a module of somebody else, and a data folder; commands run there in fresh processes."""
    (tmp_path / "loud_shop.py").write_text(PLUGIN, encoding="utf-8")
    return tmp_path


def run(folder, *command, check=True):
    environment = os.environ | {
        "PYTHONPATH": str(Path(magnet.__file__).parents[1]),
        "MAGNET_CACHE": str(folder / "cache"),
    }
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=120, check=check
    )


CLI = (sys.executable, "-c", "from magnet.cli import main; main()")


def test_a_foreign_model_is_trained_saved_and_loaded_in_fresh_processes(outside, tiny):
    write_folder(tiny, outside / "data")
    train = ("train", "--data", "data", "--model", "loud", "--out", "run", "--set", "power=2", "--json")
    for way in ("loud_shop", "loud_shop.py"):
        made = json.loads(run(outside, *CLI, "--import", way, *train, "--overwrite").stdout)
        assert made["model"] == "loud"
    kept = json.loads((outside / "run" / "config.json").read_text())
    assert (kept["module"], kept["config"]) == ("loud_shop", {"power": 2.0})

    # Without the module nothing is imported, and the message says what is missing.
    refused = run(outside, *CLI, "recommend", "run", "--users", "u000", check=False)
    assert refused.returncode == 1
    assert "made by the model 'loud', which is not registered here; import loud_shop first" in refused.stderr
    assert "Traceback" not in refused.stderr

    answers = run(outside, *CLI, "--import", "loud_shop", "recommend", "run", "--users", "u000", "-k", "3")
    best = np.argsort(-np.bincount(tiny.dataset.train.indices, minlength=160), kind="stable")
    seen = set(tiny.dataset.train_valid[[0]].indices)
    expected = [tiny.dataset.item_ids[i] for i in best if i not in seen][:3]
    assert [line.split(",")[1] for line in answers.stdout.splitlines()[1:]] == expected
    evaluated = run(outside, *CLI, "--import", "loud_shop", "evaluate", "run", "--part", "test", "--json")
    assert 0 < json.loads(evaluated.stdout)["metrics"]["recall@20"] < 1

    code = "import magnet; print(type(magnet.load('run', allow='loud_shop')).__name__)"
    assert run(outside, sys.executable, "-c", code).stdout.strip() == "Recommender"


def test_a_foreign_reader_serves_the_command_and_reads_the_data_again(outside, tiny):
    data = tiny.dataset
    rows = [
        {"user": data.user_ids[u], "item": data.item_ids[i], "split": ("train", "valid", "test")[p]}
        for u, i, p in zip(data.users, data.items, data.parts, strict=True)
    ]
    (outside / "shop.rows").write_text(json.dumps(rows))
    imported = (*CLI, "--import", "loud_shop")
    run(outside, *imported, "train", "--data", "shop.rows", "--model", "popularity", "--out", "run")
    (outside / "shop.rows").rename(outside / "moved.rows")
    gone = run(outside, *imported, "evaluate", "run", "--part", "test", check=False)
    assert gone.returncode != 0
    there = run(outside, *imported, "evaluate", "run", "--part", "test", "--data", "moved.rows", "--json")
    assert json.loads(there.stdout)["metrics"]["recall@20"] > 0
    without = run(outside, *CLI, "evaluate", "run", "--part", "test", check=False)
    assert without.returncode == 2
    assert "no data reader 'rows'" in without.stderr


@pytest.mark.parametrize(
    ("name", "complaint"),
    [("absent_module", "No module named 'absent_module'"), ("absent.py", "no such file")],
)
def test_what_cannot_be_imported_is_named(outside, name, complaint):
    found = run(outside, *CLI, "--import", name, "doctor", check=False)
    assert found.returncode == 2
    assert f"--import {name}: " in found.stderr
    assert complaint in found.stderr
    assert "Traceback" not in found.stderr


class Nothing(magnet.Config):
    """No settings."""


def _fit(dataset, config, *, seed):
    raise NotImplementedError


@pytest.mark.parametrize(
    ("arguments", "options", "complaint"),
    [
        (("ease", Nothing), {"fit": _fit}, "'ease' is Magnet's own"),
        (("mine", Nothing), {}, "give fit= for a closed form or task= for a trained model"),
        (("mine", Nothing), {"fit": _fit, "task": _fit}, "one of them"),
        (("mine", dict), {"fit": _fit}, r"config must be a subclass of magnet\.config\.Config"),
        (("mine", Nothing), {"task": _fit}, r"needs a field `train: TrainConfig"),
    ],
)
def test_a_model_that_is_none_is_refused(arguments, options, complaint):
    with pytest.raises(ConfigError, match=complaint):
        magnet.register(*arguments, **options)


def test_an_unknown_model_suggests_the_nearest():
    with pytest.raises(ConfigError, match="no model 'lightgnc'; did you mean 'lightgcn'"):
        magnet.Recommender("lightgnc")
    with pytest.raises(ConfigError, match="name a model"):
        magnet.Recommender()
    with pytest.raises(ConfigError, match="EASE is the model 'ease', and 'popularity' was asked for"):
        magnet.EASE("popularity")


def test_a_run_of_a_model_from_a_script_says_so(tmp_path, tiny):
    magnet.EASE().fit(tiny.dataset, folder=tmp_path / "run")
    config = json.loads((tmp_path / "run" / "config.json").read_text())
    assert "module" not in config
    for module, advice in [
        ("__main__", "a script or notebook registered it"),
        ("shop.m", "import shop.m first"),
    ]:
        changed = {**config, "model": "gone", "module": module}
        del changed["identity"]
        (tmp_path / "run" / "config.json").write_text(json.dumps(changed))
        manifest = json.loads((tmp_path / "run" / "manifest.json").read_text())
        manifest["files"]["config.json"] = file_digest(tmp_path / "run" / "config.json")
        (tmp_path / "run" / "manifest.json").write_text(json.dumps(manifest))
        with pytest.raises(RunError, match=f"made by the model 'gone'.*{advice}"):
            magnet.load(tmp_path / "run")
    with pytest.raises(RunError, match=r"needs the module 'shop\.m'"):
        magnet.load(tmp_path / "run", allow=["shop.m"])


class Table:
    """Scores by a table."""

    def __init__(self, table):
        self.table, self.shape = table, table.shape

    def scores(self, users):
        return self.table[users]


def test_a_foreign_state_is_ranked_as_the_same_numbers_are(tiny):
    rng = np.random.default_rng(0)
    items = rng.integers(-3, 4, size=(tiny.dataset.n_items, 5)).astype(
        np.float32
    )  # exact products, many ties
    users = rng.integers(-3, 4, size=(tiny.dataset.n_users, 5)).astype(np.float32)
    dot = DotState(torch.from_numpy(users), torch.from_numpy(items))
    table = Table((users @ items.T).astype(np.float64))
    chosen = np.array([3, 0, 3, 200], dtype=np.int32)
    for seen in (None, tiny.dataset.train):
        for found, expected in zip(rank(table, chosen, seen, 20), rank(dot, chosen, seen, 20), strict=True):
            assert np.array_equal(found, expected)
    pairs = rng.integers(0, 160, size=4)
    assert np.array_equal(score(table, chosen, pairs), score(dot, chosen, pairs))
    with pytest.raises(DataError, match="users must lie inside"):
        rank(table, [240], None, 2)


@pytest.mark.parametrize("scores", [np.zeros((1, 3)), np.zeros(4), np.full((2, 4), "a")])
def test_a_state_that_does_not_score_is_refused(scores):
    table = Table(np.zeros((5, 4)))
    table.scores = lambda users: scores
    with pytest.raises(DataError, match=r"Table\.scores must return numbers of shape \(2, 4\)"):
        rank(table, [0, 1], None, 2)


def test_a_state_needs_a_registered_class_to_be_kept(tiny, tmp_path):
    with pytest.raises(
        ConfigError, match=r"Table has no to_tensors, no from_tensors; see magnet\.states\.Scorer"
    ):
        magnet.register_state("table", Table)
    model = magnet.Popularity().fit(tiny.dataset)
    object.__setattr__(model.contents, "state", Table(np.zeros((240, 160))))
    with pytest.raises(RunError, match="a run folder cannot keep a Table"):
        model.save(tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_any_function_is_a_metric(tiny):
    def third(rankings, k):
        return rankings.hits[:, 2]

    model = magnet.EASE(regularization=50.0).fit(tiny.dataset)
    found = model.evaluate(tiny.dataset, metrics=["hit", third], ks=[3])
    assert list(found.metrics) == ["hit@3", "third@3"]
    top = model.recommend([tiny.dataset.user_ids[u] for u in found.users], 3)
    third_items = top.filter(top["rank"] == 3)["item_id"].to_list()
    test = tiny.dataset.test
    expected = [
        test[u, tiny.dataset.item_index[i]] > 0 for u, i in zip(found.users, third_items, strict=True)
    ]
    assert found.per_user["third@3"].tolist() == expected


@pytest.mark.parametrize(
    ("metrics", "error", "complaint"),
    [
        (["recal"], ConfigError, "no metric 'recal'; did you mean 'recall'"),
        ([], ConfigError, "no metric was asked for"),
        ([3], ConfigError, "a metric is a name or a function"),
        (["hit", lambda r, k: np.zeros((2, 2))], DataError, "must return a number for each of"),
        ([len, len], ConfigError, "two metrics are called 'len'"),
    ],
)
def test_what_is_no_metric_is_refused(tiny, metrics, error, complaint):
    model = magnet.Popularity().fit(tiny.dataset)
    with pytest.raises(error, match=complaint):
        model.evaluate(tiny.dataset, metrics=metrics)


def test_taken_names_of_metrics_readers_and_states_are_refused():
    with pytest.raises(ConfigError, match="the metric 'recall' is Magnet's own"):
        magnet.register_metric(lambda r, k: r.n_relevant, name="recall", replace=True)
    with pytest.raises(ConfigError, match="must not hold an '@'"):
        magnet.register_metric(lambda r, k: r.n_relevant, name="recall@5")
    with pytest.raises(ConfigError, match="the data reader 'folder' is Magnet's own"):
        magnet.register_reader("folder", print)
    with pytest.raises(ConfigError, match=r"a suffix begins with a dot"):
        magnet.register_reader("mine", print, suffixes=["json"])
    with pytest.raises(ConfigError, match="the kind of state 'dot' is Magnet's own"):
        magnet.register_state("dot", type("Other", (DotState,), {"scores": None}), replace=True)


def test_the_default_of_a_part_stays_where_only_some_of_it_is_set():
    class Mine(magnet.Config):
        """Trains at a rate of its own."""

        train: magnet.TrainConfig = magnet.TrainConfig(learning_rate=0.25, patience=3)

    built = Mine.build({"train": {"epochs": 7}}).train
    assert (built.learning_rate, built.patience, built.epochs) == (0.25, 3, 7)
    assert magnet.TrainConfig().learning_rate != 0.25
    with pytest.raises(ConfigError, match=r"\[train\] has no key 'epoch'; did you mean 'epochs'"):
        Mine.build({"train": {"epoch": 7}})
