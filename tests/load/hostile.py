"""Every function of the extension with numbers that nobody means, in a process with little memory.

`python hostile.py` prints a line of JSON for each call: the function, what was put where, and how it ended. A call is
named before it begins, so that one that ends the process, or never returns, is known.
"""

from __future__ import annotations

import ast
import json
import resource
import signal
import sys
from pathlib import Path

import numpy as np

import magnet
from magnet import _core
from magnet.errors import InternalError, MagnetError

MEMORY = 2 << 30
SECONDS = 10
WHOLE = [-1, 0, 2**31 - 1, 2**31, 2**40, 2**53, 2**63 - 1, 2**64 - 1, 2**64]
REAL = [float("nan"), float("inf"), -float("inf"), -1.0, 0.0, 1e308, 5e-324]


def stub_functions():
    """The names of all functions that the stub declares."""
    tree = ast.parse((Path(magnet.__file__).parent / "_core.pyi").read_text(encoding="utf-8"))
    return [node.name for node in tree.body if isinstance(node, ast.FunctionDef)]


def calls():
    """Arguments that are right, by function: 6 users, 8 items, 20 pairs."""
    rng = np.random.default_rng(0)
    users, items = 6, 8
    indptr = np.array([0, 3, 6, 9, 12, 15, 18], np.int32)
    indices = np.concatenate([np.sort(rng.choice(items, 3, replace=False)) for _ in range(users)]).astype(
        np.int32
    )
    values = np.ones(18, np.float32)
    taken = (indptr, indices, values, items)
    ring = np.arange(items + 1, dtype=np.int32), np.roll(np.arange(items, dtype=np.int32), 1)
    square = (*ring, np.full(items, 0.5, np.float32), items)

    def normal(*shape):
        return rng.standard_normal(shape).astype(np.float32)

    rows = np.arange(users, dtype=np.int32)
    places = np.empty((users, 3), np.int32), np.empty((users, 3), np.float32)
    seen, square3 = (indptr, indices), square[:3]
    present = np.ones(items, bool)
    gate = normal(users, 4), normal(items, 4)
    roles = normal(4, 2)
    rank_args = (rows, seen, *places)
    long = np.arange(500, dtype=np.int32) % users, np.arange(500, dtype=np.int32) % items
    return {
        "num_threads": (),
        "simd_paths": (),
        "set_num_threads": (2,),
        "spmm": (indptr, indices, values, normal(items, 5), np.empty((users, 5), np.float32)),
        "propagate_mean": (*square3, normal(items, 5), 2, False, np.empty((items, 5), np.float32)),
        "sample_negatives": (indptr, indices, items, rows, 1, 2),
        "sample_shared": (10, items, 1, 2, np.arange(items, dtype=np.int32), np.ones(items)),
        "membership": (indptr, indices, items, rows, rows, np.empty((users, users), bool)),
        "rank_dots": (normal(users, 4), normal(items, 4), *rank_args),
        "rank_scores": (normal(users, items), *rank_args),
        "score_dots": (normal(users, 4), normal(items, 4), rows, rows, np.empty(users, np.float32)),
        "dot_rows": (normal(users, 4), normal(items, 4), rows, np.empty((users, items), np.float32)),
        "sparse_rows": (indptr, indices, values, *square3, np.empty((users, items), np.float32)),
        "blend_scores": (
            *(normal(users, items), normal(2, users, items), *gate, roles),
            *(0.5, 3, True, np.empty((users, items), np.float32)),
        ),
        "blend_pair": (normal(items), normal(2, items), normal(4), normal(4), roles, 0.5, 3, True, 1),
        "rank_blend": (
            *((normal(users, 4), normal(items, 4)), taken[:3], [square3, None], normal(1, users, items)),
            *(gate, (roles, 0.5, 3, True), *rank_args),
        ),
        "knn": (normal(items, 4), present, 3),
        "knn_approximate": (normal(90, 4), np.ones(90, bool), 3, 4, 2, 2, 50, 1),
        "interactions": (*long, users, items),
        "bipartite": (taken,),
        "similarity": (square,),
        "union_max": (taken, taken),
        "pseudo_edges": (taken, square, 2, 2, 0.5),
        "drop_edges": (taken, 5, True, 1),
        "k_core": (taken, 1, 1),
        "shared_users": (taken, square),
        "local_ridge": (taken, square, 1.0, 0.5, 4),
    }


def changed(thing, where=()):
    """``thing`` with one of its numbers replaced, again and again, and what was put where."""
    if isinstance(thing, int | float) and not isinstance(thing, bool):
        for number in WHOLE if isinstance(thing, int) else REAL:
            yield number, f"{'.'.join(map(str, where))} = {number}"
    elif isinstance(thing, tuple | list):
        for place, part in enumerate(thing):
            for other, what in changed(part, (*where, place)):
                yield type(thing)([*thing[:place], other, *thing[place + 1 :]]), what


def ending(name, args):
    """How a call ends, in a word: fine, or refused by an error of Python's or Magnet's; else the error itself."""
    try:
        getattr(_core, name)(*args)
    except InternalError as error:
        return f"InternalError: {error}"
    except (MagnetError, OverflowError, TypeError, MemoryError):
        return "refused"
    except BaseException as error:
        return f"{type(error).__name__}: {error}"
    return "fine"


def main(first=0):
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    _core.set_num_threads(2)
    for number, (name, args, what) in enumerate(cases()):
        if number < first:
            continue
        print(json.dumps([number, name, what]), flush=True)
        signal.alarm(SECONDS)
        print(json.dumps(ending(name, args)), flush=True)
        signal.alarm(0)


def cases():
    """All calls: the right ones first."""
    for name, args in calls().items():
        yield name, args, "nothing"
    for name, args in calls().items():
        if name != "set_num_threads":  # the test of threads asks for those
            for other, what in changed(args):
                yield name, other, what


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
