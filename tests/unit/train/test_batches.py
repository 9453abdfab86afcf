"""Batches of ranks are slices of the batches of a single process."""

from __future__ import annotations

import pytest
import torch

from magnet.train.batches import Batches


@pytest.mark.parametrize("negatives", [0, 7])
@pytest.mark.parametrize("world", [2, 3])
def test_the_slices_of_all_ranks_are_the_batch_of_one_process(tiny, negatives: int, world: int) -> None:
    batches = Batches(tiny.dataset, 100, seed=1)
    single = list(batches.epoch(2, negatives))
    ranks = [list(batches.epoch(2, negatives, rank=rank, world=world)) for rank in range(world)]
    assert all(len(own) == len(single) == len(batches) for own in ranks)
    for whole, *slices in zip(single, *ranks, strict=True):
        sizes = [len(own.users) for own in slices]
        assert max(sizes) - min(sizes) <= 1
        for name in ("users", "positives", *(() if negatives else ("negatives",))):
            assert torch.equal(torch.cat([getattr(own, name) for own in slices]), getattr(whole, name))
        if negatives:
            assert all(torch.equal(own.negatives, whole.negatives) for own in slices)
            assert torch.equal(torch.cat([own.seen for own in slices]), whole.seen)
        # What a mean over all ranks divides by.
        assert {own.pairs for own in slices} == {whole.pairs} == {len(whole.users)}


@pytest.mark.parametrize("negatives", [0, 7])
def test_a_batch_moves_with_all_its_tensors(tiny, negatives: int) -> None:
    batch = next(Batches(tiny.dataset, 100, seed=1).epoch(0, negatives))
    moved = batch.to("meta", non_blocking=True)
    assert {x.device.type for x in moved[:4] if x is not None} == {"meta"}
    assert (moved.pairs, moved.seen is None) == (100, batch.seen is None)
