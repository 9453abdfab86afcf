"""``magnet tune``: tables, the file of settings, and what stops it."""

from __future__ import annotations

import json
import shlex
import signal

import pytest

pytest.importorskip("optuna")

# Long enough to be stopped within a trial.
SLOW = ["--model", "lightgcn", "--trials", "3", "--seeds", "0", "--finalists", "1", "--threads", "1"]
SLOW += ["--set", "dim=8", "--set", "train.epochs=8", "--set", "train.batch_size=256"]
SLOW += ["--space", "layers=1|2", "--set", "train.validate_every=1"]


def test_what_was_chosen_trains(magnet, folder, tmp_path):
    out = tmp_path / "ease.toml"
    call = ["tune", "--data", folder, "--model", "ease", "--trials", "3", "--store", tmp_path / "store"]
    answer = magnet(*call, "--out", out)
    assert answer.code == 0, answer.err
    assert "Final choice; means over seeds" in answer.out
    assert "run 3 of 3: ease on tiny: trial 3, regularization=" in answer.err
    first, *_ = out.read_text().splitlines()
    program, *words = shlex.split(first.removeprefix("# "))
    assert program == "magnet"
    assert str(out) in words
    words[words.index("RUN")] = str(tmp_path / "run")
    trained = magnet(*words, "--json")
    assert trained.code == 0, trained.err
    again = magnet(*call, "--json")
    assert "3 of 3 runs are in the store already" in again.err
    found = json.loads(again.out)
    value = json.loads(trained.out)["valid"]["metrics"]["recall@20"]
    assert found["finalists"][0]["metrics"]["recall@20"] == [value]
    refused = magnet(*call, "--out", out)
    assert refused.code == 1
    assert "--overwrite it" in refused.err
    assert magnet(*call, "--out", out, "--overwrite").code == 0


def test_a_space_is_laid_over_the_declared_one(magnet, folder, tmp_path):
    call = ["tune", "--data", folder, "--model", "add-ease", "--trials", "2", "--store", tmp_path / "store"]
    words = ["--space", "regularization=1..10", "--space", "content_weight=0.5", "--set", "modality=text"]
    answer = magnet(*call, *words, "--json")
    assert answer.code == 0, answer.err
    found = json.loads(answer.out)
    assert found["space"] == [
        "regularization=1..10",
        "feature_regularization=1..1000",
        "content_weight=0.5",
    ]
    assert found["settings"]["modality"] == "text"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--model", "eas"], "no model 'eas'; did you mean 'ease'?"),
        (["--model", "ease", "--space", "l2"], "--space l2: expected KEY=LOW..HIGH or KEY=A|B|C"),
        (["--model", "ease", "--space", "l2=0..1"], "there is no setting 'l2'"),
        (["--model", "ease", "--trials", "0"], "--trials"),
        (["--model", "ease", "--minutes", "0"], "minutes must be more than 0"),
        (["--model", "ease", "--seeds", "a"], "expected different whole numbers"),
        (["--model", "popularity"], "popularity has no settings, so there is nothing to tune"),
    ],
)
def test_a_wrong_command_line_ends_with_2_and_leaves_no_store(
    magnet, folder, tmp_path, words, said, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    answer = magnet("tune", "--data", folder, *words)
    assert (answer.code, answer.out) == (2, "")
    assert said in answer.err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_a_stopped_tuning_goes_on_as_if_it_had_not_been(process, magnet, folder, tmp_path, how):
    call = ["tune", "--data", folder, *SLOW, "--store", tmp_path / "store"]
    running = process(*call)
    for line in running.stderr:
        if line.startswith("run 2 of 3"):
            break
    else:
        pytest.fail("it ended before its second trial")
    running.send_signal(how)
    out, err = running.communicate(timeout=60)
    assert out == ""
    if how == signal.SIGINT:
        assert running.returncode == 130
        assert f"interrupted; 1 of 3 trials are in {tmp_path / 'store'}, and the same command goes on" in err
        assert "Traceback" not in err
    answer = magnet(*call, "--json")
    assert answer.code == 0, answer.err
    assert "1 of 3 runs are in the store already" in answer.err
    assert "run 1 of 3" not in answer.err
    whole = magnet(*call[:-1], tmp_path / "whole", "--json")
    stopped, straight = (json.loads(one.out) for one in (answer, whole))
    for document in (stopped, straight):
        document.pop("seconds")
        for trial in document["trials"]:
            trial.pop("seconds")
    assert stopped == straight
