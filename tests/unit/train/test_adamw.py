"""AdamW against torch's own, and what it spares."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch

from magnet.errors import ConfigError
from magnet.train.adamw import AdamW


def parameters():
    generator = torch.Generator().manual_seed(0)
    shapes = [(7, 5), (3,), (), (0, 4), (2, 2)]
    return [torch.randn(shape, generator=generator).requires_grad_() for shape in shapes]


def groups(parameters):
    return [
        {"params": parameters[:2], "lr": 0.01, "weight_decay": 0.1},
        {"params": parameters[2:4], "lr": 0.3, "betas": (0.5, 0.9), "eps": 1e-3},
        {"params": parameters[4:], "lr": 0.1},
    ]


def walk(optimizer, parameters, steps):
    """Steps that leave some parameters without a gradient: the last has none before the third step."""
    for step in steps:
        optimizer.zero_grad()
        moved = parameters if step > 2 else parameters[:-1]
        sum(((p - step) ** 3).sum() for p in moved).backward()
        optimizer.step()


def same(left, right):
    return all(torch.equal(a, b) for a, b in zip(left, right, strict=True))


def test_every_step_is_that_of_torch_to_the_bit():
    ours, theirs = parameters(), parameters()
    walk(AdamW(groups(ours)), ours, range(6))
    walk(torch.optim.AdamW(groups(theirs), fused=True), theirs, range(6))
    assert same(ours, theirs)
    assert not same(ours, parameters())


def test_moments_that_were_put_back_go_on_as_if_nothing_had_happened():
    whole, halved = parameters(), parameters()
    walk(AdamW(groups(whole)), whole, range(6))
    first = AdamW(groups(halved))
    walk(first, halved, range(3))
    kept = {name: tensor.clone() for name, tensor in first.tensors().items()} | {
        "model/weight": torch.ones(1)
    }
    second = AdamW(groups(halved))
    second.restore(kept)
    walk(second, halved, range(3, 6))
    assert same(halved, whole)
    assert sorted(kept)[:3] == ["model/weight", "optimizer/0/exp_avg", "optimizer/0/exp_avg_sq"]
    # What was handed in stays as it was: a checkpoint in memory may be used again.
    assert kept["optimizer/0/step"] == 3


def test_an_option_that_does_not_exist_is_refused():
    with pytest.raises(ConfigError, match="no option 'learning_rate'"):
        AdamW([{"params": parameters(), "learning_rate": 0.1}])


TRAINED = """
import sys
import numpy as np
import polars as pl
import magnet

rng = np.random.default_rng(0)
frame = pl.DataFrame({"user": np.repeat(np.arange(40), 10), "item": rng.integers(0, 25, 400)})
data = magnet.Dataset.from_frame(frame, features={"text": rng.standard_normal((25, 6))}, split="random")
mixing = {"global_steps": 2, "steps": 2, "top": 20}
magnet.Magnet(train={"epochs": 2}, mixing=mixing).fit(data, progress=False)
print([name for name in ("torch._dynamo", "torch._inductor", "sympy") if name in sys.modules])
"""


def test_training_does_not_import_the_compiler():
    done = subprocess.run([sys.executable, "-c", TRAINED], capture_output=True, text=True)
    assert (done.stdout, done.returncode) == ("[]\n", 0), done.stderr
