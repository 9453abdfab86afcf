"""Full ranking: score, mask what was seen, keep the best 50."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from scipy.sparse import csr_matrix

from contests.inputs import taken
from magnet.evaluate.rank import rank, score
from magnet.states import DotState

if TYPE_CHECKING:
    from collections.abc import Callable

    from scipy.sparse import csr_array

    from contests.race import Contest

K, WIDTH = 50, 64
S, Z = ("amx", "avx512"), ("avx2",)


def normal(*shape: int, seed: int) -> torch.Tensor:
    """Standard normal numbers."""
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def check(state: DotState, seen: csr_array, theirs: Callable[[], np.ndarray]) -> None:
    """The same items for all users; where two scores are equal up to rounding, the scores count instead."""
    mine, other = rank(state, np.arange(seen.shape[0]), seen, K), theirs()
    users, places = np.nonzero(mine.items != other)
    assert len(users) <= 1e-3 * other.size, f"{len(users)} of {other.size} places differ"
    np.testing.assert_allclose(
        score(state, users, other[users, places]), mine.scores[users, places], atol=1e-3
    )


def by_torch(state: DotState, seen: csr_array, block: int) -> Callable[[], np.ndarray]:
    """Blocks of users into one buffer that stays; the mask by index; top-k."""
    n_users, n_items = seen.shape
    rows = torch.from_numpy(np.repeat(np.arange(n_users), np.diff(seen.indptr)))
    columns = torch.from_numpy(seen.indices).long()
    buffer = torch.empty(block, n_items)

    def run() -> np.ndarray:
        parts = []
        for start in range(0, n_users, block):
            stop = min(n_users, start + block)
            scores = torch.mm(state.users[start:stop], state.items.T, out=buffer[: stop - start])
            entries = slice(seen.indptr[start], seen.indptr[stop])
            scores[rows[entries] - start, columns[entries]] = -torch.inf
            parts.append(scores.topk(K).indices)
        return torch.cat(parts).numpy()

    return run


def run(contest: Contest) -> None:
    n_users, n_items = contest.scaled(35_598, 18_357)
    case = f"dot products, {n_users:,} x {n_items:,}"
    state = DotState(normal(n_users, WIDTH, seed=0), normal(n_items, WIDTH, seed=1))
    seen = taken(n_users, n_items, 8 * n_users)
    users, items = state.users, state.items
    torch_form = by_torch(state, seen, 4096)
    check(state, seen, torch_form)
    everyone = np.arange(n_users, dtype=np.int32)
    rivals, slow = {"torch mm + top-k, reused buffer": torch_form}, {}
    faiss = contest.optional("faiss", case)
    if faiss:
        index = faiss.IndexFlatIP(WIDTH)
        index.add(items.numpy())
        rivals["faiss flat, nothing masked"] = lambda: index.search(users.numpy(), K)
    if contest.optional("implicit", case):
        from implicit.cpu.topk import topk

        mask = csr_matrix(seen)
        slow["implicit"] = lambda: topk(
            items.numpy(), users.numpy(), K, filter_query_items=mask, num_threads=contest.threads
        )
    contest.race(
        case,
        lambda: rank(state, everyone, seen, K),
        rivals,
        slow=slow,
        targets={
            "torch mm + top-k, reused buffer": dict.fromkeys(S, (3.8, 6)) | dict.fromkeys(Z, (2.5, 4.5))
        },
    )
