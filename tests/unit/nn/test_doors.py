"""Roles and losses from outside do what Magnet's own do, and are refused in words."""

from __future__ import annotations

import pytest
import torch

import magnet
from magnet.errors import ConfigError
from magnet.nn.losses import LOSSES, bpr, sampled_softmax
from magnet.nn.mixture.roles import ROLES, Cues, each_pair, expert_weights, experts_over
from magnet.states import to_tensors


@pytest.fixture(autouse=True)
def forgotten():
    """What a test registers is gone after it."""
    tables = (ROLES, LOSSES)
    kept = [(dict(table._added), dict(table._owners)) for table in tables]
    yield
    for table, (added, owners) in zip(tables, kept, strict=True):
        table._added, table._owners = added, owners


def everything(group, cues):
    return torch.full((len(cues.shares),), 1 / len(group))


THREE = Cues(torch.full((3,), 0.8), torch.zeros(3, 3))


def test_a_role_from_outside_takes_what_it_says():
    magnet.register_role("everything", everything, groups=lambda n: [tuple(range(n))])
    experts = experts_over(["behaviour", "image", "text"], ["everything", "null"])
    assert [expert.name for expert in experts] == ["everything/behaviour+image+text", "null"]
    torch.testing.assert_close(expert_weights(experts, THREE), torch.tensor([[1 / 3] * 3, [0.0] * 3]))


def test_a_role_that_repeats_magnets_own_gives_the_same_experts():
    magnet.register_role("pairs", ROLES.find("balanced").weights, groups=each_pair)
    found = [expert_weights(experts_over(list("abc"), [role]), THREE) for role in ("balanced", "pairs")]
    assert torch.equal(*found)


def fitted(dataset, **settings):
    small = {"dim": 8, "mixture": False, "train": {"epochs": 1, "batch_size": 512}}
    model = magnet.Magnet(seed=1, **small, **settings).fit(dataset, progress=False)
    return to_tensors(model.contents.state)[0]


@pytest.mark.parametrize(
    ("kind", "function", "options"),
    [("bpr", bpr, {}), ("softmax", sampled_softmax, {"shared": True, "cosine": True})],
)
def test_a_loss_that_repeats_magnets_own_gives_the_same_bits(kind, function, options, tiny):
    magnet.register_loss("mine", function, **options)
    own = fitted(tiny.dataset, loss={"kind": kind, "negatives": 32})
    mine = fitted(tiny.dataset, loss={"kind": "mine", "negatives": 32})
    assert all(torch.equal(own[name], mine[name]) for name in own)
    assert own.keys() == mine.keys()


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [
        ({"experts": {"roles": ["dominat"]}}, "no role of experts 'dominat'; did you mean 'dominant'"),
        ({"loss": {"kind": "brp"}}, "no loss 'brp'; did you mean 'bpr'"),
    ],
)
def test_an_unknown_name_is_refused_with_the_nearest(settings, complaint):
    with pytest.raises(ConfigError, match=complaint):
        magnet.Magnet(**settings)


def test_magnets_own_are_not_replaced():
    for call in (
        lambda: magnet.register_role("dominant", everything, replace=True),
        lambda: magnet.register_loss("bpr", lambda p, n, seen: p.sum(), replace=True),
    ):
        with pytest.raises(ConfigError, match="is Magnet's own"):
            call()
