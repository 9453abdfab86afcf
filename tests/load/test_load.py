"""Kernels under conditions that are not nice: few and many threads, forks, a contended lock, interrupts."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from load.kernels import KERNELS, bits, everything
from magnet.runtime import num_threads, set_num_threads

SCRIPT = Path(__file__).with_name("kernels.py")


@pytest.fixture(scope="module")
def expected():
    before = num_threads()
    set_num_threads(1)
    yield everything()
    set_num_threads(before)


@pytest.mark.parametrize("threads", [2, 3, 7])
def test_the_number_of_threads_changes_no_bit(threads, expected):
    set_num_threads(threads)
    assert differing(everything(), expected) == []


CHILD = """
import hashlib, json, os, signal, sys
sys.path.insert(0, {tests!r})
from load.kernels import everything
def digest():
    return {{name: hashlib.sha256(found).hexdigest() for name, found in everything().items()}}
{body}
"""
ALONE = "print(json.dumps(digest()))"
FORKED = """
before = digest()
child = os.fork()
if child == 0:
    signal.alarm(60)  # a pool without threads would wait for ever
    os._exit(0 if digest() == before else 1)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
assert digest() == before
print(json.dumps(before))
"""


@pytest.mark.parametrize(
    ("body", "environment"),
    [
        (ALONE, {"OMP_NUM_THREADS": "1"}),
        (ALONE, {"MAGNET_SIMD": "portable"}),
        (FORKED, {}),
    ],
    ids=["OMP_NUM_THREADS=1", "plain Rust", "after a fork"],
)
def test_a_process_of_its_own_gives_the_same_bits(body, environment, expected, monkeypatch):
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    code = CHILD.format(tests=str(SCRIPT.parents[1]), body=body)
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert differing(found, {n: hashlib.sha256(b).hexdigest() for n, b in expected.items()}) == []


def test_kernels_called_from_many_threads_under_a_contended_lock(expected):
    set_num_threads(2)
    stop = threading.Event()

    def spin():
        while not stop.is_set():
            sum(range(200))

    spinners = [threading.Thread(target=spin) for _ in range(3)]
    for spinner in spinners:
        spinner.start()
    try:
        with ThreadPoolExecutor(4) as callers:
            work = {name: make(3) for name, (make, _) in KERNELS.items()}
            answers = [(name, callers.submit(run)) for _ in range(2) for name, run in work.items()]
            assert [name for name, answer in answers if bits(answer.result()) != expected[name]] == []
    finally:
        stop.set()
        for spinner in spinners:
            spinner.join()


def test_every_kernel_answers_an_interrupt_at_once():
    # Beside other work a process waits for its turn, up to a second; then what all its threads do until it answers must
    # fit in the limit instead.
    busy = os.getloadavg()[0] >= (os.cpu_count() or 1)
    process = subprocess.Popen([sys.executable, str(SCRIPT)], stdout=subprocess.PIPE, text=True)
    took = {}
    try:
        for name in KERNELS:
            assert process.stdout.readline() == f"ready {name}\n"
            time.sleep(0.4)
            start, used = time.monotonic(), cpu_seconds(process.pid)
            process.send_signal(signal.SIGINT)
            assert process.stdout.readline() == "interrupted\n"
            clock = time.monotonic() - start
            took[name] = cpu_seconds(process.pid) - used if busy and clock <= 1 else clock
        assert process.wait(timeout=20) == 0
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
    assert {name: round(seconds, 2) for name, seconds in took.items() if seconds > 0.3} == {}


def cpu_seconds(pid):
    """What a process has used so far, all its threads together."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def differing(found, expected):
    return [name for name in expected if found[name] != expected[name]]
