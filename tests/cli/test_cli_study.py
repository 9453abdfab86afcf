"""``magnet compare`` and ``magnet ablate``: tables, files, rows made again, and what stops them."""

from __future__ import annotations

import json
import shlex
import signal

import pytest

from cli.conftest import QUICK
from magnet.study.store import RunStore

FAST = ["--models", "ease,popularity", "--seeds", "0,1"]
# Long enough to be stopped, and a second run to be left.
SLOW = ["--models", "lightgcn,other=lightgcn", "--seeds", "0", "--threads", "1"]
SLOW += [word for name in ("lightgcn", "other") for word in ("--set", f"{name}:train.batch_size=256")]
SLOW += ["--set", "lightgcn:dim=8", "--set", "lightgcn:train.epochs=2", "--set", "other:dim=8"]
SLOW += ["--set", "other:train.epochs=12"]


def figures(answer):
    assert answer.code == 0, answer.err
    return {row["label"]: row["test"]["recall@20"]["seeds"] for row in json.loads(answer.out)["rows"]}


def test_tables_and_files(magnet, folder, tmp_path):
    pytest.importorskip("matplotlib")
    files = {name: tmp_path / f"table.{name}" for name in ("md", "tex", "png")}
    outputs = ["--markdown", files["md"], "--latex", files["tex"], "--plot", files["png"]]
    call = ["compare", "--data", folder, *FAST, "--store", tmp_path / "store", *outputs]
    answer = magnet(*call)
    assert answer.code == 0, answer.err
    assert "Differences to ease" in answer.out
    assert "run 2 of 2: popularity on tiny" in answer.err
    assert "| popularity | Recall@20 | -.1624 [" in files["md"].read_text()
    assert r"\begin{tabular}" in files["tex"].read_text()
    assert files["png"].read_bytes().startswith(b"\x89PNG")
    refused = magnet(*call)
    assert refused.code == 1
    assert "--overwrite it" in refused.err
    again = magnet(*call, "--overwrite", "--json")
    assert "2 of 2 runs are in the store already" in again.err
    found = json.loads(again.out)
    assert [row["label"] for row in found["rows"]] == ["ease", "popularity"]
    (gap,) = (gap for gap in found["differences"] if gap["metric"] == "recall@20")
    assert gap["row"] == "popularity"
    assert gap["low"] < gap["mean"] < gap["high"] < 0
    assert {s["group"] for s in found["slices"]} >= {"users 1-4", "tail items", "without image"}


def test_a_row_is_made_again_by_the_command_beside_it(magnet, folder, tmp_path):
    common = ["--data", folder, "--seeds", "1", "--json"]
    first = magnet(
        "ablate", *common, *QUICK, "--controls", "router of users,without image", "--store", tmp_path / "one"
    )
    rows = {row["label"]: row for row in json.loads(first.out)["rows"]}
    assert len(rows) == 9
    for label in ("magnet: global", "router of users: routed", "without image"):
        program, *words = shlex.split(rows[label]["command"])
        assert program == "magnet"
        again = figures(magnet(*words, "--store", tmp_path / "two", "--json"))
        shown = again.get(label, again.get(label.replace("router of users", "magnet")))
        assert shown == rows[label]["test"]["recall@20"]["seeds"]


def test_settings_belong_to_rows(magnet, folder, tmp_path):
    call = [
        "compare",
        "--data",
        folder,
        "--models",
        "ease,weak=ease",
        "--store",
        tmp_path / "store",
        "--json",
    ]
    found = figures(magnet(*call, "--set", "weak:regularization=1"))
    alone = ["compare", "--data", folder, "--models", "ease", "--store", tmp_path / "store", "--json"]
    assert figures(magnet(*alone, "--set", "regularization=1"))["ease"] == found["weak"] != found["ease"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--models", "magnt"], "no model 'magnt'; did you mean 'magnet'?"),
        (["--models", " , "], "name at least one model"),
        (["--models", "ease,ease"], "two rows are called 'ease'"),
        (
            ["--models", "ease,popularity", "--set", "regularization=1"],
            "of which model? Write NAME:KEY=VALUE",
        ),
        (
            ["--models", "ease", "--set", "eas:regularization=1"],
            "no row is called 'eas'; did you mean 'ease'?",
        ),
        (["--models", "ease", "--set", "regularisation=1"], "`magnet config ease` lists every setting"),
        (["--models", "ease", "--seeds", "0,x"], "expected different whole numbers"),
        (["--models", "ease", "--against", "eas"], "no model 'eas' is compared; did you mean 'ease'?"),
        (["--models", "ease", "--plot", "table.gif"], "expected a file that ends in .png, .svg or .pdf"),
        (["--models", "ease", "--protocol", "loose"], "--protocol"),
    ],
)
def test_a_wrong_command_line_ends_with_2_and_leaves_no_store(
    magnet, folder, tmp_path, words, said, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    answer = magnet("compare", "--data", folder, *words)
    assert (answer.code, answer.out) == (2, "")
    assert said in answer.err
    assert list(tmp_path.iterdir()) == []


def test_what_cannot_be_read_or_written_ends_with_1(magnet, folder, tmp_path):
    (tmp_path / "file").write_text("")
    for words, said in [
        (["--data", folder, "--store", tmp_path / "file" / "store"], "the store cannot be written"),
        (["--data", folder, "--store", folder], "not a store of experiments"),
        (["--data", tmp_path / "none", "--store", tmp_path / "store"], "no such folder"),
        (["--data", folder, "--markdown", tmp_path / "none" / "a.md"], "does not exist; make it first"),
    ]:
        answer = magnet("compare", *FAST, *words)
        assert (answer.code, answer.out) == (1, ""), words
        assert said in answer.err


def test_a_plot_without_matplotlib_is_refused_before_anything_is_run(magnet, folder, tmp_path, monkeypatch):
    from magnet.cli import study_options

    monkeypatch.setattr(study_options.importlib.util, "find_spec", lambda name: None)
    answer = magnet(
        "compare", "--data", folder, *FAST, "--store", tmp_path / "s", "--plot", tmp_path / "a.png"
    )
    assert answer.code == 1
    assert "magnet-rec[report]" in answer.err
    assert not (tmp_path / "s").exists()


def test_an_unknown_control_is_named(magnet, folder, tmp_path):
    answer = magnet("ablate", "--data", folder, "--controls", "dens", "--store", tmp_path / "store")
    assert answer.code == 2
    assert "no control 'dens'; did you mean 'dense'?" in answer.err


def until_second_run(running):
    lines = []
    for line in running.stderr:
        lines.append(line)
        if line.startswith("run 2 of 2"):
            return
    pytest.fail("".join(lines))


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_a_stopped_comparison_goes_on_without_a_repeated_run(process, magnet, folder, tmp_path, how):
    call = ["compare", "--data", folder, *SLOW, "--store", tmp_path / "store"]
    running = process(*call)
    until_second_run(running)
    running.send_signal(how)
    out, err = running.communicate(timeout=60)
    assert out == ""
    store = RunStore(tmp_path / "store")
    kept = store.keys
    assert len(kept) == 1
    if how == signal.SIGINT:
        assert running.returncode == 130
        assert f"interrupted; 1 of 2 runs are in {tmp_path / 'store'}, and the same command goes on" in err
        assert "Traceback" not in err
    stamp = (store.find(kept[0]).path / "facts.json").stat().st_mtime_ns
    answer = magnet(*call, "--json")
    assert answer.code == 0
    assert "1 of 2 runs are in the store already" in answer.err
    assert "run 1 of 2" not in answer.err
    assert (store.find(kept[0]).path / "facts.json").stat().st_mtime_ns == stamp
    whole = magnet("compare", "--data", folder, *SLOW, "--store", tmp_path / "whole", "--json")
    assert figures(answer) == figures(whole)


def test_two_processes_share_the_work(process, folder, tmp_path):
    call = ["compare", "--data", folder, *SLOW, "--store", tmp_path / "store", "--json"]
    both = [process(*call), process(*call)]
    said = [one.communicate(timeout=300) for one in both]
    assert [one.returncode for one in both] == [0, 0], said
    documents = [json.loads(out) for out, _ in said]
    assert documents[0] == documents[1]
    begun = [line.split(":")[1] for _, err in said for line in err.splitlines() if line.startswith("run ")]
    assert sorted(line.strip().split(";")[0] for line in begun) == [
        "lightgcn on tiny, seed 0",
        "other on tiny, seed 0",
    ]
