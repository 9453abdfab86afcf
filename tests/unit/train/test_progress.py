"""What is shown of a training: a bar that fits 80 columns, plain lines, and the standard library's logger."""

from __future__ import annotations

import io
import logging
import re

import pytest
from rich.console import Console

import magnet
from magnet.evaluate.target import USUAL
from magnet.train.log import LOGGER, EpochLogger
from magnet.train.progress import Reporter


def record(epoch, **more):
    return {
        "stage": "specialisation",
        "epoch": epoch,
        "phase_epochs": 400 * (epoch + 1),
        "phase_limit": 1200,
        "terms": {"loss": 0.6931, "ranking": 0.6931, "coverage": 0.0127, "z": 0.0038},
        "seconds": 1.0,
        **more,
    }


def screen(width):
    return Console(
        file=io.StringIO(),
        force_terminal=True,
        width=width,
        height=20,
        color_system=None,
        legacy_windows=False,
    )


def lines(console):
    """What stood on the terminal, without what moves the cursor."""
    text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", console.file.getvalue())
    return [line for line in re.split(r"[\r\n]+", text) if line.strip()]


@pytest.mark.parametrize(
    ("width", "name"), [(80, "magnet"), (80, "implicit-als-of-a-shop"), (60, "magnet"), (200, "magnet")]
)
def test_the_bar_keeps_its_bar_and_the_time_left(width, name):
    console = screen(width)
    with Reporter(name, console) as reporter:
        for epoch in range(3):
            reporter(record(epoch, valid={USUAL.metric: 0.4321}))
            reporter._progress.refresh()
    bars = [line for line in lines(console) if "/1200" in line]
    assert bars
    for bar in bars:
        assert len(bar.rstrip()) <= width
        assert "━" in bar or "╺" in bar
        assert "at most" in bar
        assert re.search(r"\d:\d\d:\d\d|-:--:--", bar)
    assert "specialisation" in bars[-1] or width < 80
    assert "R@20 0.4321" in bars[-1] or width < 80 or len(name) > 10


def test_a_file_gets_plain_lines():
    console = Console(file=io.StringIO(), width=80)
    with Reporter("magnet", console) as reporter:
        reporter(record(0, valid={USUAL.metric: 0.25}))
        reporter(record(1))  # neither better, new, nor late
    assert console.file.getvalue().count("\n") == 1
    assert "magnet epoch 0: specialisation" in console.file.getvalue()


def test_epochs_are_logged_where_something_happened(caplog):
    log = EpochLogger("magnet", USUAL)
    with caplog.at_level(logging.DEBUG, logger="magnet"):
        log(record(0))
        log(record(1))
        log(record(2, valid={USUAL.metric: 0.5}))
        log(record(3, fired_by="criterion"))
    levels = [entry.levelname for entry in caplog.records]
    assert levels == ["INFO", "DEBUG", "INFO", "INFO"]
    assert "valid R@20 0.5000" in caplog.records[2].getMessage()
    assert LOGGER.name == "magnet"
    assert LOGGER.handlers == []


def test_a_fit_tells_the_logger_also_when_nothing_is_shown(tiny, caplog, capsys):
    model = magnet.LightGCN(dim=4, train={"epochs": 2})
    with caplog.at_level(logging.INFO, logger="magnet"):
        model.fit(tiny.dataset, progress=False)
    said = [entry.getMessage() for entry in caplog.records if entry.name == "magnet"]
    assert said[-1] == f"lightgcn: fitted, {model.contents.summary()}"
    assert any(line.startswith("lightgcn epoch 0: training") for line in said)
    assert any("240 users" in line for line in said)
    assert capsys.readouterr() == ("", "")
