"""Inputs that resemble real ones: clustered features of low intrinsic dimension, popularity by a power."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from magnet import graph

if TYPE_CHECKING:
    from scipy.sparse import csr_array

# Users, items and pairs.
SIZES = ((20_000, 7_000, 160_000), (190_000, 63_000, 1_600_000), (1_000_000, 200_000, 10_000_000))


def features(n: int, width: int, seed: int = 0) -> np.ndarray:
    """Unit rows, `(n, width)` float32: clusters in 24 dimensions, projected; above 1,024 cut off at zero."""
    rng = np.random.default_rng(seed)
    inner = min(24, width)
    centres = rng.standard_normal((max(1, n // 50), inner), dtype=np.float32)
    latent = centres[rng.integers(0, len(centres), n)]
    latent += 0.5 * rng.standard_normal((n, inner), dtype=np.float32)
    made = latent @ (rng.standard_normal((inner, width), dtype=np.float32) / np.float32(np.sqrt(inner)))
    for start in range(0, n, 65536):
        block = made[start : start + 65536]
        block += 0.1 * rng.standard_normal(block.shape, dtype=np.float32)
        if width >= 1024:
            np.maximum(block, 0, out=block)
        block /= np.linalg.norm(block, axis=1, keepdims=True)
    return made


def pairs(n_users: int, n_items: int, n: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Users and items, int32, popular ones more often; one pair in twenty stands twice."""
    rng = np.random.default_rng(seed)
    users = (rng.random(n) ** 1.5 * n_users).astype(np.int32)
    items = (rng.random(n) ** 2 * n_items).astype(np.int32)
    again = rng.integers(0, n, n // 20)
    users[: len(again)], items[: len(again)] = users[again], items[again]
    return users, items


def taken(n_users: int, n_items: int, n: int) -> csr_array:
    """The same pairs as a matrix of ones."""
    return graph.interactions(*pairs(n_users, n_items, n), (n_users, n_items))
