"""``magnet train`` and ``magnet evaluate``."""

from __future__ import annotations

import dataclasses
import json
import shutil
from types import SimpleNamespace

import pytest

from magnet.api import EASE, Recommender, load
from magnet.cli.train import trigger
from magnet.data import Dataset
from magnet.evaluate import evaluate
from magnet.run.folder import RunFolder

METRICS = {f"{name}@{k}" for name in ("recall", "ndcg", "precision", "hit") for k in (5, 10, 20, 50)}


@pytest.fixture
def copy(tmp_path, ease_run):
    return shutil.copytree(ease_run, tmp_path / "run")


def test_evaluate_prints_what_the_library_finds_unrounded_and_records_it(magnet, folder, copy):
    dataset = Dataset.from_folder(folder)
    state = EASE(regularization=20).fit(dataset).contents.state
    for part, protocol in (("test", "mmrec"), ("valid", "strict")):
        answer = magnet("evaluate", copy, "--part", part, "--protocol", protocol, "--json")
        found = json.loads(answer.out)
        expected = evaluate(state, dataset, part, protocol=protocol)
        assert answer.code == 0
        assert found == {
            "model": "ease",
            "part": part,
            "protocol": protocol,
            "n_users": expected.n_users,
            "metrics": expected.metrics,
        }
        assert set(found["metrics"]) == METRICS
        assert RunFolder.open(copy).load().metrics[f"{part}/{protocol}"] == found


def test_evaluate_prints_a_table_and_takes_the_runs_protocol(magnet, copy):
    answer = magnet("evaluate", copy, "--part", "test")
    assert answer.code == 0
    assert "protocol strict" in answer.out
    assert "recall" in answer.out


def test_data_that_have_moved_are_found_and_other_data_are_refused(magnet, folder, copy, tmp_path):
    moved = shutil.copytree(folder, tmp_path / "moved")
    there = magnet("evaluate", copy, "--part", "test", "--data", moved, "--json")
    assert there.code == 0
    lines = (moved / "inter.tsv").read_text().splitlines(keepends=True)
    (moved / "inter.tsv").write_text("".join(lines[:-1]))
    changed = magnet("evaluate", copy, "--part", "test", "--data", moved, "--json")
    assert (changed.code, changed.out) == (1, "")
    assert "content hash" in changed.err
    gone = magnet("evaluate", copy, "--part", "test", "--data", tmp_path / "nowhere")
    assert gone.code == 1
    assert "nowhere" in gone.err


def test_a_run_on_data_from_memory_asks_for_the_folder(magnet, folder, tmp_path):
    dataset = dataclasses.replace(Dataset.from_folder(folder), source=None)
    EASE().fit(dataset, folder=tmp_path / "run")
    answer = magnet("evaluate", tmp_path / "run", "--part", "test")
    assert answer.code == 1
    assert "--data" in answer.err
    assert magnet("evaluate", tmp_path / "run", "--part", "test", "--data", folder).code == 0


def test_settings_reach_the_model_files_first(magnet, folder, tmp_path):
    config = tmp_path / "ease.toml"
    config.write_text("regularization = 50.0\n")
    common = ["train", "--data", folder, "--model", "ease", "--config", config]
    magnet(*common, "--out", tmp_path / "a")
    magnet(*common, "--set", "regularization=70", "--out", tmp_path / "b")
    assert load(tmp_path / "a").config.regularization == 50.0
    assert load(tmp_path / "b").config.regularization == 70.0


@pytest.mark.parametrize(
    ("extra", "named"),
    [
        (["--model", "magnett"], "did you mean 'magnet'?"),
        (["--model", "magnet", "--set", "router.flor=1"], "did you mean 'floor'?"),
        (["--model", "magnet", "--set", "dim"], "KEY=VALUE"),
        (["--model", "magnet", "--set", "dim=0"], "dim"),
        (["--model", "magnet", "--set", "dim=wide"], "dim"),
        (["--model", "magnet", "--set", "train.epochs=0"], "[train] epochs"),
        (["--model", "magnet", "--set", "router.kind=globl"], "did you mean 'global'?"),
        (["--model", "ease", "--set", "regularization=-1"], "regularization"),
        (["--model", "ease", "--config", "missing.toml"], "missing.toml"),
    ],
)
def test_a_wrong_setting_ends_with_2_and_names_what_is_right(magnet, folder, tmp_path, extra, named):
    answer = magnet("train", "--data", folder, *extra, "--out", tmp_path / "run")
    assert (answer.code, answer.out) == (2, "")
    assert named in answer.err
    assert not (tmp_path / "run").exists()


def test_a_wrong_key_of_a_file_is_named_with_the_file(magnet, folder, tmp_path):
    config = tmp_path / "train.toml"
    config.write_text("[router]\nflor = 0.5\n")
    answer = magnet(
        "train", "--data", folder, "--model", "magnet", "--config", config, "--out", tmp_path / "run"
    )
    assert answer.code == 2
    assert f"{config}: [router] has no key 'flor'; did you mean 'floor'?" in answer.err


def test_a_run_that_exists_is_refused_and_unharmed_unless_overwritten(magnet, folder, copy):
    before = {file: file.read_bytes() for file in copy.iterdir() if file.is_file()}
    common = ["train", "--data", folder, "--model", "ease", "--out", copy]
    refused = magnet(*common)
    assert refused.code == 1
    assert "--overwrite" in refused.err
    assert {file: file.read_bytes() for file in copy.iterdir() if file.is_file()} == before
    assert magnet(*common, "--set", "regularization=3", "--overwrite").code == 0
    assert load(copy).config.regularization == 3


def test_nothing_but_a_run_is_ever_overwritten(magnet, folder, tmp_path):
    (tmp_path / "thesis.tex").write_text("years of work")
    answer = magnet("train", "--data", folder, "--model", "ease", "--out", tmp_path, "--overwrite")
    assert answer.code == 1
    assert (tmp_path / "thesis.tex").read_text() == "years of work"


def test_train_prints_one_document_with_the_validation_in_it(magnet, folder, tmp_path):
    answer = magnet("train", "--data", folder, "--model", "popularity", "--out", tmp_path / "run", "--json")
    found = json.loads(answer.out)
    assert answer.code == 0
    assert found["model"] == "popularity"
    assert set(found["valid"]["metrics"]) == METRICS
    assert "16 of 160 items" in answer.err


def test_the_features_asked_for_are_the_ones_used(magnet, folder, tmp_path):
    run = tmp_path / "run"
    args = ["train", "--data", folder, "--model", "ease", "--modalities", "text", "--out", run]
    assert magnet(*args).code == 0
    assert load(run).description.source["modalities"] == ["text"]
    assert magnet("evaluate", run, "--part", "test").code == 0


def test_an_empty_part_cannot_be_evaluated(magnet, folder, tmp_path):
    data = shutil.copytree(folder, tmp_path / "data")
    text = (data / "inter.tsv").read_text()
    (data / "inter.tsv").write_text(text.replace("\tvalid\n", "\ttrain\n"))
    answer = magnet("train", "--data", data, "--model", "popularity", "--out", tmp_path / "run")
    assert answer.code == 0
    assert "no validation part" in answer.err
    answer = magnet("evaluate", tmp_path / "run", "--part", "valid")
    assert answer.code == 1
    assert "part 'valid' has no interactions" in answer.err
    assert magnet("evaluate", tmp_path / "run", "--part", "test").code == 0
    answer = magnet("train", "--data", data, "--model", "bpr-mf", "--out", tmp_path / "other")
    assert answer.code == 1
    assert "bpr-mf needs a validation part" in answer.err


@pytest.mark.parametrize(
    ("file", "spoil"),
    [
        ("state.safetensors", lambda path: path.write_bytes(path.read_bytes()[:100])),
        ("ids.json", lambda path: path.unlink()),
        ("config.json", lambda path: path.write_text("{")),
        ("manifest.json", lambda path: path.unlink()),
    ],
)
def test_a_damaged_run_names_the_file_for_every_verb(magnet, copy, file, spoil):
    spoil(copy / file)
    for verb in (
        ["evaluate", copy, "--part", "test"],
        ["recommend", copy, "--users", "u001"],
        ["explain", copy],
    ):
        answer = magnet(*verb)
        assert (answer.code, answer.out) == (1, "")
        assert file in answer.err


def test_no_run_at_all_is_said(magnet, tmp_path):
    for verb in (
        ["evaluate", tmp_path / "no", "--part", "test"],
        ["recommend", tmp_path / "no", "--users", "a"],
    ):
        answer = magnet(*verb)
        assert answer.code == 1
        assert "no such run folder" in answer.err


def test_the_trigger_is_told_even_where_older_weights_are_delivered():
    events = [{"epoch": 3, "fired_by": None}, {"epoch": 4, "fired_by": "cap"}, {"epoch": 5, "fired_by": None}]
    assert trigger(SimpleNamespace(events=events)) == {"fired_by": "cap", "fired_at": 4}
    assert trigger(SimpleNamespace(events=events[:1])) == {"fired_by": None, "fired_at": None}


def test_a_run_is_refitted_on_everything(magnet, folder, tmp_path):
    run, out = tmp_path / "run", tmp_path / "final"
    short = ["--set", "train.epochs=3", "--set", "train.batch_size=512"]
    assert magnet("train", "--data", folder, "--model", "bpr-mf", "--out", run, *short).code == 0
    answer = magnet("train", "--final", run, "--out", out, "--json")
    assert answer.code == 0, answer.err
    document = json.loads(answer.out)
    assert document["valid"] is None
    found, chosen = load(out), load(run)
    assert document["epochs"] == chosen.contents.facts["best"]["training"]["epoch"] + 1
    assert found.contents.train.nnz == Dataset.from_folder(folder).users.size
    assert found.description.config == chosen.description.config
    answer = magnet("train", "--final", run, "--out", out, "--overwrite")
    assert "refitted on all" in answer.out
    assert magnet("recommend", out, "--users", "u001", "-k", "3").code == 0
    assert magnet("evaluate", out, "--part", "test").code == 1


def test_final_takes_its_settings_from_the_run(magnet, ease_run, tmp_path):
    for options in (["--model", "ease"], ["--set", "regularization=3"], ["--resume"]):
        answer = magnet("train", "--final", ease_run, "--out", tmp_path / "out", *options)
        assert answer.code == 2
        assert "--final takes model" in answer.err
    answer = magnet("train", "--out", tmp_path / "out")
    assert answer.code == 2
    assert "--data and --model must be" in answer.err


def test_train_says_what_the_simplest_models_have(magnet, folder, tmp_path, monkeypatch):
    common = ["train", "--data", folder, "--model", "item-knn", "--overwrite", "--out", tmp_path / "run"]
    document = json.loads(magnet(*common, "--json").out)
    yard = document["yardstick"]
    data = Dataset.from_folder(folder)
    for name in ("popularity", "ease"):
        own = Recommender(name).fit(data, progress=False).metrics["valid/strict"]["metrics"]["recall@20"]
        assert yard[name]["value"] == own
        assert yard[name]["ratio"] == own / document["valid"]["metrics"]["recall@20"]
    told = magnet(*common).out.splitlines()
    assert len(told) == 2
    assert told[1].startswith(
        f"valid recall@20 {yard['value']:.4f}; popularity {yard['popularity']['value']:.4f} ("
    )
    assert len(magnet(*common, "--no-yardstick").out.splitlines()) == 1
    assert "yardstick" not in json.loads(magnet(*common, "--no-yardstick", "--json").out)

    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("magnet.study.yardstick.measure_yardstick", interrupted)
    stopped = magnet(*common)
    assert stopped.code == 130
    assert "the run is whole" in stopped.err
    assert load(tmp_path / "run").name == "item-knn"


def test_evaluate_takes_cut_offs_metrics_and_slices_and_adds_to_what_the_run_keeps(magnet, folder, copy):
    dataset = Dataset.from_folder(folder)
    before = json.loads(magnet("evaluate", copy, "--part", "test", "--json").out)
    asked = ["evaluate", copy, "--part", "test", "--ks", "1,3", "--metrics", "map, auc,coverage", "--slices"]
    found = json.loads(magnet(*asked, "--json").out)
    expected = load(copy).evaluate(dataset, ks=[1, 3], metrics=["map", "auc", "coverage"], slices=True)
    assert found == json.loads(json.dumps(expected.to_json("ease")))
    kept = RunFolder.open(copy).load().metrics["test/strict"]
    assert kept["metrics"] == before["metrics"] | found["metrics"]
    printed = magnet(*asked).out
    lines = [line.split() for line in printed.splitlines()]
    assert ["ease", "uncut", f"{found['metrics']['auc']:.4f}"] in lines
    assert "users by training items" in printed
    tail = next(s for s in found["slices"] if s["name"] == "tail")
    assert f"tail ({tail['n_users']} users)" in printed


@pytest.mark.parametrize(
    ("extra", "code", "named"),
    [
        (["--metrics", "recal"], 2, "no metric 'recal'; did you mean 'recall'?"),
        (["--metrics", ","], 2, "no metric was asked for; there are recall, ndcg"),
        (["--ks", "5,x"], 2, "--ks"),
        (["--ks", "0"], 2, "--ks"),
        (["--trec", "none/run"], 1, "does not exist"),
        (["--trec", "same", "--qrels", "same"], 2, "same file"),
    ],
)
def test_wrong_words_of_evaluate_are_answered_before_the_data_are_read(magnet, copy, extra, code, named):
    answer = magnet("evaluate", copy, "--part", "test", *extra, "--data", "no such folder")
    assert (answer.code, answer.out) == (code, "")
    assert named in answer.err


def test_evaluate_writes_trec_files(magnet, folder, copy, tmp_path):
    run, qrels = tmp_path / "run.txt", tmp_path / "qrels.txt"
    call = ["evaluate", copy, "--part", "valid", "--ks", "3", "--trec", run, "--qrels", qrels]
    assert magnet(*call).code == 0
    data = Dataset.from_folder(folder)
    lines = [line.split() for line in run.read_text().splitlines()]
    validated = {data.user_ids[user] for user in data.users[data.parts == 1]}
    assert {line[0] for line in lines} == validated
    assert [line[3] for line in lines] == ["1", "2", "3"] * len(validated)
    assert {line[5] for line in lines} == {"ease"}
    held = {
        (data.user_ids[u], "0", data.item_ids[i], "1") for u, i in zip(*data.valid.nonzero(), strict=True)
    }
    assert {tuple(line.split()) for line in qrels.read_text().splitlines()} == held
    refused = magnet(*call)
    assert (refused.code, "--overwrite" in refused.err) == (1, True)
    assert magnet(*call, "--overwrite").code == 0
