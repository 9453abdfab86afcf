"""Dropout from a generator of one's own: the masks that torch's would have made."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from magnet.nn.dropout import coarse_dropout, dropout
from magnet.seeds import seeded


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_the_bits_are_those_of_torch(share):
    x = torch.randn(50, 33, generator=torch.Generator().manual_seed(1)).requires_grad_()
    own = dropout(x, share, generator=torch.Generator().manual_seed(7))
    with seeded(7):
        theirs = F.dropout(x, share)
        same = dropout(x, share, generator=None)
        assert not torch.equal(same, theirs), "a second draw is another one"
    assert torch.equal(own, theirs)
    grads = [torch.autograd.grad(y.sum(), x)[0] for y in (own, theirs)]
    assert torch.equal(*grads)


def test_nothing_is_drawn_where_nothing_is_lost():
    generator = torch.Generator().manual_seed(1)
    before = generator.get_state()
    x = torch.ones(3)
    assert dropout(x, 0.0, generator=generator) is x
    assert coarse_dropout(x, 0.0, generator=generator) is x
    assert torch.equal(generator.get_state(), before)


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_a_coarse_mask_loses_its_share_and_keeps_the_mean(share):
    x = torch.full((701, 333), 2.0).requires_grad_()
    y = coarse_dropout(x, share, generator=torch.Generator().manual_seed(7))
    assert y.detach().unique().tolist() == pytest.approx([0, 2 / (1 - share)], rel=1e-4)
    lost = y == 0
    # Six standard deviations of so many draws, over all, over rows and between neighbours.
    spread = 6 * (share * (1 - share) / x.numel()) ** 0.5
    assert lost.float().mean() == pytest.approx(share, abs=spread)
    assert (lost[:, 1:] & lost[:, :-1]).float().mean() == pytest.approx(share**2, abs=2 * spread)
    assert lost.float().mean(0).std() == pytest.approx((share * (1 - share) / 701) ** 0.5, rel=0.2)
    assert torch.equal(torch.autograd.grad(y.sum(), x)[0], y.detach() / 2)
    again = coarse_dropout(x, share, generator=torch.Generator().manual_seed(7))
    assert torch.equal(y, again)


def test_a_coarse_mask_keeps_something_of_almost_nothing():
    y = coarse_dropout(torch.ones(400, 1000), 1 - 1e-9, generator=torch.Generator().manual_seed(1))
    assert 0 < (y > 0).sum() < 40


def test_without_a_generator_a_coarse_mask_is_torchs():
    x = torch.ones(9, 9)
    with seeded(7):
        expected = F.dropout(x, 0.3)
    with seeded(7):
        assert torch.equal(coarse_dropout(x, 0.3, generator=None), expected)
