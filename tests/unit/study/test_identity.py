"""The key of an experiment: equal for what cannot differ, another one for each thing that can."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

import magnet
from magnet.models.registry import MODELS, register
from magnet.study import identity
from magnet.study.identity import experiment, key_of, takes_seed


def key(dataset, model="lightgcn", *, seed=0, protocol="strict", parts=("valid", "test"), **config):
    built = magnet.Recommender(model, **config).config
    return key_of(experiment(dataset, model, built, seed=seed, protocol=protocol, parts=parts))


def test_everything_that_matters_makes_another_key(tiny, monkeypatch):
    data = tiny.dataset
    moved = data.parts.copy()
    moved[np.flatnonzero(moved == 0)[0]] = 1
    split = dataclasses.replace(data, parts=moved)
    fewer = dataclasses.replace(data, modalities={"text": data.modalities["text"]})
    turned = dataclasses.replace(data, modalities=dict(reversed(data.modalities.items())))
    keys = [
        key(data),
        key(split),
        key(fewer),
        key(turned),
        key(data, seed=1),
        key(data, protocol="mmrec"),
        key(data, parts=("valid",)),
        key(data, dim=32),
        key(data, train={"epochs": 7}),
        key(data, "ease"),
    ]
    monkeypatch.setattr(identity, "NUMERICS", identity.NUMERICS + 1)
    keys.append(key(data))
    monkeypatch.setattr("magnet.runtime.versions", lambda: {"magnet": "9.9.9"})
    keys.append(key(data))
    assert len(set(keys)) == len(keys)


def test_what_cannot_matter_does_not(tiny):
    data = tiny.dataset
    order = np.random.default_rng(0).permutation(len(data.users))
    shuffled = dataclasses.replace(
        data, users=data.users[order], items=data.items[order], parts=data.parts[order], name="other"
    )
    default = magnet.LightGCN().config.dim
    assert key(data) == key(shuffled) == key(data, dim=default)
    # A closed form draws nothing: one run stands for all seeds.
    assert key(data, "ease", seed=0) == key(data, "ease", seed=5)
    assert (takes_seed("magnet"), takes_seed("popularity")) == (True, False)


@pytest.fixture
def own_model(tmp_path, monkeypatch):
    """A model from outside, in a file that can be edited."""
    text = "import magnet\nclass Own(magnet.Config):\n    {}\n"
    file = tmp_path / "own_study_model.py"
    file.write_text(text.format("width: int = 1"))
    monkeypatch.syspath_prepend(tmp_path)
    import own_study_model

    register("own-study", own_study_model.Own, fit=lambda dataset, config, *, seed: None)
    yield file, text
    MODELS._added.pop("own-study")


def test_a_model_from_outside_is_another_one_after_an_edit(tiny, own_model):
    file, text = own_model
    before = key(tiny.dataset, "own-study")
    assert before == key(tiny.dataset, "own-study")
    # It may draw, so that each seed is a run of its own.
    assert key(tiny.dataset, "own-study", seed=1) != before
    file.write_text(text.format("width: int = 1  # and something else"))
    assert key(tiny.dataset, "own-study") != before


def test_a_model_of_a_notebook_is_another_one_after_an_edit(tiny):
    scope = {"magnet": magnet, "__name__": "a_notebook"}
    exec("class Own(magnet.Config):\n    width: int = 1\n", scope)
    keys = []
    try:
        for body in ("1", "1", "2"):
            exec(f"def fit(dataset, config, *, seed):\n    return {body}\n", scope)
            register("notebook-study", scope["Own"], fit=scope["fit"], replace=True)
            keys.append(key(tiny.dataset, "notebook-study"))
    finally:
        MODELS._added.pop("notebook-study")
    assert keys[0] == keys[1] != keys[2]
