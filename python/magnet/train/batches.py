"""Training pairs in a new order each epoch, with negatives drawn by the core for the whole epoch at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from magnet.errors import DataError
from magnet.sampling import membership, sample_negatives, sample_shared
from magnet.seeds import derive, torch_generator
from magnet.train.task import Batch

if TYPE_CHECKING:
    from collections.abc import Iterator

    from magnet.data import Dataset

__all__ = ["Batches"]


class Batches:
    """The batches of any epoch; epoch ``e`` depends on the seed and ``e`` alone.

    Items without training interactions are never drawn as negatives: ranking them down would teach nothing but that
    they are new.

    Args:
        dataset: Interactions.
        batch_size: Pairs in a batch.
        seed: Of orders and draws.

    Raises:
        DataError: If there is nothing to train on, or a user has seen every item that could be drawn.
    """

    def __init__(self, dataset: Dataset, batch_size: int, *, seed: int) -> None:
        self.seen = dataset.train
        self.batch_size = batch_size
        self.seed = seed
        if self.seen.nnz == 0:
            raise DataError(f"{dataset.name}: no training interaction; check the split")
        degree = np.diff(self.seen.indptr)
        self.pool = np.unique(self.seen.indices).astype(np.int32)
        # Nothing can be ranked below the items of a user who has seen everything: no pair of theirs teaches anything.
        full = degree >= len(self.pool)
        users = np.repeat(np.arange(self.seen.shape[0], dtype=np.int32), degree)
        usable = ~full[users]
        if not usable.any():
            raise DataError(
                f"{dataset.name}: every user has seen all {len(self.pool)} items of the training part, so there is no "
                "negative to draw; add interactions or items"
            )
        self.n_full_users = int(full.sum())
        self.users = torch.from_numpy(users[usable])
        self.items = torch.from_numpy(self.seen.indices[usable].astype(np.int32))

    def __len__(self) -> int:
        """Batches in an epoch."""
        return -(-len(self.users) // self.batch_size)

    def epoch(self, epoch: int, negatives: int, *, rank: int = 0, world: int = 1) -> Iterator[Batch]:
        """The batches of one epoch, or one rank's slices of them.

        The slices of all ranks, one after the other, are the batch of a single process, to the last negative. Their
        sizes differ by one pair at most, and a batch of fewer pairs than ranks leaves some ranks none.

        Args:
            epoch: Its number.
            negatives: Shared negatives of a batch, the same for all ranks; 0 draws one unseen item for each pair.
            rank: Which slice, from 0.
            world: Number of slices.
        """
        order = torch.randperm(len(self.users), generator=torch_generator(self.seed, "order", epoch))
        users, items = self.users[order], self.items[order]
        seed = derive(self.seed, "negatives", epoch)
        if negatives:
            drawn = sample_shared(negatives * len(self), pool=self.pool, seed=seed)
        else:
            drawn = sample_negatives(self.seen, users, seed=seed, pool=self.pool)
        for index, start in enumerate(range(0, len(users), self.batch_size)):
            pairs = min(self.batch_size, len(users) - start)
            rows = slice(start + pairs * rank // world, start + pairs * (rank + 1) // world)
            if negatives:
                own = drawn[index * negatives : (index + 1) * negatives]
                seen = membership(self.seen, users[rows], own)
            else:
                own, seen = drawn[rows], None
            own_users = users[rows].long()
            yield Batch(own_users, items[rows].long(), own.long(), seen, pairs)
