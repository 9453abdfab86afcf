"""Rows by index and distinct ids against torch's own."""

from __future__ import annotations

import pytest
import torch

from magnet.nn.ops.gather import distinct, take_rows


@pytest.mark.parametrize("ids", [[], [3], [4, 0, 4, 2]])
def test_distinct_ids_are_those_of_torch_s_unique(ids):
    ids = torch.tensor(ids, dtype=torch.int64)
    for mine, theirs in zip(distinct(ids, 5), torch.unique(ids, return_inverse=True), strict=True):
        assert torch.equal(mine, theirs)


@pytest.mark.parametrize("shape", [(6, 3), (6, 2, 3)])
def test_rows_and_their_gradient_are_those_of_indexing(shape):
    table = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    index = torch.tensor([5, 1, 1, 0, 1])
    found = []
    for take in (take_rows, lambda x, i: x[i]):
        leaf = table.clone().requires_grad_()
        rows = take(leaf, index)
        rows.square().sum().backward()
        found.append((rows.detach(), leaf.grad))
    for own, other in zip(*found, strict=True):
        torch.testing.assert_close(own, other)
