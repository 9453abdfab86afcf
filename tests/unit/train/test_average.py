"""The moving average of weights against its recursion."""

from __future__ import annotations

import torch
from torch import nn

from magnet.train.average import WeightAverage


def test_it_follows_the_recursion_and_gives_the_weights_back() -> None:
    weight = nn.Parameter(torch.tensor([1.0, -2.0]))
    average = WeightAverage({"w": weight}, 0.75)
    expected = weight.detach().clone()
    for step in range(5):
        with torch.no_grad():
            weight += step
        average.update()
        expected = 0.75 * expected + 0.25 * weight.detach()
    now = weight.detach().clone()
    with average.applied():
        torch.testing.assert_close(weight.detach(), expected)
    assert torch.equal(weight.detach(), now)


def test_without_decay_nothing_is_kept() -> None:
    weight = nn.Parameter(torch.ones(2))
    average = WeightAverage({"w": weight}, 0.0)
    average.update()
    with average.applied():
        assert torch.equal(weight.detach(), torch.ones(2))
    assert average.tensors() == {}
