"""Threads and versions of this process.

torch's threads (libgomp's) spin for a while after each of torch's operations and then keep Magnet's, or another
process's, off the CPU. With ``OMP_WAIT_POLICY=PASSIVE`` in the environment before torch is imported they sleep instead;
the command ``magnet`` sets it unless ``OMP_WAIT_POLICY`` or ``GOMP_SPINCOUNT`` is set.
"""

from __future__ import annotations

import os
import platform

import numpy as np
import scipy
import torch

from magnet import _core
from magnet.errors import ConfigError

__all__ = ["follow_torch", "num_threads", "set_num_threads", "versions"]

_MOST_THREADS = 4096

# Whether somebody named a number of threads for Magnet; otherwise it has as many as torch.
_chosen = False
# The number last taken over from torch. Magnet is not asked for its own: that reads files until one is set.
_followed = 0


def set_num_threads(threads: int) -> None:
    """Use this many threads in Magnet's kernels and in torch.

    Raises:
        ConfigError: If ``threads`` is below 1, or above what any machine has.
    """
    if not 1 <= threads <= _MOST_THREADS:
        raise ConfigError(f"the number of threads must be from 1 to {_MOST_THREADS}, got {threads}")
    global _chosen
    _chosen = True
    _core.set_num_threads(threads)
    torch.set_num_threads(threads)


def follow_torch() -> None:
    """Take over the number of threads that torch has now, unless one was named for Magnet."""
    global _followed
    if not _chosen and (threads := torch.get_num_threads()) != _followed:
        _core.set_num_threads(threads)
        _followed = threads


def num_threads() -> int:
    """How many threads Magnet's kernels use."""
    return _core.num_threads()


def _threads_at_start() -> int | None:
    text = os.environ.get("MAGNET_NUM_THREADS")
    if text is None:
        if "LOCAL_WORLD_SIZE" in os.environ and "OMP_NUM_THREADS" not in os.environ:
            return max(1, (os.cpu_count() or 1) // max(1, int(os.environ["LOCAL_WORLD_SIZE"])))
        return None
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


if (_at_start := _threads_at_start()) is not None:
    _chosen = True
    _core.set_num_threads(_at_start)
follow_torch()
