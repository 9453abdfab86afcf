"""Full ranking: score, mask what was seen, keep the best 50."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from scipy.sparse import csr_matrix

from contests.inputs import taken
from magnet.evaluate.rank import rank, score
from magnet.states import DotState, MixtureState

if TYPE_CHECKING:
    from collections.abc import Callable

    from scipy.sparse import csr_array

    from contests.race import Contest

K, WIDTH, EXPERTS, KEY = 50, 64, 9, 16
S, Z = ("amx", "avx512"), ("avx2",)


def normal(*shape: int, seed: int) -> torch.Tensor:
    """Standard normal numbers."""
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def check(state: DotState | MixtureState, seen: csr_array, theirs: Callable[[], np.ndarray]) -> None:
    """The same items for all users; where two scores are equal up to rounding, the scores count instead."""
    mine, other = rank(state, np.arange(seen.shape[0]), seen, K), theirs()
    users, places = np.nonzero(mine.items != other)
    assert len(users) <= 1e-3 * other.size, f"{len(users)} of {other.size} places differ"
    np.testing.assert_allclose(
        score(state, users, other[users, places]), mine.scores[users, places], atol=1e-3
    )


def by_torch(
    scores_of: Callable[[slice, torch.Tensor], torch.Tensor], seen: csr_array, block: int
) -> Callable[[], np.ndarray]:
    """Blocks of users into one buffer that stays; the mask by index; top-k."""
    n_users, n_items = seen.shape
    rows = torch.from_numpy(np.repeat(np.arange(n_users), np.diff(seen.indptr)))
    columns = torch.from_numpy(seen.indices).long()
    buffer = torch.empty(block, n_items)

    def run() -> np.ndarray:
        parts = []
        for start in range(0, n_users, block):
            stop = min(n_users, start + block)
            scores = scores_of(slice(start, stop), buffer[: stop - start])
            entries = slice(seen.indptr[start], seen.indptr[stop])
            scores[rows[entries] - start, columns[entries]] = -torch.inf
            parts.append(scores.topk(K).indices)
        return torch.cat(parts).numpy()

    return run


def run(contest: Contest) -> None:
    dot(contest, *contest.scaled(35_598, 18_357))
    mixture(contest, *contest.scaled(19_445, 7_050))


def dot(contest: Contest, n_users: int, n_items: int) -> None:
    case = f"dot products, {n_users:,} x {n_items:,}"
    state = DotState(normal(n_users, WIDTH, seed=0), normal(n_items, WIDTH, seed=1))
    seen = taken(n_users, n_items, 8 * n_users)
    users, items = state.users, state.items

    def product(rows: slice, out: torch.Tensor) -> torch.Tensor:
        return torch.mm(users[rows], items.T, out=out)

    torch_form = by_torch(product, seen, 4096)
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


def mixture(contest: Contest, n_users: int, n_items: int) -> None:
    state = MixtureState(
        users=normal(n_users, WIDTH, seed=0),
        items=normal(n_items, WIDTH, seed=1),
        user_towers=normal(n_users, EXPERTS, WIDTH, seed=2),
        item_towers=normal(n_items, EXPERTS, WIDTH, seed=3),
        user_keys=0.3 * normal(n_users, EXPERTS, KEY, seed=4),
        item_keys=normal(n_items, EXPERTS, KEY, seed=5),
        weight=0.3,
        top_experts=EXPERTS,
        experts=[f"expert {e}" for e in range(EXPERTS)],
    )
    seen = taken(n_users, n_items, 6 * n_users)
    block = 128
    towers, keys = (  # (E, D, I) and (E, R, I)
        part.permute(1, 2, 0).contiguous() for part in (state.item_towers, state.item_keys)
    )
    values, logits = torch.empty(EXPERTS, block, n_items), torch.empty(EXPERTS, block, n_items)

    def scores(rows: slice, out: torch.Tensor) -> torch.Tensor:
        n = len(out)
        s, p = values[:, :n], logits[:, :n]
        torch.bmm(state.user_towers[rows].transpose(0, 1), towers, out=s)
        torch.bmm(state.user_keys[rows].transpose(0, 1), keys, out=p)
        torch.softmax(p, dim=0, out=p)
        torch.mm(state.users[rows], state.items.T, out=out)
        return out.add_(s.mul_(p).sum(dim=0), alpha=state.weight)

    torch_form = by_torch(scores, seen, block)
    check(state, seen, torch_form)
    everyone = np.arange(n_users, dtype=np.int32)
    flops = 2 * n_users * n_items * (WIDTH + EXPERTS * (WIDTH + KEY))
    side = 2048
    a, b, c = normal(side, side, seed=6), normal(side, side, seed=7), torch.empty(side, side)
    times = max(1, round(flops / (2 * side**3)))

    def arithmetic() -> None:
        for _ in range(times):
            torch.mm(a, b, out=c)

    gemm = "its FLOPs as f32 GEMM (torch, 2,048 cubed)"
    every = dict.fromkeys((*S, *Z), (4, 8))
    contest.race(
        f"mixture of {EXPERTS}, {n_users:,} x {n_items:,}",
        lambda: rank(state, everyone, seen, K),
        {"torch bmm, blocked, reused buffers": torch_form, gemm: arithmetic},
        targets={
            "torch bmm, blocked, reused buffers": every,
            gemm: dict.fromkeys((*S, *Z), (1 / 1.6, 1)),
        },
        notes={gemm: f"{flops / 1e9:.0f} GFLOP if every pair is computed"},
    )
