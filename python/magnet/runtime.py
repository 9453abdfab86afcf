"""Threads and versions of this process."""

from __future__ import annotations

import os
import platform

import numpy as np
import scipy
import torch

from magnet import _core
from magnet.errors import ConfigError

__all__ = ["num_threads", "set_num_threads", "versions"]


def set_num_threads(threads: int) -> None:
    """Use this many threads in Magnet's kernels and in torch.

    Raises:
        ConfigError: If ``threads`` is below 1.
    """
    if threads < 1:
        raise ConfigError(f"the number of threads must be at least 1, got {threads}")
    _core.set_num_threads(threads)
    torch.set_num_threads(threads)


def num_threads() -> int:
    """How many threads Magnet's kernels use."""
    return _core.num_threads()


def _threads_at_start() -> int:
    text = os.environ.get("MAGNET_NUM_THREADS")
    if text is None:
        if "LOCAL_WORLD_SIZE" in os.environ and "OMP_NUM_THREADS" not in os.environ:
            return max(1, (os.cpu_count() or 1) // max(1, int(os.environ["LOCAL_WORLD_SIZE"])))
        return torch.get_num_threads()
    if not text.isdigit() or int(text) < 1:
        raise ConfigError(f"MAGNET_NUM_THREADS must be a whole number of at least 1, got {text!r}")
    return int(text)


def versions() -> dict[str, str]:
    """The versions that a result depends on."""
    return {
        "magnet": _core.__version__,
        "python": platform.python_version(),
        "torch": str(torch.__version__),
        "numpy": np.__version__,
        "scipy": scipy.__version__,
    }


_core.set_num_threads(_threads_at_start())
