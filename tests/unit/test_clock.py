"""The clock waits for CUDA where CUDA is in use, and only while it runs."""

from __future__ import annotations

import pytest
import torch

from magnet.clock import clocked, timed


def test_sections_are_added_up_by_name_only_while_a_clock_runs() -> None:
    with timed("before"):
        pass
    with clocked() as seconds:
        for _ in range(2):
            with timed("a"), timed("b"):
                pass
    with timed("after"):
        pass
    assert set(seconds) == {"a", "b"}
    assert seconds["a"] >= seconds["b"] > 0


@pytest.mark.parametrize("used", [False, True])
def test_it_waits_for_cuda_only_where_that_is_in_use(monkeypatch: pytest.MonkeyPatch, used: bool) -> None:
    waits: list[int] = []
    monkeypatch.setattr(torch.cuda, "is_initialized", lambda: used)
    monkeypatch.setattr(torch.cuda, "synchronize", lambda: waits.append(1))
    with timed("unclocked"):
        pass
    assert waits == []
    with clocked(), timed("a"):
        pass
    assert len(waits) == (2 if used else 0)
