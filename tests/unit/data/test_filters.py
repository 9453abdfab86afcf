"""Smaller data sets: what is left, and that nothing moves between parts."""

from __future__ import annotations

from datetime import date, datetime

import numpy as np
import polars as pl
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from magnet.data import Dataset
from magnet.errors import DataError
from magnet.graph import k_core

DAYS = ["2024-01-01", "2024-01-02", "2024-01-03", "2024-01-04", "2024-01-05"]
FRAME = pl.DataFrame(
    {
        "user": ["u", "v", "u", "v", "w"],
        "item": ["a", "a", "b", "b", "c"],
        "date": DAYS,
        "split": [0, 0, 0, 1, 2],
    }
)


def shop(frame=FRAME, **options):
    table = pl.DataFrame({"item": ["a", "b", "c", "d"], "title": ["A", "B", "C", "D"], "price": [1, 2, 3, 4]})
    features = {"image": np.eye(4), "audio": {"c": [1.0]}}
    given = {"split": "split", "items": ["a", "b", "c", "d"], "item_table": table, "features": features}
    return Dataset.from_frame(frame, **(given | options))


def triples(data):
    ids = [(data.user_ids[u], data.item_ids[i]) for u, i in zip(data.users, data.items, strict=True)]
    return dict(zip(ids, data.parts.tolist(), strict=True))


@given(
    arrays(
        np.int8, array_shapes(min_dims=2, max_dims=2, min_side=2, max_side=9), elements=st.integers(-1, 2)
    ),
    st.integers(0, 3),
    st.integers(0, 3),
)
def test_counts_are_those_of_the_core_and_nothing_moves_to_another_part(labels, min_user, min_item):
    assume((labels == 0).any() and min_user + min_item > 0)
    data = Dataset.from_matrix(*(labels == part for part in range(3)))
    users, items = k_core(data.train + data.valid + data.test, min_user, min_item)
    kept = (labels >= 0) & users[:, None] & items
    users, items = kept.any(axis=1), kept.any(axis=0)
    if users.sum() < 2 or items.sum() < 2 or not (kept & (labels == 0)).any():
        with pytest.raises(DataError, match=r"are left by the filter|interaction is left"):
            data.filter(min_user=min_user, min_item=min_item)
        return
    found = data.filter(min_user=min_user, min_item=min_item)
    assert found.user_ids == np.flatnonzero(users).tolist()
    assert found.item_ids == np.flatnonzero(items).tolist()
    assert triples(found) == {(u, i): labels[u, i] for u, i in np.argwhere(kept).tolist()}
    assert triples(found).items() <= triples(data).items()


def test_what_vanishes_takes_its_features_titles_and_rows_with_it():
    data = shop()
    core = data.filter(k_core=2)
    assert (core.user_ids, core.item_ids, core.titles) == (["u", "v"], ["a", "b"], ["A", "B"])
    assert core.item_table["price"].to_list() == [1, 2]
    assert core.modalities["image"].features.tolist() == [[1, 0, 0, 0], [0, 1, 0, 0]]
    assert core.times.tolist() == [data.times[0], data.times[1], data.times[2], data.times[3]]
    assert core.source is None
    new = [message for message in core.messages if message not in data.messages]
    assert new == [
        "frame: 1 of 5 interactions were left out, so that every user has at least 2 and every item at least 2",
        "frame: 1 of 3 users were left out",
        "frame: 2 of 4 items were left out",
        "frame: nothing is left of the test part",
        "frame: no item that is left has the modality 'audio', which is gone",
    ]


def test_the_catalogue_can_be_kept():
    core = shop().filter(min_user=2, drop_items=False)
    assert core.user_ids == ["u", "v"]
    assert core.item_ids == ["a", "b", "c", "d"]
    assert core.modalities.keys() == {"image", "audio"}
    assert core.train.toarray().tolist() == [[1, 1, 0, 0], [1, 0, 0, 0]]


@pytest.mark.parametrize(
    "since",
    [
        "2024-01-02",
        date(2024, 1, 2),
        datetime(2024, 1, 2),
        np.datetime64("2024-01-02"),
        1_704_153_600_000_000,
    ],
)
def test_a_window_of_time_begins_with_since_and_ends_before_until(since):
    found = shop().filter(since=since, until="2024-01-04")
    assert triples(found) == {("v", "a"): 0, ("u", "b"): 0}
    assert any("1 of 5 interactions before" in message for message in found.messages)
    assert "frame: 2 of 5 interactions at or after 2024-01-04 were left out" in found.messages


def test_dates_are_in_the_unit_of_the_times():
    frame = FRAME.with_columns(date=pl.Series([1704067200 + 86400 * day for day in range(5)]))
    assert len(triples(shop(frame).filter(since="2024-01-02"))) == 4
    assert triples(shop(frame).filter(until="2024-01-03", drop_items=False)) == {("u", "a"): 0, ("v", "a"): 0}


def test_the_window_is_cut_before_anything_is_counted():
    with pytest.raises(
        DataError, match="0 users are left by the filter, and a recommender compares at least two"
    ):
        shop().filter(since="2024-01-02", k_core=2)


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({}, "filter: say by what: min_user=, min_item=, k_core=, since= or until="),
        (
            {"k_core": 2, "min_user": 1},
            "k_core sets min_user and min_item to one number; give either it or them",
        ),
        ({"k_core": 0}, "k_core must be a whole number of at least 1, got 0"),
        ({"min_user": -1}, "min_user must be a whole number of at least 0, got -1"),
        ({"min_item": 1.5}, "min_item must be a whole number of at least 0, got 1.5"),
        ({"since": "soon"}, "since: expected a date such as 2024-01-31 .* got 'soon' of type str"),
        ({"until": True}, "until: expected a date .* got True of type bool"),
        ({"since": "2030-01-01"}, "there is not a single interaction from since=2030-01-01 until=None"),
        ({"k_core": 9}, "0 users are left by the filter"),
        ({"since": "2024-01-04"}, "not a single training interaction is left by the filter"),
    ],
)
def test_wrong_filters_are_refused(options, text):
    with pytest.raises(DataError, match=text):
        shop().filter(**options)


def test_without_times_there_is_no_window():
    with pytest.raises(
        DataError, match=r"since= needs to know when interactions took place; .* time or date"
    ):
        shop(FRAME.drop("date")).filter(since="2024-01-01")


def test_a_drawn_split_stays_with_its_rows_through_filter_and_save(tmp_path, tiny):
    data = tiny.dataset
    small = data.filter(k_core=8)
    assert 0 < small.users.size < data.users.size
    assert triples(small).items() <= triples(data).items()
    again = Dataset.read(small.save(tmp_path / "small"))
    assert again.content_hash == small.content_hash
    assert triples(again) == triples(small)
