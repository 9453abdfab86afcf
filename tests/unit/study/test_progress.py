"""A study's bar within 80 columns."""

from __future__ import annotations

import io
import re
from types import SimpleNamespace

import pytest
from rich.console import Console

from magnet.evaluate.metrics import TARGET
from magnet.study.progress import StudyProgress

TITLE = "MAGNET without its router on baby-large, seed"


def study(width, known):
    runs = [SimpleNamespace(key=str(n), kind=f"k{n}", title=f"{TITLE} {n}") for n in range(3)]
    console = Console(file=io.StringIO(), force_terminal=True, width=width, height=20, color_system=None)
    shown = StudyProgress(runs, stored=2, known=known, console=console)
    with shown:
        shown.begin(runs[0])
        shown.epoch({"stage": "specialisation", "epoch": 120, "valid": {TARGET: 0.4321}})
        shown._bar.refresh()
    text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", console.file.getvalue())
    return [line.rstrip() for line in re.split(r"[\r\n]+", text) if line.strip() and "2/5" in line]


@pytest.mark.parametrize(
    ("known", "left"),
    [
        ({}, "3 runs left"),
        ({"k1": [5000.0], "k0": [400.0]}, "+ 1 run left"),
        ({"k0": [10.0], "k1": [1000.0], "k2": [8000.0]}, "h 30 min left"),
    ],
)
def test_bar_and_time_left_stay_at_80_columns(known, left):
    bars = study(80, known)
    assert bars
    for bar in bars:
        assert len(bar) <= 80
        assert "━" in bar
        assert bar.endswith("left")
    assert left in bars[-1]
    assert "MAGNET" in bars[-1]
    assert "R@20 0.4321" in study(160, known)[-1]
