"""What `make bench-check` judges by."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
import torch

from magnet.runtime import num_threads, set_num_threads

BENCHES = Path(__file__).parents[3] / "benches"
sys.path.insert(0, str(BENCHES))

import rivals  # noqa: E402
from contests import baseline, propagation  # noqa: E402
from contests.race import Contest, Row  # noqa: E402
from contests.table import document, markdown  # noqa: E402


def row(rival, ratio):
    return Row("knn", "small", rival, ratio=ratio, low=ratio, high=ratio)


def test_a_ratio_that_fell_by_more_than_a_fifth_is_named():
    accepted = {row(rival, None).key: 2.0 for rival in "abc"}
    rows = [row("a", 1.59), row("b", 1.61), row("c", 9.0), row("new", 0.1), row("not installed", None)]
    assert baseline.compare(rows, accepted) == ["knn | small | a: 1.59 x, accepted was 2.00 x"]


def test_comparisons_that_were_not_made_are_named():
    accepted = {"knn | small | a": 2.0, "knn | small | b": 2.0, "ranking | small | a": 2.0}
    assert baseline.missing([row("a", 1.0), row("b", None)], accepted, ["knn"]) == ["knn | small | b"]


def test_what_is_accepted_replaces_the_same_comparison_only(tmp_path):
    path = tmp_path / "baseline.json"
    assert baseline.load(path, "avx2") == {}
    baseline.accept(path, "avx2", [row("a", 2.0), row("b", 3.0), row("not installed", None)])
    baseline.accept(path, "amx", [row("a", 8.0)])
    baseline.accept(path, "avx2", [row("a", 2.5)])
    assert baseline.load(path, "avx2") == {"knn | small | a": 2.5, "knn | small | b": 3.0}
    assert baseline.load(path, "amx") == {"knn | small | a": 8.0}


def test_a_race_takes_turns_and_knows_its_targets():
    order = []
    contest = Contest("avx2", threads=1, section="knn", rounds=1)
    contest.race(
        "small",
        lambda: order.append("magnet"),
        {"fast": lambda: order.append("fast")},
        slow={"slow": lambda: order.append("slow")},
        targets={"fast": {"avx2": (1e-9, 1e9), "amx": (5, 6)}},
    )
    assert order == [*["magnet", "fast", "fast", "magnet"] * 2, "magnet", "fast", "slow"]
    fast, slow = contest.rows
    assert (fast.must, fast.stretch, fast.verdict) == (1e-9, 1e9, "must")
    assert fast.low <= fast.high
    assert (slow.must, slow.verdict, slow.note) == (None, "", "timed once")


@pytest.mark.parametrize(("ratio", "verdict"), [(0.9, "missed"), (1.0, "must"), (2.0, "stretch"), (None, "")])
def test_verdicts(ratio, verdict):
    assert Row("s", "c", "r", ratio=ratio, must=1.0, stretch=2.0).verdict == verdict


def test_a_missing_rival_stands_in_the_table_with_what_to_do():
    contest = Contest("avx2", threads=1, section="knn")
    assert contest.optional("no_such_package", "small") is None
    facts = {"processor": "any"}
    text = markdown(facts, [*contest.rows, row("a", 2.0)])
    assert "| knn | small | no_such_package |" in text
    assert "--group rivals" in text
    assert "**2.00** (2.00 to 2.00)" in text
    read = json.loads(document(facts, contest.rows))
    assert read["machine"] == facts
    assert read["rows"][0]["ratio"] is None


@pytest.fixture
def command(monkeypatch):
    """The command line of the benches, in this process."""
    monkeypatch.setenv("OPENBLAS_CORETYPE", "")  # what it sets is taken back
    before = num_threads()

    def call(*arguments):
        monkeypatch.setattr(sys, "argv", ["rivals.py", *arguments])
        with torch.random.fork_rng(devices=[]):
            return rivals.main()

    yield call
    set_num_threads(before)


@pytest.mark.filterwarnings("ignore::UserWarning")  # torch calls its sparse matrices a beta
def test_a_tiny_race_runs_from_the_command_line(command, monkeypatch, capsys, tmp_path):
    monkeypatch.setattr(propagation, "SIZES", ((2000, 700, 16_000), (4000, 1400, 32_000)))
    quick = ["propagation", "--quick", "--rounds", "1", "--threads", "1", "--out", str(tmp_path)]
    assert command(*quick) == 0
    printed = capsys.readouterr().out
    assert "| propagation | one product, 1,600 pairs | torch CSR int32 |" in printed
    assert (tmp_path / "rivals.md").read_text() == printed
    rows = json.loads((tmp_path / "rivals.json").read_text())["rows"]
    assert {row["case"] for row in rows} >= {"one product, 1,600 pairs", "one product, 3,200 pairs"}
    assert all(row["ratio"] > 0 for row in rows)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [(["nothing"], "no section 'nothing'"), (["knn", "--quick", "--check"], "not --quick")],
)
def test_what_the_command_line_refuses(command, capsys, arguments, message):
    with pytest.raises(SystemExit) as ended:
        command(*arguments)
    assert ended.value.code == 2
    assert message in capsys.readouterr().err
