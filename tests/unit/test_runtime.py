"""What a process decides once: its threads, and how those of torch wait. Each interpreter answers several questions."""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
import warnings
from pathlib import Path

import pytest

import magnet
from magnet.errors import ConfigError
from magnet.runtime import num_threads, set_num_threads

ENVIRONMENT = {"PYTHONPATH": str(Path(magnet.__file__).parents[1]), "PATH": "/usr/bin:/bin"}
QUESTIONS = """
import json, os, sys
sys.argv = ["magnet", "--version"]
from magnet.cli import main
try:
    main()
except SystemExit:
    pass

import numpy as np, torch  # torch's thread library reads the environment now
from scipy.sparse import eye_array
import magnet
from magnet.nn.propagate import Graph, propagate_mean
from magnet.runtime import num_threads
graph = Graph.from_csr(eye_array(5000, format="csr", dtype=np.float32), symmetric=True)
x = torch.ones(5000, 64)
def right():  # by NumPy: torch's own threads do not outlive a fork
    return np.array_equal(propagate_mean(graph, x, 2).numpy(), x.numpy())
def used():
    assert right()
    return num_threads()

torch.set_num_threads(2)
threads = [used()]
torch.set_num_threads(3)
threads.append(used())
magnet.set_num_threads(4)
torch.set_num_threads(2)
threads.append(used())

child = os.fork()
if child == 0:
    os._exit(0 if right() else 1)
child = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
print(json.dumps({"threads": threads, "child": child}))
"""


def _ask(**environment: str) -> tuple[dict, str]:
    """Answers, and what torch's thread library wrote about its settings."""
    done = subprocess.run(
        [sys.executable, "-c", QUESTIONS],
        env=ENVIRONMENT | {"OMP_DISPLAY_ENV": "TRUE"} | environment,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1]), done.stderr


@pytest.fixture(scope="module")
def untold():
    return _ask()


@pytest.fixture(scope="module")
def told():
    return _ask(MAGNET_NUM_THREADS="5", OMP_WAIT_POLICY="ACTIVE")


def test_threads_follow_torch_until_a_number_is_named(untold, told):
    assert untold[0]["threads"] == [2, 3, 4]
    assert told[0]["threads"] == [5, 5, 4]


def test_a_forked_child_propagates_with_threads_of_its_own(untold, told):
    assert untold[0]["child"] == told[0]["child"] == 0


@pytest.mark.skipif(sys.platform != "linux", reason="torch brings libgomp on Linux alone")
def test_the_threads_of_torch_sleep_below_the_command_unless_told_otherwise(untold, told):
    assert "OMP_WAIT_POLICY = 'PASSIVE'" in untold[1]
    assert "OMP_WAIT_POLICY = 'ACTIVE'" in told[1]


@pytest.mark.parametrize("threads", [-1, 0, 4097, 2**31, 2**70])
def test_a_number_of_threads_that_no_machine_has_is_refused(threads):
    before = num_threads()
    with pytest.raises(ConfigError, match=f"number of threads must be from 1 to 4096, got {threads}"):
        set_num_threads(threads)
    assert num_threads() == before


@pytest.mark.parametrize(
    ("environment", "policy"),
    [({}, "PASSIVE"), ({"OMP_WAIT_POLICY": "ACTIVE"}, "ACTIVE"), ({"GOMP_SPINCOUNT": "100"}, None)],
)
def test_the_command_decides_how_threads_wait_only_where_the_environment_does_not(
    environment, policy, monkeypatch
):
    for name in ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT"):
        monkeypatch.setenv(name, "")  # remembered, and taken back afterwards
        monkeypatch.delenv(name)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    command = importlib.import_module("magnet.cli.verbs")
    monkeypatch.setattr(warnings, "showwarning", warnings.showwarning)  # main sets its own
    monkeypatch.setattr(command, "app", lambda prog_name: None)
    command.run()
    assert os.environ.get("OMP_WAIT_POLICY") == policy
