"""The command itself: help without torch, version, exit codes, what is said where."""

from __future__ import annotations

import json
import re
from typing import get_args

import pytest

import magnet as package
from magnet.choices import Difficulty, HeldOut, ListFormat, Protocol, Size, Unknown
from magnet.cli import demo


def test_the_version_is_the_packages(magnet):
    answer = magnet("--version")
    assert (answer.code, answer.out) == (0, f"magnet {package.__version__}\n")


def test_every_verb_has_a_help_and_takes_json(magnet):
    verbs = [
        [v] for v in ("train", "evaluate", "recommend", "explain", "compare", "ablate", "doctor", "demo")
    ]
    verbs += [["data", v] for v in ("describe", "check", "synthetic")]
    verbs += [["bench", "step"], ["config"]]
    for verb in verbs:
        answer = magnet(*verb, "--help")
        assert answer.code == 0
        assert "--json" in answer.out, verb


@pytest.mark.parametrize(
    "arguments",
    [
        ["fly"],
        ["train"],
        ["train", "--data", "x", "--model", "ease", "--out", "y", "--protocol", "loose"],
        ["train", "--data", "x", "--model", "ease", "--out", "y", "--seed", "-1"],
        ["train", "--data", "x", "--model", "ease", "--out", "y", "--threads", "0"],
        ["train", "--data", "x", "--model", "ease", "--out", "y", "--resume", "--overwrite"],
        ["evaluate", "run", "--part", "train"],
        ["recommend", "run"],
        ["recommend", "run", "--users", "a", "--format", "xlsx"],
        ["recommend", "run", "--users", "a", "--format", "parquet"],
        ["recommend", "run", "--users", "a", "--format", "csv", "--json"],
        ["explain", "run", "--user", "a"],
        ["explain", "run", "--png", "plot.pdf"],
        ["data", "synthetic", "--out", "x", "--size", "huge"],
    ],
)
def test_a_wrong_command_line_ends_with_2_and_prints_nothing_to_read(magnet, arguments):
    answer = magnet(*arguments)
    assert answer.code == 2
    assert answer.out == ""
    assert answer.err


def test_a_bug_keeps_its_traceback(magnet, monkeypatch):
    def broken(**_):
        raise ZeroDivisionError

    monkeypatch.setattr("magnet.synthetic.generator.generate", lambda *_, **__: broken())
    with pytest.raises(ZeroDivisionError):
        magnet("data", "synthetic", "--out", "nowhere")


def test_doctor_finds_a_working_machine(magnet):
    answer = magnet("doctor", "--json")
    found = json.loads(answer.out)
    assert answer.code == 0
    assert found["healthy"]
    assert found["versions"]["magnet"] == package.__version__
    assert {check["name"] for check in found["checks"]} >= {"ranking kernel", "neighbour kernel"}
    assert "ranking kernel" in magnet("doctor").out


def test_doctor_ends_with_1_when_something_is_broken(magnet, monkeypatch, tmp_path):
    blocked = tmp_path / "file"
    blocked.write_text("")
    monkeypatch.setenv("MAGNET_CACHE", str(blocked / "cache"))
    answer = magnet("doctor", "--json")
    failed = [check["name"] for check in json.loads(answer.out)["checks"] if not check["ok"]]
    assert (answer.code, failed) == (1, ["graph cache is writable"])


def test_the_demo_needs_matplotlib_and_says_so_before_it_starts(magnet, monkeypatch, tmp_path):
    monkeypatch.setattr(demo.importlib.util, "find_spec", lambda name: None)
    answer = magnet("demo", "--out", tmp_path / "demo")
    assert answer.code == 1
    assert "magnet-rec[report]" in answer.err
    assert not (tmp_path / "demo").exists()


def test_doctor_tries_the_folder_that_graphs_are_kept_in(magnet, monkeypatch, tmp_path):
    monkeypatch.delenv("MAGNET_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert magnet("doctor", "--json").code == 0
    assert [folder.name for folder in tmp_path.iterdir()] == ["magnet"]


@pytest.mark.parametrize(
    ("verb", "option", "choices"),
    [
        (["train"], "--protocol", Protocol),
        (["evaluate"], "--protocol", Protocol),
        (["evaluate"], "--part", HeldOut),
        (["recommend"], "--unknown", Unknown),
        (["recommend"], "--format", ListFormat),
        (["data", "synthetic"], "--size", Size),
        (["data", "synthetic"], "--difficulty", Difficulty),
    ],
)
def test_choices_are_those_of_the_code(magnet, verb, option, choices):
    answer = magnet(*verb, option, "other")
    assert answer.code == 2
    named = answer.err[answer.err.index("is not one of") :]
    assert tuple(re.findall(r"'(\w+)'", named)) == get_args(choices)
