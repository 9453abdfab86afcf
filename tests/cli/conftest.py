"""A command line to call, data to call it on, and a small run of each kind."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING, NamedTuple

import pytest
import torch
from typer.testing import CliRunner

from magnet.cli import app
from magnet.synthetic.generator import generate
from magnet.synthetic.write import write_folder

if TYPE_CHECKING:
    from pathlib import Path

# Two epochs of each phase: enough for every file to be there.
QUICK = [
    *("--set", "dim=8", "--set", "train.epochs=2", "--set", "train.batch_size=512"),
    *("--set", "controller.cap=2", "--set", "controller.ramp=1"),
    *("--set", "mixing.global_steps=2", "--set", "mixing.steps=4", "--set", "mixing.top=20"),
    *("--set", 'mixing.behaviour=[{"kind": "filter"}]', "--set", 'mixing.content=[{"kind": "item-knn"}]'),
]


class Answer(NamedTuple):
    code: int
    out: str
    err: str


@pytest.fixture(autouse=True, scope="session")
def one_thread():
    """Tests run beside each other; small products gain nothing from threads."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(autouse=True, scope="session")
def own_cache(tmp_path_factory):
    before = os.environ.get("MAGNET_CACHE")
    os.environ["MAGNET_CACHE"] = str(tmp_path_factory.mktemp("cache"))
    yield
    os.environ.pop("MAGNET_CACHE")
    if before is not None:
        os.environ["MAGNET_CACHE"] = before


@pytest.fixture(scope="session")
def magnet():
    """Run the command in this process; an exception that is not turned into a message fails the test."""
    runner = CliRunner()

    def call(*arguments: object) -> Answer:
        result = runner.invoke(app, [str(argument) for argument in arguments], catch_exceptions=False)
        return Answer(result.exit_code, result.stdout, result.stderr)

    return call


@pytest.fixture(scope="session")
def process():
    """Run the command in a process of its own."""

    def start(*arguments: object, **options: object) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-c", "from magnet.cli import main; main()", *map(str, arguments)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "OMP_NUM_THREADS": "1", "COLUMNS": "200"},
            **options,
        )

    return start


@pytest.fixture(scope="session")
def folder(tmp_path_factory) -> Path:
    """Generated data, never changed."""
    return write_folder(generate("tiny"), tmp_path_factory.mktemp("data") / "tiny")


@pytest.fixture(scope="session")
def ease_run(tmp_path_factory, magnet, folder) -> Path:
    """A finished run of EASE; tests that change it copy it first."""
    run = tmp_path_factory.mktemp("runs") / "ease"
    answer = magnet("train", "--data", folder, "--model", "ease", "--set", "regularization=20", "--out", run)
    assert answer.code == 0, answer.err
    return run


@pytest.fixture(scope="session")
def magnet_run(tmp_path_factory, magnet, folder) -> Path:
    """A finished run of MAGNET; tests that change it copy it first."""
    run = tmp_path_factory.mktemp("runs") / "magnet"
    answer = magnet("train", "--data", folder, "--model", "magnet", *QUICK, "--out", run)
    assert answer.code == 0, answer.err
    return run
