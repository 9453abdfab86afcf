"""Roles, losses and content encoders from outside do what Magnet's own do, and are refused in words."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import nn

import magnet
from magnet.errors import ConfigError
from magnet.nn.content import ENCODERS
from magnet.nn.experts import Cues, Experts, ExpertsConfig
from magnet.nn.losses import LOSSES, bpr, sampled_softmax
from magnet.nn.roles import ROLES, Mix, each_pair
from magnet.states import to_tensors
from support.small_world import world


@pytest.fixture(autouse=True)
def forgotten():
    """What a test registers is gone after it."""
    tables = (ROLES, LOSSES, ENCODERS)
    kept = [(dict(table._added), dict(table._owners)) for table in tables]
    yield
    for table, (added, owners) in zip(tables, kept, strict=True):
        table._added, table._owners = added, owners


def everything(patterns, groups):
    present = patterns.present.float()
    shares = (present / present.sum(0).clamp(min=1)).T[None]
    return Mix(shares, torch.zeros_like(shares), patterns.present.any(0)[None])


def test_a_role_from_outside_mixes_what_it_says():
    magnet.register_role("everything", everything, groups=lambda n: [tuple(range(n))])
    config = ExpertsConfig.build({"roles": ["everything"], "towers": "plain", "dropout": 0.0})
    experts = Experts(["behaviour", "image", "text"], 6, config).eval()
    values = F.normalize(torch.randn(3, 4, 6, generator=torch.Generator().manual_seed(0)), dim=-1)
    present = torch.tensor([[1, 1, 0, 0], [1, 0, 1, 0], [1, 0, 0, 0]], dtype=torch.bool)
    values = values * present[..., None]
    towers = experts(Cues(values, present))
    expected = values.sum(0) / present.sum(0).clamp(min=1)[:, None]
    torch.testing.assert_close(towers.values[:, 0], expected)
    assert towers.on[:, 0].tolist() == [True, True, True, False]
    (told,) = experts.roles_and_weights(["behaviour", "image", "text"])
    assert told["name"] == "everything/behaviour+image+text"
    assert told["cue_weights"] == pytest.approx({"behaviour": 1 / 3, "image": 1 / 3, "text": 1 / 3})


def test_a_role_that_repeats_magnets_own_gives_the_same_experts():
    magnet.register_role("pairs", ROLES.find("balanced").mix, groups=each_pair)
    found = []
    for role in ("balanced", "pairs"):
        torch.manual_seed(0)
        experts = Experts(["behaviour", "image"], 4, ExpertsConfig.build({"roles": [role]})).eval()
        rows = F.normalize(torch.randn(2, 3, 4, generator=torch.Generator().manual_seed(1)), dim=-1)
        found.append(experts(Cues(rows, torch.ones(2, 3, dtype=torch.bool))).values)
        assert experts.roles_and_weights(["behaviour", "image"])[0]["cue_weights"] == {
            "behaviour": 0.5,
            "image": 0.5,
        }
    assert torch.equal(*found)


SMALL = {
    "dim": 8,
    "train": {"epochs": 1, "batch_size": 512},
    "schedule": {"epochs": 2},
    "controller": {"cap": 1, "ramp": 1},
}


def fitted(dataset, **settings):
    model = magnet.Magnet(seed=1, **SMALL, **settings).fit(dataset, progress=False)
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


def test_an_encoder_from_outside_is_the_networks_first_part(tiny):
    made = []

    def linear(width, dim):
        made.append((width, dim))
        return nn.Linear(width, dim)

    magnet.register_encoder("linear", linear)
    model, inputs, _ = world(content={"encoder": "linear", "smooth": False})
    assert made == [(6, 8), (5, 8)]
    content = model.encode_content(inputs)
    rows = F.normalize(model.content.towers[0](inputs.features[0]), dim=-1)
    torch.testing.assert_close(content.cues[0], rows)


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [
        ({"experts": {"roles": ["dominat"]}}, "no role of experts 'dominat'; did you mean 'dominant'"),
        ({"loss": {"kind": "brp"}}, "no loss 'brp'; did you mean 'bpr'"),
        ({"content": {"encoder": "tower"}}, "no content encoder 'tower'; did you mean 'towers'"),
    ],
)
def test_an_unknown_name_is_refused_with_the_nearest(settings, complaint):
    with pytest.raises(ConfigError, match=complaint):
        magnet.Magnet(**settings)


def test_magnets_own_are_not_replaced():
    for call in (
        lambda: magnet.register_role("dominant", everything, replace=True),
        lambda: magnet.register_loss("bpr", lambda p, n, seen: p.sum(), replace=True),
        lambda: magnet.register_encoder("towers", nn.Linear, replace=True),
    ):
        with pytest.raises(ConfigError, match="is Magnet's own"):
            call()
