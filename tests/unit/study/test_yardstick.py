"""What popularity and EASE have beside a model that was trained."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

import magnet
from magnet.study import yardstick
from magnet.study.yardstick import Yardstick, measure_yardstick
from support.evaluation_data import make_dataset


@pytest.mark.parametrize("protocol", ["strict", "mmrec"])
def test_values_are_those_of_the_models_themselves(tiny, protocol):
    data = tiny.dataset
    found = measure_yardstick("mine", {"recall@20": 0.2}, data, protocol=protocol)
    assert (found.metric, found.value, found.left_out) == ("recall@20", 0.2, "")
    for name, value in found.others.items():
        model = magnet.Recommender(name).fit(data, protocol=protocol, progress=False)
        assert value == model.metrics[f"valid/{protocol}"]["metrics"]["recall@20"]
    assert list(found.others) == ["popularity", "ease"]
    assert found.to_json()["ease"] == {"value": found.others["ease"], "ratio": found.others["ease"] / 0.2}


def test_a_model_is_no_yardstick_of_itself_and_large_catalogues_have_no_ease(tiny, monkeypatch):
    for name, others in (("ease", ["popularity"]), ("popularity", ["ease"])):
        found = measure_yardstick(name, {"recall@20": 0.2}, tiny.dataset, protocol="strict")
        assert list(found.others) == others
    monkeypatch.setattr(yardstick, "EASE_UP_TO", 159)
    large = measure_yardstick("mine", {"recall@20": 0.2}, tiny.dataset, protocol="strict")
    assert list(large.others) == ["popularity"]
    assert large.text().endswith("; EASE is left out here above 159 items")
    alone = measure_yardstick("popularity", {"recall@20": 0.2}, tiny.dataset, protocol="strict")
    assert alone.text() == "valid recall@20 0.2000; EASE is left out here above 159 items"


def test_it_measures_what_validation_chose_by():
    data = make_dataset(
        train={u: {0, u} for u in range(1, 4)},
        valid={u: {5} for u in range(1, 4)},
        test={},
        n_users=4,
        n_items=7,
    )
    found = measure_yardstick("mine", {"recall@20": 1.0, "ndcg@20": 0.5}, data, protocol="strict")
    assert (found.metric, found.value) == ("ndcg@20", 0.5)
    model = magnet.Popularity().fit(data, progress=False)
    assert found.others["popularity"] == model.metrics["valid/strict"]["metrics"]["ndcg@20"]


def test_the_sentence():
    yard = Yardstick("recall@20", 0.4, {"popularity": 0.1, "ease": 0.4})
    assert yard.text() == "valid recall@20 0.4000; popularity 0.1000 (75.0 % below), EASE 0.4000 (equal)"
    nothing = dataclasses.replace(yard, value=0.0)
    assert nothing.text() == "valid recall@20 0.0000; popularity 0.1000, EASE 0.4000"
    assert nothing.to_json()["ease"]["ratio"] is None
    assert np.isclose(yard.to_json()["popularity"]["ratio"], 0.25)
