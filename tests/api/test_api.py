"""Models by the user's own ids, from ten rows up."""

from __future__ import annotations

import numpy as np
import pandas as pd
import polars as pl
import pytest
import torch

import magnet
from magnet.errors import ConfigError, DataError, MagnetError, MagnetWarning, RunError, UnknownIdError
from magnet.run.events import EventLog
from support.quick import CONTROLLER, MIXING

QUICK = {"dim": 8, "train": {"epochs": 2, "batch_size": 256}, "mixing": MIXING, "controller": CONTROLLER}
MODELS = {
    "magnet": lambda: magnet.Magnet(**QUICK),
    "lightgcn": lambda: magnet.LightGCN(dim=8, train={"epochs": 2}),
    "ease": lambda: magnet.EASE(regularization=10),
    "popularity": lambda: magnet.Popularity(),
}


@pytest.fixture(autouse=True, scope="module")
def one_thread(tmp_path_factory):
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("MAGNET_CACHE", str(tmp_path / "cache"))


def ten_rows(user=str, item=str):
    """Four users, five items, ten interactions, one modality of which one item has nothing."""
    pairs = [(0, 0), (0, 1), (0, 2), (1, 0), (1, 3), (2, 1), (2, 4), (3, 2), (3, 0), (3, 4)]
    parts = ["train", "train", "valid", "train", "test", "train", "valid", "train", "train", "test"]
    frame = pd.DataFrame(
        {"user": [user(u) for u, _ in pairs], "item": [item(i) for _, i in pairs], "split": parts}
    )
    looks = {item(i): [1.0, i, i * i] for i in range(4)}
    return magnet.Dataset.from_frame(frame, split="split", features={"looks": looks})


@pytest.mark.parametrize("name", MODELS)
def test_ten_rows_go_end_to_end(name, tmp_path):
    data = ten_rows()
    model = MODELS[name]().fit(data, progress=False)
    assert 0 <= model.metrics["valid/strict"]["metrics"]["recall@20"] <= 1
    lists = model.recommend(data.user_ids, k=2)
    seen = {("0", "0"), ("0", "1"), ("0", "2"), ("1", "0"), ("2", "1"), ("2", "4"), ("3", "2"), ("3", "0")}
    assert not seen & set(zip(lists["user_id"], lists["item_id"], strict=True))
    assert lists["rank"].to_list() == [1, 2] * 4
    scores = model.score(data.user_ids, data.item_ids)
    assert scores.shape == (4, 5)
    for user, item, score in zip(lists["user_id"], lists["item_id"], lists["score"], strict=True):
        assert score == scores[data.user_index[user], data.item_index[item]]
    model.save(tmp_path / "run")
    again = magnet.load(tmp_path / "run")
    assert type(again) is type(model)
    assert again.recommend(data.user_ids, k=2).equals(lists)
    assert np.array_equal(again.score(data.user_ids, data.item_ids), scores)
    assert again.explain("0", "3").to_json() == model.explain("0", "3").to_json()


@pytest.mark.parametrize(
    ("user", "item"),
    [(str, str), (lambda u: u + 100, lambda i: i * 7), (lambda u: ("shop", u), lambda i: ("shelf", i))],
)
def test_ids_of_any_kind_come_back_as_they_were(user, item, tmp_path):
    data = ten_rows(user, item)
    model = magnet.EASE(regularization=10).fit(data, progress=False)
    lists = model.recommend([user(3), user(1)], k=3)
    assert lists["user_id"].to_list()[:1] == [user(3)]
    assert set(lists["item_id"].to_list()) <= {item(i) for i in range(5)}
    assert model.score([user(0)], [item(4)]).shape == (1, 1)
    model.save(tmp_path / "run")
    again = magnet.load(tmp_path / "run")
    assert again.contents.user_ids == data.user_ids
    assert again.recommend([user(3), user(1)], k=3)["item_id"].to_list() == lists["item_id"].to_list()


def test_seen_items_come_back_on_request():
    model = magnet.Popularity().fit(ten_rows(), progress=False)
    assert model.recommend(["0"], k=5, exclude_seen=False)["item_id"].to_list() == ["0", "1", "2", "3", "4"]
    assert model.recommend(["0"], k=5)["item_id"].to_list() == ["3", "4"]


def test_unknown_users_are_named_skipped_or_answered_by_popularity():
    model = magnet.EASE(regularization=10).fit(ten_rows(), progress=False)
    with pytest.raises(UnknownIdError, match="'eve'") as caught:
        model.recommend(["0", "eve", "mallory"], k=1)
    assert caught.value.ids == ["eve", "mallory"]
    assert model.recommend(["eve", "0"], k=1, unknown="skip")["user_id"].to_list() == ["0"]
    popular = model.recommend(["eve", "0"], k=2, unknown="popular")
    assert popular["user_id"].to_list() == ["eve", "eve", "0", "0"]
    assert popular["item_id"].to_list()[:2] == ["0", "1"]
    assert popular["reason"].to_list() == ["popular", "popular", "model", "model"]
    with pytest.raises(DataError, match="unknown must be"):
        model.recommend(["0"], k=1, unknown="guess")
    with pytest.raises(UnknownIdError, match="'pot'"):
        model.score(["0"], ["pot"])
    assert model.recommend([], k=2).height == 0
    assert model.recommend(["eve"], k=2, unknown="skip").height == 0


@pytest.mark.parametrize("k", [0, -1, 6])
def test_k_must_fit_the_catalogue(k):
    model = magnet.Popularity().fit(ten_rows(), progress=False)
    with pytest.raises(DataError, match="5 items"):
        model.recommend(["0"], k=k)


def test_a_user_who_has_seen_everything_gets_no_rows_and_is_counted():
    rows = [("all", item, "train") for item in "abc"]
    rows += [("few", "a", "train"), ("few", "b", "valid"), ("one", "c", "train"), ("one", "b", "test")]
    frame = pl.DataFrame(rows, schema=["user", "item", "split"], orient="row")
    model = magnet.Popularity().fit(magnet.Dataset.from_frame(frame, split="split"), progress=False)
    for unknown in ("error", "skip", "popular"):
        with pytest.warns(MagnetWarning, match="1 of 2 users have seen all 3 items and get no rows: 'all'"):
            lists = model.recommend(["few", "all"], k=1, unknown=unknown)
        assert lists["user_id"].to_list() == ["few"]
    with pytest.warns(MagnetWarning, match="1 of 1"):
        nothing = model.recommend("all", k=2)
    assert nothing.schema == lists.schema
    assert nothing.is_empty()
    assert model.recommend(["all"], k=3, exclude_seen=False).height == 3
    assert model.recommend(["few"], k=3)["item_id"].to_list() == ["c"]


@pytest.mark.parametrize("name", MODELS)
def test_one_user_and_one_item_are_an_error_that_says_why(name):
    frame = pl.DataFrame({"user": ["ann"], "item": ["tea"]})
    with pytest.raises(DataError, match="two users"):
        magnet.Dataset.from_frame(frame, features={"looks": {"tea": [1.0, 2.0]}})
    again = pl.DataFrame({"user": ["ann", "bob", "eve"], "item": ["tea"] * 3, "split": [0, 1, 2]})

    def train():
        data = magnet.Dataset.from_frame(again, split="split", features={"looks": {"tea": [1.0, 2.0]}})
        MODELS[name]().fit(data, progress=False)

    with pytest.raises(DataError, match="item"):
        train()


def test_settings_are_checked_at_once():
    with pytest.raises(ConfigError, match="did you mean 'dim'"):
        magnet.Magnet(dimm=3)
    with pytest.raises(ConfigError, match=r"\[train\] has no key 'epoch'; did you mean 'epochs'"):
        magnet.LightGCN(train={"epoch": 3})
    with pytest.raises(ConfigError, match="regularization"):
        magnet.EASE(regularization=0)


def test_a_model_that_is_not_fitted_says_so(tmp_path):
    for use in (
        lambda m: m.recommend(["a"]),
        lambda m: m.score(["a"], ["b"]),
        lambda m: m.save(tmp_path / "run"),
    ):
        with pytest.raises(MagnetError, match="not fitted"):
            use(magnet.EASE())
    assert not (tmp_path / "run").exists()


def test_saving_over_something_is_refused(tmp_path):
    model = magnet.Popularity().fit(ten_rows(), progress=False)
    model.save(tmp_path / "run")
    with pytest.raises(RunError, match="exists already"):
        model.save(tmp_path / "run")
    model.save(tmp_path / "run", overwrite=True)


def test_explaining_takes_both_ids_or_none():
    model = magnet.EASE(regularization=10).fit(ten_rows(), progress=False)
    with pytest.raises(DataError, match="a user and an item"):
        model.explain("0")
    with pytest.raises(UnknownIdError, match="'eve'"):
        model.explain("eve", "0")


def test_resuming_gives_the_bits_of_an_uninterrupted_run(tiny, tmp_path, monkeypatch):
    """LightGCN by ``fit``; MAGNET, in each of its phases, is in tests/unit/train."""

    def make():
        return magnet.LightGCN(dim=8, train={"epochs": 4, "batch_size": 512, "patience": 50})

    whole = make().fit(tiny.dataset, folder=tmp_path / "whole", progress=False)
    write, run = EventLog.write, tmp_path / "stopped"

    def interrupted(self, event):
        write(self, event)
        if event["epoch"] == 2:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(EventLog, "write", interrupted)
        with pytest.raises(KeyboardInterrupt):
            make().fit(tiny.dataset, folder=run, progress=False)
    with pytest.raises(RunError, match="interrupted"):
        magnet.load(run)
    resumed = make().fit(tiny.dataset, folder=run, resume=True, progress=False)
    ours, theirs = resumed.contents, whole.contents
    assert ours.state.users.equal(theirs.state.users)
    assert ours.state.items.equal(theirs.state.items)
    assert [e["epoch"] for e in ours.events] == list(range(len(theirs.events)))
    assert [e["terms"] for e in ours.events] == [e["terms"] for e in theirs.events]
    assert ours.metrics == theirs.metrics
    assert magnet.load(run).contents.metrics == theirs.metrics
