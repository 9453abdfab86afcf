"""What crosses between Python and Rust: no copies, no lock held, interrupts heard, forks survived."""

import os
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
import torch

from magnet import _core
from magnet.graph import arrays, knn, knn_graph
from magnet.graph.arrays import to_rust
from support.graph_data import features


def test_what_rust_gives_is_what_torch_gets(monkeypatch):
    given = []

    def remember(triple, shape):
        given.append(triple)
        return arrays.from_rust(triple, shape)

    monkeypatch.setattr(knn, "from_rust", remember)
    graph = knn_graph(features("gaussian", 50, 4, seed=0), 3)
    ((indptr, indices, values),) = given
    for array, mine in [(indptr, graph.indptr), (indices, graph.indices), (values, graph.data)]:
        address = array.__array_interface__["data"][0]
        assert mine.__array_interface__["data"][0] == address
        assert torch.from_numpy(mine).data_ptr() == address


def test_what_rust_takes_is_what_scipy_holds():
    graph = knn_graph(features("gaussian", 50, 4, seed=0), 3)
    indptr, indices, values, n_cols = to_rust(graph, "graph")
    assert n_cols == 50
    for array, mine in [(indptr, graph.indptr), (indices, graph.indices), (values, graph.data)]:
        assert array.__array_interface__["data"][0] == mine.__array_interface__["data"][0]


def test_arrays_that_would_need_a_copy_are_refused():
    x = features("gaussian", 20, 8, seed=0)
    present = np.ones(20, dtype=bool)
    with pytest.raises(ValueError, match="contiguous"):
        _core.knn(x[:, ::2], present, 1)
    with pytest.raises(ValueError, match="present must be contiguous"):
        _core.knn(x, np.ones(40, dtype=bool)[::2], 1)
    with pytest.raises(TypeError):
        _core.knn(x.astype(np.float64), present, 1)


def test_a_huge_read_only_input_is_read_where_it_lies(tmp_path):
    # Half a million rows of 4 KiB, 2 GiB in a sparse file. All but two rows are absent and never touched.
    n, width = 500_000, 1024
    path = tmp_path / "features"
    with path.open("wb") as file:
        file.truncate(4 * n * width)
    writable = np.memmap(path, np.float32, "r+", shape=(n, width))
    writable[[3, n - 1], 0] = 1
    present = np.zeros(n, dtype=bool)
    present[[3, n - 1]] = True
    x = np.memmap(path, np.float32, "r", shape=(n, width))
    before = resident()
    graph = knn_graph(x, 5, present=present)
    assert resident() - before < 100e6
    assert not x.flags.writeable
    assert graph.indices.tolist() == [n - 1, 3]


def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def test_python_runs_on_while_a_kernel_works():
    x = features("gaussian", 6000, 200, seed=0)
    work = threading.Thread(target=knn_graph, args=(x, 10))
    turns = 0
    work.start()
    while work.is_alive():
        time.sleep(0.002)
        turns += 1
    # With the lock held this thread would not get a turn before the end.
    assert turns > 5


LONG = """
import numpy as np
from magnet.graph import knn_graph
x = np.random.default_rng(0).standard_normal((60_000, 512), dtype=np.float32)
print("ready", flush=True)
try:
    knn_graph(x, 10)
except KeyboardInterrupt:
    print("interrupted", flush=True)
"""


def test_an_interrupt_stops_a_long_kernel():
    process = subprocess.Popen([sys.executable, "-c", LONG], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout.readline() == "ready\n"
        time.sleep(0.5)
        start = time.monotonic()
        process.send_signal(signal.SIGINT)
        assert process.stdout.readline() == "interrupted\n"
        # The whole graph would take the best part of a minute.
        assert time.monotonic() - start < 3
        assert process.wait(timeout=20) == 0
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


FORK = """
import os, signal
import numpy as np
from magnet.graph import knn_graph
x = np.random.default_rng(0).standard_normal((500, 16), dtype=np.float32)
before = knn_graph(x, 5)
child = os.fork()
if child == 0:
    signal.alarm(10)  # a pool without threads would hang
    after = knn_graph(x, 5)
    os._exit(0 if (before != after).nnz == 0 else 1)
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


def test_a_child_after_a_fork_has_threads_of_its_own():
    # A process of its own: newer Pythons warn of forks beside threads, and torch has started some here.
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", FORK], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout == "0\n"
