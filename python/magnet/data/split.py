"""Splits of the interactions into train, validation and test.

Each function takes interactions that occur once and returns their parts, ``(N,)``, int8: 0 train, 1 valid, 2
test. What is drawn depends on the set of interactions and the seed, not on the order of the rows if they are
sorted by user and item.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from magnet.errors import DataError
from magnet.seeds import numpy_generator

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["RULES", "split_cold_items", "split_mmrec", "split_random"]

RULES = ("mmrec", "random", "cold-items")


def split_mmrec(users: NDArray[np.int32], *, seed: int) -> NDArray[np.int8]:
    """Hold out a random fifth of each user's interactions, by the rule published with MMRec.

    Of a user with n interactions, int(0.2 n) are held out if n is at least 10, the smaller half of them for
    validation and the rest for test. Of fewer than 10, one goes to validation and one to test; of two, one to
    test; a single one stays in training.

    Args:
        users: User index of each interaction, ``(N,)``.
        seed: Any integer.

    Returns:
        Parts, ``(N,)``. How many of a user's interactions fall into each part does not depend on the seed.
    """
    if users.size == 0:
        return np.zeros(0, dtype=np.int8)
    counts = np.bincount(users).astype(np.int64)  # (U,)
    held_out = np.where(counts >= 10, counts // 5, np.minimum(np.maximum(counts - 1, 0), 2))
    valid = held_out // 2
    keys = numpy_generator(seed, "split", "mmrec").random(users.size)
    order = np.lexsort((keys, users))
    starts = np.concatenate(([0], np.cumsum(counts)[:-1]))
    sorted_users = users[order]
    place = np.arange(users.size) - starts[sorted_users]  # position within the user, in random order
    parts = np.empty(users.size, dtype=np.int8)
    parts[order] = np.where(
        place < valid[sorted_users],
        np.int8(1),
        np.where(place < held_out[sorted_users], np.int8(2), np.int8(0)),
    )
    return parts


def split_random(n: int, *, seed: int, valid: float = 0.1, test: float = 0.1) -> NDArray[np.int8]:
    """Hold out random interactions, regardless of the user.

    Args:
        n: Number of interactions.
        seed: Any integer.
        valid: Share for validation; exactly ``round(valid * n)`` interactions.
        test: Share for test, likewise.

    Returns:
        Parts, ``(n,)``.

    Raises:
        DataError: If the shares are negative or leave nothing for training.
    """
    if valid < 0 or test < 0 or valid + test >= 1:
        raise DataError(
            f"shares of a random split must be at least 0 and sum to less than 1, got {valid} and {test}"
        )
    n_valid, n_test = round(valid * n), round(test * n)
    order = numpy_generator(seed, "split", "random").permutation(n)
    parts = np.zeros(n, dtype=np.int8)
    parts[order[:n_valid]] = 1
    parts[order[n_valid : n_valid + n_test]] = 2
    return parts


def split_cold_items(items: NDArray[np.int32], *, seed: int, share: float = 0.2) -> NDArray[np.int8]:
    """Hold out random items with all their interactions, so that content alone can recommend them.

    Args:
        items: Item index of each interaction, ``(N,)``.
        seed: Any integer.
        share: Of the items that have interactions; exactly ``round(share * n)`` of them, the smaller half for
            validation and the rest for test.

    Returns:
        Parts, ``(N,)``.

    Raises:
        DataError: If the share is negative or leaves nothing for training.
    """
    if not 0 <= share < 1:
        raise DataError(f"the share of cold items must be at least 0 and less than 1, got {share}")
    taken = np.unique(items)
    held_out = round(share * taken.size)
    order = numpy_generator(seed, "split", "cold-items").permutation(taken.size)
    of_item = np.zeros(taken.size, dtype=np.int8)
    of_item[order[: held_out // 2]] = 1
    of_item[order[held_out // 2 : held_out]] = 2
    return of_item[np.searchsorted(taken, items)]
