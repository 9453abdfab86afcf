"""What `make bench-check` judges by."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

BENCHES = Path(__file__).parents[3] / "benches"
sys.path.insert(0, str(BENCHES))

from contests import baseline  # noqa: E402
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


def test_a_tiny_race_runs_from_the_command_line_and_an_unknown_one_is_refused():
    command = [sys.executable, "-W", "ignore", str(BENCHES / "rivals.py")]
    done = subprocess.run([*command, "nothing"], capture_output=True, text=True)
    assert done.returncode == 2
    assert "no section 'nothing'" in done.stderr
    quick = [*command, "propagation", "--quick", "--rounds", "1", "--threads", "1"]
    done = subprocess.run(quick, capture_output=True, text=True, check=True)
    assert "| propagation | one product, 16,000 pairs | torch CSR int32 |" in done.stdout
