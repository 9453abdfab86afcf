"""The blend of signals: rows standardised and compressed, three of ten experts chosen for each pair, summed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from contests.ranking import normal
from magnet import core

if TYPE_CHECKING:
    from contests.race import Contest

CUES, EXPERTS, TOP, WEIGHT = 3, 10, 3, 0.5


class ByTorch:
    """The same in torch, into buffers that stay: `(users, items, experts)` numbers, or experts first."""

    def __init__(self, signals: list[torch.Tensor]) -> None:
        self.base, self.cues, self.user_logits, self.item_logits, self.roles = signals
        n_users, n_items = self.base.shape
        self.out, self.mixed = torch.empty(n_users, n_items), torch.empty(n_users * n_items, CUES)
        self.standard, self.compressed = torch.empty_like(self.cues), torch.empty_like(self.cues)
        self.logits, self.shares = (torch.empty(n_users * n_items * EXPERTS) for _ in range(2))
        self.best = torch.empty(n_users, n_items, TOP), torch.empty(n_users, n_items, TOP, dtype=torch.long)

    def standardise(self) -> None:
        """Both kinds of signals; the cues are compressed too."""
        deviation, mean = torch.std_mean(self.base, dim=-1, correction=0, keepdim=True)
        torch.sub(self.base, mean, out=self.out).div_(deviation)
        deviation, mean = torch.std_mean(self.cues, dim=-1, correction=0, keepdim=True)
        torch.sub(self.cues, mean, out=self.standard).div_(deviation)
        torch.abs(self.standard, out=self.compressed).log1p_().copysign_(self.standard)

    def by_top_k(self) -> torch.Tensor:
        """Experts last: top-k, softmax of what it found, scattered back."""
        self.standardise()
        shape = (*self.out.shape, EXPERTS)
        logits, shares = self.logits.view(shape), self.shares.view(shape)
        torch.add(self.user_logits[:, None], self.item_logits[None], out=logits)
        values, experts = torch.topk(logits, TOP, dim=-1, sorted=False, out=self.best)
        shares.zero_().scatter_(-1, experts, torch.softmax(values, -1, out=values))
        torch.mm(shares.view(-1, EXPERTS), self.roles, out=self.mixed)
        for cue, weights in enumerate(self.mixed.view(*self.out.shape, CUES).unbind(-1)):
            self.out.addcmul_(weights, self.compressed[cue], value=WEIGHT)
        return self.out

    def by_rounds(self) -> torch.Tensor:
        """Experts first: the greatest is struck out until the last that takes part is known. It knows no ties."""
        self.standardise()
        shape = (EXPERTS, *self.out.shape)
        logits, shares = self.logits.view(shape), self.shares.view(shape)
        torch.add(self.user_logits.T[:, :, None], self.item_logits.T[:, None], out=logits)
        highest = torch.amax(logits, 0)
        shares.copy_(logits)
        last = highest
        for _ in range(TOP - 1):
            last = torch.amax(shares.masked_fill_(shares == last, -torch.inf), 0)
        torch.sub(logits, highest, out=shares).exp_().mul_(logits >= last)
        total = shares.sum(0)
        for cue in range(CUES):
            weights = torch.mv(shares.view(EXPERTS, -1).T, self.roles[:, cue]).view_as(total).div_(total)
            self.out.addcmul_(weights, self.compressed[cue], value=WEIGHT)
        return self.out


def run(contest: Contest) -> None:
    n_users, n_items = contest.scaled(256, 7_050)
    shapes = (n_users, n_items), (CUES, n_users, n_items), (n_users, EXPERTS), (n_items, EXPERTS)
    signals = [normal(*shape, seed=seed) for seed, shape in enumerate((*shapes, (EXPERTS, CUES)))]
    theirs, out = ByTorch(signals), np.empty((n_users, n_items), np.float32)
    mine = [signal.numpy() for signal in signals]

    def magnet() -> None:
        core.blend_scores(*mine, WEIGHT, TOP, True, out)

    magnet()
    for rival in (theirs.by_top_k, theirs.by_rounds):
        # Where logits tie at the border of the cut, torch may take another expert.
        differing = np.count_nonzero(np.abs(rival().numpy() - out) > 1e-5)
        assert differing <= 1e-5 * out.size, f"{differing} of {out.size} scores differ"
    names = "torch top-k, reused buffers", "torch rounds of max, reused buffers"
    every = dict.fromkeys(("amx", "avx512", "avx2"), (3, 8))
    contest.race(
        f"{CUES} cues, top {TOP} of {EXPERTS} experts, {n_users:,} x {n_items:,}",
        magnet,
        dict(zip(names, (theirs.by_top_k, theirs.by_rounds), strict=True)),
        targets=dict.fromkeys(names, every),
    )
