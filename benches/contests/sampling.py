"""One unseen item for each pair of an epoch, in shuffled order."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import numpy as np
import torch
from scipy.sparse import csr_matrix

from contests.inputs import SIZES, taken
from magnet.sampling import sample_negatives

if TYPE_CHECKING:
    from collections.abc import Callable

    from scipy.sparse import csr_array

    from contests.race import Contest

S, Z = ("amx", "avx512"), ("avx2",)
SMALL = {"numba": (1.3, 2), "torch searchsorted": (3.5, 6), "numpy searchsorted": (8, 15)}
LARGE = {"numba": (1.6, 3), "torch searchsorted": (6, 10), "numpy searchsorted": (20, 40)}
LARGE_Z = {"numba": (2.5, 3), "torch searchsorted": (8, 10), "numpy searchsorted": (25, 40)}


def targets_for(n: int) -> dict[str, dict[str, tuple[float, float]]]:
    """By rival and kind."""
    here, there = (SMALL, SMALL) if n < 1_600_000 else (LARGE, LARGE_Z)
    return {name: dict.fromkeys(S, here[name]) | dict.fromkeys(Z, there[name]) for name in here}


def by_numpy(keys: np.ndarray, users: np.ndarray, n_items: int) -> np.ndarray:
    """Draw, look the drawn keys up among the sorted ones, redraw what was found."""
    rng = np.random.default_rng(0)
    out = rng.integers(0, n_items, len(users))
    left = np.arange(len(users))
    while len(left):
        wanted = users[left].astype(np.int64) * n_items + out[left]
        at = np.searchsorted(keys, wanted)
        left = left[keys[np.minimum(at, len(keys) - 1)] == wanted]
        out[left] = rng.integers(0, n_items, len(left))
    return out


def by_torch(keys: torch.Tensor, users: torch.Tensor, n_items: int) -> torch.Tensor:
    """The same in torch."""
    out = torch.randint(n_items, (len(users),))
    left = torch.arange(len(users))
    while len(left):
        wanted = users[left] * n_items + out[left]
        at = torch.searchsorted(keys, wanted).clamp(max=len(keys) - 1)
        left = left[keys[at] == wanted]
        out[left] = torch.randint(n_items, (len(left),))
    return out


def by_numba(numba: object, seen: csr_array, users: np.ndarray, threads: int) -> Callable[[], np.ndarray]:
    """Compiled loop with binary search, one chunk of users a step."""
    numba.set_num_threads(threads)
    n_items = seen.shape[1]

    @numba.njit(parallel=True)
    def draw(pointers: np.ndarray, columns: np.ndarray, users: np.ndarray, out: np.ndarray) -> None:
        n_chunks = 64
        for chunk in numba.prange(n_chunks):
            np.random.seed(chunk)  # noqa: NPY002 - numba has no other generator per thread
            for j in range(len(users) * chunk // n_chunks, len(users) * (chunk + 1) // n_chunks):
                start, stop = pointers[users[j]], pointers[users[j] + 1]
                while True:
                    item = np.random.randint(0, n_items)  # noqa: NPY002
                    low, high = start, stop
                    while low < high:
                        middle = (low + high) >> 1
                        if columns[middle] < item:
                            low = middle + 1
                        else:
                            high = middle
                    if low == stop or columns[low] != item:
                        break
                out[j] = item

    out = np.empty(len(users), np.int32)

    def run() -> np.ndarray:
        draw(seen.indptr, seen.indices, users, out)
        return out

    return run


def by_loop(sets: list[set[int]], users: list[int], items: list[int]) -> list[int]:
    """One `random.sample` after the other, as MMRec's loader does."""
    drawn = []
    for user in users:
        item = random.sample(items, 1)[0]
        while item in sets[user]:
            item = random.sample(items, 1)[0]
        drawn.append(item)
    return drawn


def by_recbole(sets: list[set[int]], users: np.ndarray, n_items: int) -> np.ndarray:
    """Draws in batches of 2,048, checked one by one in a comprehension, as RecBole's sampler does."""
    rng, parts = np.random.default_rng(0), []
    for start in range(0, len(users), 2048):
        batch = users[start : start + 2048]
        values, left = np.zeros(len(batch), np.int64), np.arange(len(batch))
        while len(left):
            values[left] = rng.integers(0, n_items, len(left))
            left = np.array([at for at in left if values[at] in sets[batch[at]]], dtype=np.int64)
        parts.append(values)
    return np.concatenate(parts)


def run(contest: Contest) -> None:
    for size in SIZES if contest.size == "full" else SIZES[:2]:
        n_users, n_items, n = contest.scaled(*size)
        one(contest, taken(n_users, n_items, n), n, targets_for(size[2]))


def one(
    contest: Contest, seen: csr_array, n: int, targets: dict[str, dict[str, tuple[float, float]]]
) -> None:
    n_users, n_items = seen.shape
    case = f"one negative for each of {n:,}"
    users = np.repeat(np.arange(n_users, dtype=np.int32), np.diff(seen.indptr))
    keys = users.astype(np.int64) * n_items + seen.indices
    users = np.random.default_rng(0).permutation(users)
    keys_t, users_t = torch.from_numpy(keys), torch.from_numpy(users).long()
    rivals = {
        "torch searchsorted": lambda: by_torch(keys_t, users_t, n_items),
        "numpy searchsorted": lambda: by_numpy(keys, users, n_items),
    }
    slow = {}
    numba = contest.optional("numba", case)
    if numba:
        rivals["numba"] = by_numba(numba, seen, users, contest.threads)
    for draw in (lambda: sample_negatives(seen, users, seed=0).numpy(), *rivals.values()):
        drawn = np.asarray(draw())
        assert len(drawn) == len(users) and drawn.min() >= 0 and drawn.max() < n_items  # noqa: PT018
        assert not np.isin(users.astype(np.int64) * n_items + drawn, keys).any()
    if contest.optional("implicit", case):
        from implicit.cpu.bpr import BayesianPersonalizedRanking

        model = BayesianPersonalizedRanking(
            factors=1, iterations=1, num_threads=contest.threads, verify_negative_samples=True, random_state=0
        )
        matrix = csr_matrix(seen)
        slow["implicit BPR, width 1"] = lambda: model.fit(matrix, show_progress=False)
    if n <= 1_600_000:
        sets = [set(seen.indices[a:b].tolist()) for a, b in zip(seen.indptr, seen.indptr[1:], strict=False)]
        slow["random.sample loop, as MMRec"] = lambda: by_loop(sets, users.tolist(), list(range(n_items)))
        slow["comprehension, as RecBole"] = lambda: by_recbole(sets, users, n_items)
    contest.race(case, lambda: sample_negatives(seen, users, seed=0), rivals, slow=slow, targets=targets)
    popularity = np.bincount(seen.indices, minlength=n_items) + 1
    contest.race(
        f"{case}, by popularity",
        lambda: sample_negatives(seen, users, seed=0, popularity=popularity, exponent=0.75),
        {"Magnet's uniform draw": lambda: sample_negatives(seen, users, seed=0)},
        targets={"Magnet's uniform draw": dict.fromkeys((*S, *Z), (1 / 1.3, 1))},
    )
