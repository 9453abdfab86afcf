"""Data without a validation part, and the model that is trained on everything in the end."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

import magnet
from magnet.errors import ConfigError, DataError
from magnet.train.schedule import schedule_of
from support.few import few
from support.quick import CONTROLLER, MIXING

QUICK = {"epochs": 12, "batch_size": 64, "validate_every": 5, "learning_rate": 1e-2}


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("MAGNET_CACHE", str(tmp_path / "cache"))


def frame(parts):
    rows = [(u, (u + j) % 7, part) for u in range(12) for j, part in enumerate(parts)]
    return pd.DataFrame(rows, columns=["user", "item", "split"])


@pytest.mark.parametrize("model", ["popularity", "ease", "item-knn", "user-knn", "filter"])
@pytest.mark.parametrize("parts", [["train"] * 3 + ["test"], ["train"] * 4, None])
def test_models_that_choose_nothing_need_no_validation_part(model, parts, tmp_path):
    data = magnet.Dataset.from_frame(frame(parts or ["train"] * 4), split=None if parts is None else "split")
    fitted = magnet.Recommender(model).fit(data, folder=tmp_path / "run", progress=False)
    assert fitted.metrics == {}
    again = magnet.load(tmp_path / "run")
    assert again.recommend([0], k=3).equals(fitted.recommend([0], k=3))
    if parts and "test" in parts:
        assert 0 <= fitted.evaluate(data, "test", ks=[2]).metrics["recall@2"] <= 1
    with pytest.raises(DataError, match="part 'valid' has no interactions"):
        fitted.evaluate(data, "valid")


@pytest.mark.parametrize("model", ["lightgcn", "bpr-mf"])
def test_trained_models_say_what_to_do_without_one(model, tmp_path):
    data = magnet.Dataset.from_frame(frame(["train"] * 3 + ["test"]), split="split")
    with pytest.raises(DataError, match=r"needs a validation part .*split='random'.*final=True"):
        magnet.Recommender(model).fit(data, folder=tmp_path / "run", progress=False)
    assert not (tmp_path / "run").exists()


def test_a_final_training_is_one_on_everything_for_as_many_epochs():
    data = few()
    chosen = magnet.Recommender("lightgcn", seed=3, train=QUICK).fit(data, progress=False)
    epochs = chosen.contents.facts["best"]["training"]["epoch"] + 1
    chosen.fit(data, final=True, progress=False)
    assert len(chosen.contents.events) == epochs
    assert chosen.contents.facts["schedule"] == [epochs]
    assert (chosen.contents.train != data.train_valid + data.test).nnz == 0
    assert chosen.contents.valid.nnz == 0
    assert chosen.metrics == {}
    # The same by hand: a training on all pairs whose last epoch is called the best.
    values = iter(range(100))
    by_hand = magnet.Recommender("lightgcn", seed=3, train=QUICK | {"epochs": epochs})
    magnet.Trainer(
        by_hand,
        data.whole(),
        evaluator=lambda state: SimpleNamespace(
            metrics={"recall@20": float(next(values))},
            to_json=lambda _: {},
            users=np.empty(0, np.int32),
            per_user={},
        ),
        progress=False,
    ).fit()
    assert (by_hand.score(data.user_ids, data.item_ids) == chosen.score(data.user_ids, data.item_ids)).all()


def test_averaged_weights_are_delivered_in_a_final_training():
    data = few()
    model = magnet.Recommender("bpr-mf", train=QUICK | {"average": 0.9}).fit(data, progress=False)
    epochs = model.contents.facts["best"]["training"]["epoch"] + 1
    averaged = model.fit(data, final=True, progress=False).score([0], data.item_ids)
    plain = magnet.Recommender("bpr-mf", train=QUICK | {"epochs": epochs})
    magnet.Trainer(plain, data.whole(), schedule=[epochs], progress=False).fit()
    assert not np.allclose(averaged, plain.score([0], data.item_ids))


def test_magnet_goes_through_its_phases_again():
    data = few()
    model = magnet.Magnet(dim=8, train=QUICK, controller=CONTROLLER, mixing=MIXING).fit(data, progress=False)
    schedule = schedule_of(model.contents.events, model.contents.facts)
    delivered = model.contents.facts["delivered"]
    model.fit(data, final=True, progress=False)
    events = model.contents.events
    starts = [place for place, e in enumerate(events) if e["phase_epochs"] == 1]
    lengths = np.diff([*starts, len(events)]).tolist()
    assert len(lengths) == len(schedule)
    assert all(asked in (None, length) for asked, length in zip(schedule, lengths, strict=True))
    assert not any("valid" in e for e in events)
    assert model.contents.train.nnz == data.users.size
    if delivered == "backbone":
        assert [e["stage"] for e in events] == ["backbone"] * len(events)
    assert model.recommend([0], k=3).height == 3


@pytest.mark.parametrize("stage", ["backbone", "global", "coverage", "specialisation"])
def test_schedules_end_at_the_delivered_stage(stage):
    lengths = {
        "backbone": (0, 4),
        "fold": (4, 9),
        "global": (9, 12),
        "coverage": (12, 14),
        "specialisation": (14, 20),
    }
    events = [
        {"epoch": e, "stage": name, "phase_epochs": e - (12 if name == "specialisation" else first) + 1}
        for name, (first, end) in lengths.items()
        for e in range(first, end)
    ]
    best = {"backbone": 2, "global": 10, "coverage": 13, "specialisation": 17}
    facts = {"best": {name: {"epoch": epoch} for name, epoch in best.items()}, "delivered": stage}
    expected = {
        "backbone": [3],
        "global": [3, None, 2],
        "coverage": [3, None, 2, 2],
        "specialisation": [3, None, 2, 6],
    }
    assert schedule_of(events, facts) == expected[stage]


def test_a_final_training_needs_one_that_chose():
    data = few()
    model = magnet.Recommender("bpr-mf", train=QUICK)
    with pytest.raises(DataError, match="not fitted to data with a validation part yet; call fit"):
        model.fit(data, final=True, progress=False)
    model.fit(data, progress=False)
    with pytest.raises(DataError, match="is not the data this model was fitted to"):
        model.fit(few(seed=1), final=True, progress=False)
    with pytest.raises(ConfigError, match="cannot be resumed"):
        magnet.Trainer(model, data, schedule=[1], folder="run", resume=True)
    ease = magnet.EASE().fit(data, final=True, progress=False)
    assert ease.contents.train.nnz == data.users.size
