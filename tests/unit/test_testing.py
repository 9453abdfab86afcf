"""The contract of a model: Magnet's own keep it, and each way to break it is noticed."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

import magnet
from magnet.models.registry import MODELS
from magnet.states import DotState
from magnet.testing import check_model
from magnet.train import OnePhaseTask, Terms
from support.quick import MIXING

QUICK = {"epochs": 2, "batch_size": 512, "learning_rate": 5e-3}
SETTINGS = {
    "magnet": {"dim": 8, "train": QUICK, "mixing": MIXING, "controller": {"cap": 1, "ramp": 1}},
    "lightgcn": {"dim": 8, "train": QUICK},
    "bpr-mf": {"dim": 8, "train": QUICK},
    "vbpr": {"dim": 8, "content_dim": 4, "l2_content": 0.1, "train": QUICK},
    "lattice": {"dim": 8, "content_dim": 6, "neighbours": 5, "train": QUICK},
    "bm3": {"dim": 8, "train": QUICK},
    "freedom": {"dim": 8, "neighbours": 5, "train": QUICK},
    "mgcn": {"dim": 8, "neighbours": 5, "train": QUICK},
    "lgmrec": {"dim": 8, "train": QUICK},
    "gume": {"dim": 8, "neighbours": 5, "train": QUICK},
    "smore": {"dim": 8, "neighbours": 5, "train": QUICK},
    "msca": {"dim": 8, "neighbours": 5, "train": QUICK},
    "ease": {"regularization": 50.0},
    "l3ae": {"modality": "text", "support": 50},
    "add-ease": {"regularization": 50.0},
    "cease": {"content_weight": 20.0},
    "gf-cf": {"rank": 16},
    "chebycf": {"rank": 16, "order": 5},
    "filter": {"coefficients": [2.0, -1.0], "exponent": 0.0},
    "item-knn": {"neighbours": 5},
    "profile": {"modality": "text"},
    "user-knn": {"neighbours": 10},
    "implicit-als": {"dim": 8, "iterations": 3},
    "implicit-bpr": {"dim": 8, "iterations": 3},
    "popularity": {},
    "random": {},
}


def test_every_model_of_magnets_is_held_to_it():
    assert set(SETTINGS) == set(MODELS.own)


@pytest.mark.parametrize("name", SETTINGS)
def test_magnets_own_models_keep_the_contract(name):
    if name.startswith("implicit"):
        pytest.importorskip("implicit")
    check_model(name, **SETTINGS[name])


def test_a_class_can_be_checked():
    check_model(magnet.EASE, regularization=20.0)


class Settings(magnet.Config):
    """No settings."""


class Loose(Settings, extra="ignore"):
    """Accepts anything."""


def vectors(dataset, values):
    return DotState(torch.ones(dataset.n_users, 1), torch.from_numpy(values.astype(np.float32))[:, None])


def counts(dataset):
    return np.bincount(dataset.train.indices, minlength=dataset.n_items).astype(np.float32)


def unseeded(dataset, config, *, seed):
    return vectors(dataset, np.random.default_rng().random(dataset.n_items))


def global_numpy(dataset, config, *, seed):
    np.random.random()  # noqa: NPY002 - what must be noticed
    return vectors(dataset, counts(dataset))


def global_torch(dataset, config, *, seed):
    torch.rand(1)
    return vectors(dataset, counts(dataset))


def peeking(dataset, config, *, seed):
    return vectors(dataset, np.bincount(dataset.items, minlength=dataset.n_items))


def infinite(dataset, config, *, seed):
    return vectors(dataset, np.where(np.arange(dataset.n_items) == 3, np.nan, counts(dataset)))


def transposed(dataset, config, *, seed):
    return DotState(torch.ones(dataset.n_items, 1), torch.ones(dataset.n_users, 1))


def writing(dataset, config, *, seed):
    dataset.users[:] = np.sort(dataset.users)[::-1]
    return vectors(dataset, counts(dataset))


class Unkept:
    """Scores, but no run folder can keep it."""

    def __init__(self, dataset):
        self.shape, self.row = (dataset.n_users, dataset.n_items), counts(dataset)

    def scores(self, users):
        return np.tile(self.row, (len(users), 1))


@pytest.fixture
def register(monkeypatch):
    """Registers for one test."""
    kept, owners = dict(MODELS._added), dict(MODELS._owners)
    yield magnet.register
    MODELS._added.clear()
    MODELS._added.update(kept)
    MODELS._owners.clear()
    MODELS._owners.update(owners)


@pytest.mark.parametrize(
    ("fit", "complaint"),
    [
        (unseeded, "two fits with one seed differ"),
        (global_numpy, "NumPy's global generator was used"),
        (global_torch, "torch's global generator was used"),
        (peeking, "other validation and test interactions change the model"),
        (infinite, "the score of user 0 and item 3 is nan"),
        (transposed, r"scores 160 users and 240 items.*the data have 240 and 160"),
        (writing, "the data set was written to"),
        (lambda dataset, config, *, seed: Unkept(dataset), "cannot keep a Unkept|to keep a Unkept"),
    ],
)
def test_what_breaks_the_contract_is_named(register, fit, complaint, tiny):
    register("broken", Settings, fit=fit)
    copy = replace(  # one of them writes to it
        tiny.dataset, users=tiny.dataset.users.copy()
    )
    with pytest.raises((AssertionError, magnet.MagnetError), match=complaint):
        check_model("broken", dataset=copy)


def test_settings_that_accept_anything_are_named(register):
    register("broken", Loose, fit=lambda dataset, config, *, seed: vectors(dataset, counts(dataset)))
    with pytest.raises(AssertionError, match="an unknown setting is accepted"):
        check_model("broken")


class TrainedSettings(magnet.Config):
    """Of a trained model."""

    train: magnet.TrainConfig = magnet.TrainConfig(epochs=3, batch_size=512)


class Drifting(OnePhaseTask):
    """Forgets, when it is resumed, how many epochs it has seen."""

    def __init__(self, dataset, config, *, seed):
        super().__init__(config.train, lambda: nn.Embedding(dataset.n_items, 4), seed=seed)
        self.n_users, self.seen = dataset.n_users, 0

    def begin_epoch(self, epoch):
        super().begin_epoch(epoch)
        self.seen += 1

    def step(self, batch):
        rows = self.module.weight
        loss = (rows[batch.positives] - self.seen).square().mean() + rows[batch.negatives].square().mean()
        return Terms(loss, {"ranking": loss})

    @torch.no_grad()
    def state(self):
        return DotState(torch.ones(self.n_users, 4), self.module.weight)


def test_a_training_that_forgets_is_named(register):
    register("broken", TrainedSettings, task=Drifting)
    with pytest.raises(
        AssertionError, match=r"interrupted and resumed differs; progress\(\) and restore\(\)"
    ):
        check_model("broken")
