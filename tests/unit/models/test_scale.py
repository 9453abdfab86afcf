"""Content is read by its direction alone: the scale of the features changes no score of any model."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

import magnet
from support.few import few
from support.quick import CONTROLLER, MIXING

CLOSED = {
    "add-ease": {},
    "cease": {},
    "item-knn": {"modality": "m0"},
    "l3ae": {"modality": "m0"},
    "profile": {"modality": "m0"},
}
SHORT = {"epochs": 2, "batch_size": 128}
MULTIMODAL = ("vbpr", "lattice", "bm3", "freedom", "mgcn", "lgmrec", "gume", "smore", "msca")
TRAINED = {name: {"train": SHORT} for name in MULTIMODAL}
MIXED = {
    "dim": 8,
    "train": SHORT,
    "controller": CONTROLLER,
    "mixing": MIXING | {"content": [{"kind": "l3ae"}, {"kind": "profile"}]},
}
FROM_CONTENT = MIXED | {"behaviour": {"start": "content", "content_gate": "features"}}


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("MAGNET_CACHE", str(tmp_path))


def scores(model, settings, power):
    data = few()
    data = dataclasses.replace(
        data,
        modalities={
            name: dataclasses.replace(modality, features=np.ldexp(modality.features, power))
            for name, modality in data.modalities.items()
        },
    )
    fitted = magnet.Recommender(model, **settings).fit(data, progress=False)
    return fitted.score(data.user_ids, data.item_ids), fitted


@pytest.mark.parametrize(
    ("model", "settings"),
    [*(CLOSED | TRAINED).items(), ("magnet", MIXED), ("magnet", FROM_CONTENT)],
)
def test_powers_of_two_change_no_bit_of_a_score(model, settings):
    plain, fitted = scores(model, settings, 0)
    assert np.ptp(plain) > 0
    for power in (70, -50):
        scaled, again = scores(model, settings, power)
        assert (scaled == plain).all(), power
        for name, rows in fitted.contents.content.items():
            assert (again.contents.content[name] == rows).all()
