"""InfoNCE one way against its formula, and its gradient against differences."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from magnet.nn import anchored as module
from magnet.nn.anchored import anchored_info_nce
from support.multimodal import anchored_info_nce as by_hand


def drawn(n, width, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(2, n, width, generator=generator, dtype=torch.float64).unbind()


@pytest.mark.parametrize("n", [2, 256, 600])  # less than a block, one, and some
@pytest.mark.parametrize("temperature", [0.05, 0.4])
def test_it_is_the_formula_for_any_number_of_blocks(n, temperature):
    a, b = drawn(n, 5)
    expected = by_hand(a.numpy(), b.numpy(), temperature)
    np.testing.assert_allclose(anchored_info_nce(a, b, temperature).item(), expected, rtol=1e-12)
    found = anchored_info_nce(a.float(), b.float(), temperature).item()
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-6)
    assert by_hand(b.numpy(), a.numpy(), temperature) != pytest.approx(expected, rel=1e-6) or n == 2


def test_its_gradient_is_that_of_differences(monkeypatch):
    monkeypatch.setattr(module, "_ROWS", 3)
    a, b = (x.requires_grad_() for x in drawn(7, 4))
    assert torch.autograd.gradcheck(lambda a, b: 3 * anchored_info_nce(a, b, 0.3), (a, b))


def test_a_row_alone_has_nothing_to_be_told_from():
    a, b = drawn(1, 4)
    assert anchored_info_nce(a, b, 0.2).item() == 0


def test_rows_without_direction_are_left_out():
    a, b = drawn(6, 4)
    a[2], b[4] = 0, 0
    kept = [0, 1, 3, 5]
    assert anchored_info_nce(a, b, 0.2).item() == anchored_info_nce(a[kept], b[kept], 0.2).item()
    assert anchored_info_nce(a[:2], torch.zeros(2, 4), 0.2).item() == 0
