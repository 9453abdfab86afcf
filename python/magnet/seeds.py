"""Seeds made from seeds, so that no two uses of randomness share a stream and none is global."""

from __future__ import annotations

import hashlib

import numpy as np
import torch

__all__ = ["derive", "numpy_generator", "torch_generator"]


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
