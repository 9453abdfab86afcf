"""What may stand in a list: candidates, exclusions, conditions on columns; against plain Python."""

from __future__ import annotations

import contextlib

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from magnet.errors import ConfigError, DataError, UnknownIdError
from support.shop import CATEGORIES, fitted, shop


def allowed(**options):
    """The items that some list of all holds, when nothing else leaves any out."""
    model = fitted("ease")
    frame = model.recommend("u000", len(model.item_ids), exclude_seen=False, **options)
    return set(frame["item_id"])


def those(condition):
    data = shop()
    return {key for i, key in enumerate(data.item_ids) if condition(CATEGORIES[i % 4], float(i % 20))}


@pytest.mark.parametrize(
    ("where", "condition"),
    [
        ("price<=3", lambda _, price: price <= 3),
        ("price >= 17", lambda _, price: price >= 17),
        ("price<1", lambda _, price: price < 1),
        ("price > 18.5", lambda _, price: price > 18.5),
        ("price=4", lambda _, price: price == 4),
        ("price==4", lambda _, price: price == 4),
        ("category=tea", lambda category, _: category == "tea"),
        ("category = tea | cup", lambda category, _: category in ("tea", "cup")),
        ("category!=tea", lambda category, _: category in ("cup", "pot")),
        (["category=tea", "price<10"], lambda category, price: category == "tea" and price < 10),
        ({"category": "pot"}, lambda category, _: category == "pot"),
        ({"category": ["pot", "cup"], "price": 1}, lambda c, price: c in ("pot", "cup") and price == 1),
        ({"price": np.array([1, 2])}, lambda _, price: price in (1, 2)),
        (pl.col("price").is_between(2, 5), lambda _, price: 2 <= price <= 5),
        ([pl.col("category").is_null()], lambda category, _: category is None),
    ],
)
def test_conditions_choose_what_they_say_and_a_missing_value_meets_none(where, condition):
    expected = those(condition)
    assert 0 < len(expected) < 160
    assert allowed(where=where) == expected


def test_candidates_and_exclusions_of_every_kind():
    ids = shop().item_ids
    assert allowed(candidates=ids[:7]) == set(ids[:7])
    assert allowed(candidates=pd.Series(ids[:7]), exclude=ids[2]) == set(ids[:2] + ids[3:7])
    assert allowed(exclude=np.array(ids[5:])) == set(ids[:5])
    assert allowed(candidates={"u000": ids[3:5]}) == set(ids[3:5])
    assert allowed(candidates={"u001": ids[3:5]}) == set(ids)
    assert allowed(exclude={"u000": ids[1:]}, where="price=0") == {ids[0]}


@pytest.mark.parametrize("name", ["ease", "lightgcn", "user-knn", "magnet", "popularity"])
def test_a_chosen_list_is_the_whole_list_without_the_others(name):
    model = fitted(name)
    users, ids = model.user_ids[:20], model.item_ids
    whole = model.recommend(users, len(ids))
    for options, kept in (
        ({"candidates": ids[::3]}, whole.filter(pl.col("item_id").is_in(ids[::3]))),
        (
            {"exclude": {users[0]: ids[::2]}},
            whole.filter((pl.col("user_id") != users[0]) | ~pl.col("item_id").is_in(ids[::2])),
        ),
    ):
        found = model.recommend(users, len(ids), **options)
        columns = ["user_id", "item_id", "score"]
        assert found.select(columns).equals(kept.select(columns))
        first = model.recommend([*users, users[0]], 3, **options).filter(pl.col("user_id") == users[0])
        assert (
            first["item_id"].to_list()
            == kept.filter(pl.col("user_id") == users[0])["item_id"].to_list()[:3] * 2
        )


def test_strangers_choose_for_themselves_too():
    model = fitted("ease")
    ids = model.item_ids
    found = model.recommend(["x", "y"], 5, unknown="popular", candidates={"x": ids[:2], "y": ids[4:6]})
    assert [set(part["item_id"]) for part in found.partition_by("user_id", maintain_order=True)] == [
        set(ids[:2]),
        set(ids[4:6]),
    ]


@pytest.mark.parametrize(
    ("options", "error", "text"),
    [
        ({"where": "prise<3"}, ConfigError, "no column 'prise'; did you mean 'price'"),
        ({"where": "price"}, ConfigError, "'price' is no condition; write a column"),
        ({"where": ""}, ConfigError, "'' is no condition"),
        ({"where": "price<cheap"}, ConfigError, "'price' holds numbers, found 'cheap'"),
        ({"where": "price<-1"}, DataError, "no item meets the condition 'price<-1'"),
        ({"where": {"category": []}}, ConfigError, "no value was given for the column 'category'"),
        ({"where": {"category": 3}}, ConfigError, "'category' holds String, and 3 was asked for"),
        ({"where": {}}, ConfigError, "expected a text such as"),
        ({"where": 3}, ConfigError, "expected a text such as"),
        ({"where": [3]}, ConfigError, "3 is no condition"),
        ({"where": pl.col("price")}, ConfigError, "must be true or false of each item, not Float64"),
        ({"where": pl.col("price") < "x"}, ConfigError, "cannot be answered"),
        ({"candidates": "nix"}, UnknownIdError, r"unknown item ids 'nix' \(candidates\)"),
        ({"candidates": []}, DataError, "candidates: expected at least one item id"),
        ({"exclude": [None]}, DataError, "exclude: the id in row 0 is missing"),
        ({"candidates": ["i000"], "exclude": ["i000"]}, DataError, "together leave no item"),
        ({"candidates": {"u000": 7}}, UnknownIdError, "unknown item ids 7"),
    ],
)
def test_what_cannot_be_chosen_by_is_refused_in_words(options, error, text):
    with pytest.raises(error, match=text):
        fitted("ease").recommend("u000", 3, **options)


def test_data_without_columns_say_so(tiny):
    import magnet

    bare = magnet.Popularity().fit(tiny.dataset, progress=False)
    with pytest.raises(ConfigError, match="no item columns to choose by"):
        bare.recommend("u000", 3, where="price<3")
    with pytest.raises(ConfigError, match="no item columns, and calibrate='price' needs one"):
        bare.recommend("u000", 3, calibrate="price")


@given(st.text(max_size=12))
def test_any_text_is_a_condition_or_refused(text):
    with contextlib.suppress(ConfigError, DataError):
        allowed(where=text)
