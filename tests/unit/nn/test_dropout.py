"""Dropout from a generator of one's own: the masks that torch's would have made."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from magnet.nn.dropout import dropout
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
    assert torch.equal(generator.get_state(), before)
