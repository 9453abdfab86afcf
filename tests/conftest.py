"""What every test may use."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
import torch
from hypothesis import settings

from magnet import _core
from magnet.synthetic.generator import Synthetic, generate

# Tests work on tiny data, where a second thread of torch costs more than it brings; who needs threads sets them.
torch.set_num_threads(1)

# A shell starts what runs in the background with Ctrl-C ignored, and so would be the processes that tests interrupt.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

settings.register_profile("fast", max_examples=30, deadline=None, database=None, derandomize=True)
settings.register_profile("slow", max_examples=1000, deadline=None, database=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "fast"))


def pytest_terminal_summary(terminalreporter):
    """Say which instruction paths the kernels could be tested on: the others ran only as plain Rust."""
    paths = _core.simd_paths()
    ran = ", ".join(name for name, here in paths if here)
    missing = ", ".join(name for name, here in paths if not here)
    terminalreporter.write_line(f"instruction paths tested: {ran}; not on this machine: {missing or 'none'}")


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real data sets, which is not part of the project."""
    beside = Path(__file__).resolve().parents[2] / "shared" / "data"
    folder = Path(os.environ.get("MAGNET_DATA", beside))
    if not folder.is_dir():
        pytest.skip(f"no real data: {folder} is not there, and MAGNET_DATA names no other folder")
    return folder


@pytest.fixture(scope="session")
def tiny() -> Synthetic:
    """Generated data with 240 users and 160 items, and the truth behind it."""
    return generate("tiny", seed=0)
