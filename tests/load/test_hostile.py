"""The native boundary under numbers that nobody means: no panic, no abort, no call that never returns."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from load import hostile

SCRIPT = Path(hostile.__file__)


def endings():
    """How each call ended; a process that dies, or is ended by its alarm, is followed by one that goes on after it."""
    found, first = [], 0
    while True:
        done = subprocess.run(
            [sys.executable, str(SCRIPT), str(first)], capture_output=True, text=True, timeout=100
        )
        lines = [json.loads(line) for line in done.stdout.splitlines()]
        found += list(zip(lines[::2], lines[1::2], strict=False))
        if len(lines) % 2 == 0:
            assert done.returncode == 0, done.stderr
            return found
        found.append((lines[-1], f"the process ended with {done.returncode}: {done.stderr[-300:]}"))
        first = lines[-1][0] + 1


def test_every_function_of_the_stub_is_called_and_each_call_answered():
    assert sorted(hostile.calls()) == sorted(hostile.stub_functions())
    found = endings()
    assert len(found) == len(list(hostile.cases())) > 400
    assert [one for one in found if one[1] not in ("fine", "refused")] == []
    right = [(name, ending) for (_, name, what), ending in found if what == "nothing"]
    assert right == [(name, "fine") for name in hostile.calls()]
    # Numbers are changed in earnest: most of them are refused.
    assert sum(ending == "refused" for _, ending in found) > len(found) / 3
