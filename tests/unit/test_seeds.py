"""Seeded randomness leaves every generator as it was, and touches no device that is not in use."""

from __future__ import annotations

import pytest
import torch

from magnet.seeds import seeded


def test_the_generator_is_seeded_inside_and_restored_after() -> None:
    before = torch.get_rng_state()
    with seeded(3):
        first = torch.rand(4)
    assert torch.equal(torch.get_rng_state(), before)
    with seeded(3):
        assert torch.equal(torch.rand(4), first)
    with seeded(4):
        assert not torch.equal(torch.rand(4), first)
    assert torch.equal(torch.rand(4, generator=torch.Generator().manual_seed(3)), first)


def test_it_is_restored_after_an_error() -> None:
    before = torch.get_rng_state()
    with pytest.raises(ValueError, match="inside"), seeded(3):
        raise ValueError("inside")
    assert torch.equal(torch.get_rng_state(), before)


def test_no_device_is_seeded_but_those_of_the_module(monkeypatch: pytest.MonkeyPatch) -> None:
    seeds: list[int] = []
    monkeypatch.setattr(torch.cuda, "manual_seed_all", seeds.append)
    monkeypatch.setattr(torch.cuda, "manual_seed", seeds.append)
    with seeded(3, module=torch.nn.Linear(2, 2)):
        pass
    assert seeds == []
    torch.manual_seed(torch.initial_seed())
    assert seeds != [], "torch's own function seeds all of them"


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device on this machine")
def test_the_generator_of_the_module_s_device_is_seeded_and_restored() -> None:
    module = torch.nn.Linear(2, 2).cuda()
    before = torch.cuda.get_rng_state()
    with seeded(3, module=module):
        first = torch.rand(4, device="cuda")
    assert torch.equal(torch.cuda.get_rng_state(), before)
    with seeded(3, module=module):
        assert torch.equal(torch.rand(4, device="cuda"), first)
