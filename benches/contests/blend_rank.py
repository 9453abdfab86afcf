"""Lists of a blend: a base and three cues of every item, blended, what was seen left out, the best 50 kept."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from scipy.sparse import csr_array

from contests.inputs import taken
from contests.ranking import K, normal
from magnet import core
from magnet.evaluate.rank import rank
from magnet.operators import FilterOperator, SparseOperator
from magnet.states import BlendState

if TYPE_CHECKING:
    from contests.race import Contest
    from magnet.operators import Operator

WIDTH, SUPPORT, EXPERTS, KINDS = 128, 200, 10, 16
BLOCK = 1 << 21  # scores that are kept at a time


def state(seen: csr_array, first: Operator) -> BlendState:
    """A blend of `first` and two sparse operators; items are of a few kinds to the router."""
    n_users, n_items = seen.shape
    cues = {"behaviour": first} | {f"content {seed}": votes(n_items, seed) for seed in (1, 2)}
    kinds = torch.from_numpy(np.random.default_rng(3).integers(0, KINDS, n_items))
    return BlendState(
        users=normal(n_users, WIDTH, seed=4),
        items=normal(n_items, WIDTH, seed=5),
        history=seen,
        cues=cues,
        user_logits=normal(n_users, EXPERTS, seed=6),
        item_logits=normal(KINDS, EXPERTS, seed=7)[kinds],
        roles=normal(EXPERTS, len(cues), seed=8).abs(),
        weight=0.5,
        top_experts=3,
        experts=[f"expert {number}" for number in range(EXPERTS)],
    )


def votes(n_items: int, seed: int) -> SparseOperator:
    """`SUPPORT` random entries in each row, or all where there are fewer items; they fade like those of neighbours."""
    rng, support = np.random.default_rng(seed), min(SUPPORT, n_items)
    columns = np.stack([rng.permutation(n_items)[:support] for _ in range(n_items)])
    values = rng.exponential(0.1, columns.shape).astype(np.float32)
    pointers = np.arange(n_items + 1, dtype=np.int32) * support
    return SparseOperator(csr_array((values.ravel(), columns.ravel().astype(np.int32), pointers)))


class BySteps:
    """The same kernels one after the other: whole rows of each signal, their blend, the best of it."""

    def __init__(self, state: BlendState) -> None:
        self.state, (n_users, _) = state, state.shape
        self.items, self.scores = np.empty((n_users, K), np.int32), np.empty((n_users, K), np.float32)

    def __call__(self) -> None:
        """Rank everybody."""
        (n_users, n_items), seen = self.state.shape, self.state.history
        step = max(1, BLOCK // n_items)
        for start in range(0, n_users, step):
            users = np.arange(start, min(start + step, n_users), dtype=np.int32)
            outs = self.items[start : start + step], self.scores[start : start + step]
            core.rank_scores(self.state.scores(users), users, (seen.indptr, seen.indices), *outs)


def race(contest: Contest, case: str, made: BlendState) -> None:
    (n_users, _), seen = made.shape, made.history
    everyone, steps = np.arange(n_users, dtype=np.int32), BySteps(made)
    steps()
    mine = rank(made, everyone, seen, K)
    assert mine.items.tobytes() == steps.items.tobytes(), "items differ"
    assert mine.scores.tobytes() == steps.scores.tobytes(), "scores differ"
    contest.race(case, lambda: rank(made, everyone, seen, K), {"kernel after kernel": steps})


def run(contest: Contest) -> None:
    n_users, n_items = contest.scaled(19_445, 7_050)
    seen = taken(n_users, n_items, 6 * n_users)
    case = f"filter and 2 sparse cues, {n_users:,} x {n_items:,}"
    race(contest, case, state(seen, FilterOperator(seen, [0.0, 0.0, 1.0], 0.5)))
    n_users, n_items = contest.scaled(35_598, 18_357)
    seen = taken(n_users, n_items, 8 * n_users)
    case = f"3 sparse cues, {n_users:,} x {n_items:,}"
    race(contest, case, state(seen, votes(n_items, 0)))
