"""Splits of the interactions into train, validation and test.

Each function takes interactions that occur once and returns their parts, ``(N,)``, int8: 0 train, 1 valid, 2
test. What is drawn depends on the set of interactions and the seed, not on the order of the rows if they are
sorted by user and item, which :mod:`magnet.data.assemble` does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from magnet.errors import DataError
from magnet.seeds import numpy_generator

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = [
    "split_cold",
    "split_folds",
    "split_leave_last",
    "split_mmrec",
    "split_random",
    "split_temporal",
]


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


def split_leave_last(users: NDArray[np.int32], times: NDArray[np.int64], *, n: int = 1) -> NDArray[np.int8]:
    """Hold out each user's last interactions: n for test, and the n before them for validation.

    The usual protocol of sequential recommendation. Within a user nothing of the future is trained on; between users
    it may be, which :func:`split_temporal` rules out. A user with too few interactions keeps at least one in training;
    test comes first, then validation.

    Args:
        users: User index of each interaction, ``(N,)``.
        times: When, ``(N,)``; of equal times the earlier row comes first.
        n: Interactions of a user for each held-out part.

    Returns:
        Parts, ``(N,)``.
    """
    counts = np.bincount(users).astype(np.int64)  # (U,)
    test = np.minimum(n, np.maximum(counts - 1, 0))
    valid = np.minimum(n, np.maximum(counts - 1 - test, 0))
    order = np.lexsort((np.arange(users.size), times, users))
    starts = np.cumsum(counts) - counts
    of = users[order]
    left = counts[of] - (np.arange(users.size) - starts[of])  # interactions of the user from here on
    parts = np.empty(users.size, dtype=np.int8)
    parts[order] = np.where(left <= test[of], 2, np.where(left <= test[of] + valid[of], 1, 0))
    return parts


def split_temporal(
    times: NDArray[np.int64], *, share: float = 0.1, test: int | None = None, valid: int | None = None
) -> NDArray[np.int8]:
    """Hold out what happened last, at one moment for all users: nothing of the future is trained on.

    Interactions of one moment are never parted.

    Args:
        times: When, ``(N,)``.
        share: Of the interactions for each held-out part, about: a moment is not parted.
        test: The moment from which on interactions are for test, instead of a share.
        valid: The moment from which on they are for validation; by default a share of those before ``test``.

    Returns:
        Parts, ``(N,)``: every training interaction is before every validation one, and those before every test one.
    """
    sorted_times = np.sort(times)
    if test is None:
        test = int(sorted_times[min(times.size - 1, times.size - max(1, round(share * times.size)))])
    before = sorted_times[sorted_times < test]
    if valid is None and before.size:
        held_out = round(share * times.size) if share * times.size >= 1 else 1
        valid = int(before[max(0, before.size - held_out)])
    parts = np.zeros(times.size, dtype=np.int8)
    if valid is not None:
        parts[times >= valid] = 1
    parts[times >= test] = 2
    return parts


def split_cold(
    indices: NDArray[np.int32], *, seed: int, share: float = 0.1, of: str = "cold-items"
) -> NDArray[np.int8]:
    """Hold out all interactions of random items, or of random users: they have none in training.

    Args:
        indices: Item or user index of each interaction, ``(N,)``.
        seed: Any integer.
        share: Of the items or users that occur, for each held-out part; at least one.
        of: A name for the draw: items and users are drawn apart.

    Returns:
        Parts, ``(N,)``: an item (or user) is in one part only.
    """
    there = np.unique(indices)
    n = max(1, round(share * there.size))
    drawn = there[numpy_generator(seed, "split", of).permutation(there.size)]
    part_of = np.zeros(int(there[-1]) + 1, dtype=np.int8)
    part_of[drawn[:n]] = 2
    part_of[drawn[n : 2 * n]] = 1
    parts: NDArray[np.int8] = part_of[indices]
    return parts


def split_folds(n: int, fold: int, folds: int, *, seed: int) -> NDArray[np.int8]:
    """One of k splits whose test parts share nothing and together are all interactions.

    Args:
        n: Number of interactions.
        fold: Which fold is for test, from 1; the next one, after the last the first, is for validation.
        folds: Number of folds, at least 3.
        seed: Any integer; the folds of one seed belong together.

    Returns:
        Parts, ``(n,)``; the sizes of folds differ by one at most.
    """
    of = np.empty(n, dtype=np.int64)
    of[numpy_generator(seed, "split", "k-fold").permutation(n)] = np.arange(n) % folds
    return np.where(of == fold - 1, 2, np.where(of == fold % folds, 1, 0)).astype(np.int8)
