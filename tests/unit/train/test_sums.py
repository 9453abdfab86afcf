"""Loss terms are read once in many steps: the same sums, and the first bad batch still has its name."""

from __future__ import annotations

import math

import pytest
import torch

from magnet.errors import TrainingError
from magnet.train import sums
from magnet.train.sums import LossSums
from magnet.train.task import Terms


def terms(**named: float) -> Terms:
    return Terms.of({name: torch.tensor(value) for name, value in named.items()})


def test_sums_are_those_of_python_numbers_to_the_bit() -> None:
    generator = torch.Generator().manual_seed(0)
    found, expected = LossSums(0), {"loss": 0.0, "ranking": 0.0, "l2": 0.0}
    for _ in range(2 * sums.READ_EVERY + 7):
        a, b = torch.rand(2, generator=generator)
        each = Terms.of({"ranking": a, "l2": b})
        found.add(each)
        for name, value in (("loss", each.total), *each.named.items()):
            expected[name] += value.item()
    found.read()
    n = 2 * sums.READ_EVERY + 7
    assert found.means() == {name: value / n for name, value in expected.items()}


def test_a_term_that_some_batches_lack_counts_as_nothing_there() -> None:
    found = LossSums(0)
    found.add(terms(ranking=1.0))
    found.add(terms(ranking=2.0, contrast=4.0))
    found.read()
    assert found.means() == {"loss": 3.5, "ranking": 1.5, "contrast": 2.0}


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_the_first_bad_batch_is_named_when_it_is_read(bad: float) -> None:
    found = LossSums(3)
    for number in range(sums.READ_EVERY - 1):
        found.add(terms(ranking=bad if number >= 5 else 1.0, z=bad if number >= 9 else 1.0, l2=1.0))
    with pytest.raises(
        TrainingError, match=r"epoch 3, batch 5 \(ranking\); the last good checkpoint is kept"
    ):
        found.add(terms(ranking=1.0))


def test_nothing_is_read_before_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    reads: list[int] = []
    read = LossSums.read
    monkeypatch.setattr(LossSums, "read", lambda self: (reads.append(1), read(self))[1])
    found = LossSums(0)
    for _ in range(3 * sums.READ_EVERY):
        found.add(terms(ranking=1.0))
    assert len(reads) == 3
