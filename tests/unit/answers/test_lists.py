"""Probabilities and reasons, and lists of everyone."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from scipy.sparse import csr_array

import magnet
from magnet.answers.chance import hit_rates
from magnet.answers.reasons import Reasons
from magnet.errors import DataError
from support.blend_data import blend
from support.shop import fitted, shop


def test_probabilities_are_the_rates_of_places_and_never_rise():
    model, data = fitted("ease"), shop()
    users = [key for u, key in enumerate(model.user_ids) if data.valid[[u]].nnz and data.train[[u]].nnz]
    hits, at = np.zeros(160), data.item_index
    for user in users:
        row = data.user_index[user]
        scores = model.score(user, model.item_ids)[0].astype(np.float64)
        scores[data.train[[row]].indices] = -np.inf
        wanted = set(data.valid[[row]].indices)
        order = [i for i in np.argsort(-scores, kind="stable") if np.isfinite(scores[i])]
        hits[: len(order)] += [i in wanted for i in order]
    rates = hit_rates(model.contents)
    assert (np.diff(rates) <= 1e-12).all()
    assert rates.sum() == pytest.approx(hits.sum() / len(users))
    assert 0 <= rates[-1] < rates[0] < 1
    # The first pooled run of places has the mean of their rates.
    first = int((rates == rates[0]).sum())
    assert rates[0] == pytest.approx((hits / len(users))[:first].mean())
    found = model.recommend("u000", 5, probability=True)
    assert found["probability"].to_list() == rates[:5].tolist()
    assert found.columns == ["user_id", "item_id", "rank", "score", "probability", "title", "reason"]
    assert at["i000"] == 0


def test_a_chosen_item_keeps_the_probability_of_its_place_among_all():
    model = fitted("lightgcn")
    rates = hit_rates(model.contents)
    whole = model.recommend("u003", 160)
    place = dict(zip(whole["item_id"], whole["rank"], strict=True))
    for options in (
        {"candidates": model.item_ids[::5]},
        {"diversity": 0.5},
        {"where": "price<4", "calibrate": "category"},
    ):
        found = model.recommend("u003", 6, probability=True, **options)
        assert len(found) == 6
        for row in found.iter_rows(named=True):
            assert row["probability"] == rates[place[row["item_id"]] - 1]


def test_popular_lists_and_models_without_validation_have_no_probabilities():
    found = fitted("ease").recommend("x", 2, unknown="popular", probability=True)
    assert found["probability"].to_list() == [None, None]
    frame = pl.DataFrame({"user": [1, 1, 2], "item": [1, 2, 1]})
    model = magnet.EASE().fit(magnet.Dataset.from_frame(frame), progress=False)
    with pytest.raises(DataError, match="this model has no validation part"):
        model.recommend(1, 1, probability=True)


def test_reasons_name_the_items_of_the_history_that_added_most():
    model, data = fitted("ease"), shop()
    found = model.recommend(model.user_ids[:8], 3, reasons=True)
    weights = model.contents.state.operator.weights
    for row in found.iter_rows(named=True):
        taken = data.train[[data.user_index[row["user_id"]]]].indices
        added = weights[taken, data.item_index[row["item_id"]]]
        best = [f"'T{taken[i]}'" for i in np.argsort(-added, kind="stable")[:2] if added[i] > 0]
        assert row["because"] == f"because you took {' and '.join(best)}"


def test_reasons_of_a_mixture_tell_the_shares_of_its_cues():
    state = blend(off=0.0)
    reasons = Reasons(state, state.history, list(range(17)), None)
    told = 0
    for user in range(1, 12):
        for item, text in enumerate(reasons.of(user, range(17))):
            parts = state.parts(user, item)
            shares = parts.weights.astype(np.float64) * parts.cues
            if shares.sum() <= 0:
                assert text.startswith(("like '", "taken by"))
                continue
            told += 1
            cues = text.partition("; ")[2].split(", ")
            positive = np.maximum(shares, 0) / np.maximum(shares, 0).sum()
            expected = {
                cue: round(100 * share)
                for cue, share in zip(state.cues, positive, strict=True)
                if share >= 0.05
            }
            assert {cue: int(share) for share, _, cue in (said.split(" ") for said in cues)} == expected
    assert told > 20


def test_every_kind_of_model_has_words():
    for name, starts in (
        ("lightgcn", ("like '",)),
        ("user-knn", ("taken by people who took what you took",)),
        ("popularity", ("taken by many",)),
        ("magnet", ("because you took '", "like '", "taken by people like you")),
    ):
        said = fitted(name).recommend(["u000", "u001"], 3, reasons=True)["because"].to_list()
        assert all(text.startswith(starts) for text in said), said
    assert fitted("ease").recommend("x", 1, unknown="popular", reasons=True)["because"].to_list() == [
        "taken by many"
    ]
    state = blend()
    assert Reasons(state, csr_array((12, 17), dtype=np.float32), list(range(17)), None).of(3, [0]) == [
        "taken by many"
    ]


def test_everyone_is_answered_in_blocks_as_one_by_one(monkeypatch):
    model = fitted("magnet")
    whole = model.recommend(model.user_ids, 4)
    monkeypatch.setattr("magnet.answers.lists._MOST_USERS", 17)
    told = []
    assert model.recommend(model.user_ids, 4, watch=lambda *at: told.append(at)).equals(whole)
    assert told[0] == (17, 240)
    assert told[-1] == (240, 240)
    assert whole["user_id"].n_unique() == 240
