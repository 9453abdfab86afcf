"""Seeds made from seeds, so that no two uses of randomness share a stream and none is global."""

from __future__ import annotations

import hashlib
import os
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np
import torch

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["derive", "numpy_generator", "seeded", "torch_generator"]


def derive(seed: int, *purpose: str | int) -> int:
    """A seed in ``[0, 2**63)`` that depends on ``seed`` and on every part of ``purpose``.

    Example:
        >>> derive(1, "dropout", 3) == derive(1, "dropout", 3) != derive(1, "dropout", 4)
        True
    """
    text = "\x1f".join([str(seed), *map(str, purpose)])
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "little") >> 1


def numpy_generator(seed: int, *purpose: str | int) -> np.random.Generator:
    """A NumPy generator of its own for one purpose."""
    return np.random.default_rng(derive(seed, *purpose))


def torch_generator(seed: int, *purpose: str | int) -> torch.Generator:
    """A CPU generator of its own for one purpose."""
    return torch.Generator().manual_seed(derive(seed, *purpose))


# Whoever seeds torch's own generators has them alone until they are restored: all threads of a process share them.
_turn = threading.RLock()


def _renew_turn() -> None:
    global _turn
    _turn = threading.RLock()


# The thread that holds it may not exist in a forked child, which would wait for ever.
os.register_at_fork(after_in_child=_renew_turn)


@contextmanager
def seeded(seed: int, *, module: torch.nn.Module | None = None) -> Iterator[None]:
    """Seed torch's own generators inside the context, and restore their state at its end.

    These are the generator of the CPU and those of the CUDA devices that ``module`` uses. ``torch.manual_seed`` seeds
    the generators of all devices, and would leave those changed that nothing restores.

    All threads of a process share these generators, so one context runs at a time: another thread that enters one
    waits. A thread that draws from them outside of any context disturbs the one that runs.

    Args:
        seed: Any integer in ``[0, 2**64)``.
        module: Its parameters and buffers say which devices are in use; without one it is the CPU alone.

    Example:
        >>> with seeded(1):
        ...     first = torch.rand(())
        >>> with seeded(1):
        ...     bool(torch.rand(()) == first)
        True
    """
    tensors = [] if module is None else [*module.parameters(), *module.buffers()]
    devices = sorted({tensor.get_device() for tensor in tensors if tensor.is_cuda})
    with _turn, torch.random.fork_rng(devices=devices):
        torch.default_generator.manual_seed(seed)
        for device in devices:
            torch.cuda.default_generators[device].manual_seed(seed)
        yield
