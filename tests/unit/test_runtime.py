from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import magnet

ENVIRONMENT = {"PYTHONPATH": str(Path(magnet.__file__).parents[1]), "PATH": "/usr/bin:/bin"}


def _run(code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code],
        env=ENVIRONMENT | environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )


CHANGES = """
import numpy as np, torch
from scipy.sparse import eye_array
import magnet
from magnet.nn.propagate import Graph, multiply
from magnet.runtime import num_threads
graph = Graph.from_csr(eye_array(3, format="csr", dtype=np.float32), symmetric=True)
def used():
    multiply(graph, torch.ones(3, 1))
    return num_threads()
torch.set_num_threads(2)
seen = [used()]
torch.set_num_threads(3)
seen.append(used())
magnet.set_num_threads(4)
torch.set_num_threads(2)
seen.append(used())
print(*seen)
"""


@pytest.mark.parametrize(("environment", "seen"), [({}, "2 3 4"), ({"MAGNET_NUM_THREADS": "5"}, "5 5 4")])
def test_threads_follow_torch_until_a_number_is_named(environment, seen):
    assert _run(CHANGES, **environment).stdout.split() == seen.split()


FORK = """
import os, numpy as np, torch
from scipy.sparse import eye_array
from magnet.nn.propagate import Graph, propagate_mean
graph = Graph.from_csr(eye_array(5000, format="csr", dtype=np.float32), symmetric=True)
x = torch.ones(5000, 64)
def right():  # by NumPy: torch's own threads do not outlive a fork
    return np.array_equal(propagate_mean(graph, x, 2).numpy(), x.numpy())
assert right()
child = os.fork()
if child == 0:
    os._exit(0 if right() else 1)
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


def test_a_forked_child_propagates_with_threads_of_its_own():
    assert _run(FORK, MAGNET_NUM_THREADS="2").stdout.strip() == "0"


# The line of OMP_DISPLAY_ENV is written by torch's own thread library when it is loaded.
@pytest.mark.skipif(sys.platform != "linux", reason="torch brings libgomp on Linux alone")
@pytest.mark.parametrize(
    ("environment", "policy"),
    [({}, "PASSIVE"), ({"OMP_WAIT_POLICY": "ACTIVE"}, "ACTIVE"), ({"GOMP_SPINCOUNT": "100"}, None)],
)
def test_the_command_lets_the_threads_of_torch_sleep_unless_told_otherwise(environment, policy):
    code = "import os, sys; sys.argv = ['magnet', '--version']; from magnet.cli import main\n"
    code += "try: main()\nexcept SystemExit: import torch; print(os.environ.get('OMP_WAIT_POLICY'))"
    done = _run(code, OMP_DISPLAY_ENV="TRUE", **environment)
    assert done.stdout.split()[-1] == str(policy)
    if policy is not None:
        assert f"OMP_WAIT_POLICY = '{policy}'" in done.stderr
