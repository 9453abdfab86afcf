"""Peak memory, measured in a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

PRELUDE = """
import json, sys
import numpy as np
sys.path.insert(0, {benches!r})
from contests.inputs import features, pairs
from magnet import graph

def resident(name):
    with open("/proc/self/status") as file:
        return next(1024 * int(line.split()[1]) for line in file if line.startswith(name))

def forget_peak():
    with open("/proc/self/clear_refs", "w") as file:
        file.write("5")
"""

KNN = """
graph.knn_graph(features(200, 64), 10)  # threads and tables that exist anyway
x = features({n}, {width})
forget_peak()
before = resident("VmRSS")
found = graph.{function}(x, 10)
print(json.dumps((resident("VmHWM") - before) / x.nbytes))
"""

ADJACENCY = """
rng = np.random.default_rng(0)
users, items = np.empty({n}, np.int32), np.empty({n}, np.int32)
for start in range(0, {n}, 10_000_000):  # so that making the pairs needs no more than the pairs
    stop = min({n}, start + 10_000_000)
    users[start:stop], items[start:stop] = pairs({n_users}, {n_items}, stop - start, seed=start)
forget_peak()
import time
start = time.perf_counter()
taken = graph.interactions(users, items, ({n_users}, {n_items}))
del users, items
adjacency = graph.bipartite(taken)
print(json.dumps([time.perf_counter() - start, resident("VmHWM"), adjacency.nnz]))
"""


RIDGE = """
taken = graph.interactions(*pairs({n_users}, {n_items}, {n}), ({n_users}, {n_items}))
forget_peak()
import time
start = time.perf_counter()
weights = graph.local_ridge(taken, ridge=100.0, support={support})
print(json.dumps([time.perf_counter() - start, resident("VmHWM"), weights.nnz]))
"""


def extra_of_knn(n: int, width: int, function: str = "knn_graph") -> float:
    """Peak memory beyond what was there before, as a multiple of the features."""
    return float(_measure(KNN.format(n=n, width=width, function=function)))


def adjacency(n_users: int, n_items: int, n: int) -> tuple[float, float, int]:
    """Seconds, peak bytes of the whole process, and entries, for pairs to normalised adjacency."""
    seconds, peak, entries = _measure(ADJACENCY.format(n=n, n_users=n_users, n_items=n_items))
    return seconds, peak, entries


def local_ridge(n_users: int, n_items: int, n: int, support: int) -> tuple[float, float, int]:
    """Seconds, peak bytes of the whole process, and entries, for interactions to weights."""
    body = RIDGE.format(n=n, n_users=n_users, n_items=n_items, support=support)
    seconds, peak, entries = _measure(body)
    return seconds, peak, entries


def _measure(body: str) -> object:
    code = PRELUDE.format(benches=str(Path(__file__).parents[1])) + body
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    return json.loads(done.stdout)
