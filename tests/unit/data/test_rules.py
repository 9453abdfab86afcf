"""Splits by name: what they hold out, that nothing leaks, and that the order of the rows has no say."""

from __future__ import annotations

import uuid
from datetime import date, datetime, timedelta

import numpy as np
import pandas as pd
import polars as pl
import pytest

from magnet.data import Dataset
from magnet.data.split import split_cold, split_folds, split_leave_last, split_temporal
from magnet.errors import DataError

RULES = [
    "mmrec",
    "random",
    "leave-last",
    "leave-last:2",
    "temporal",
    "temporal:0.2",
    "cold-items:0.2",
    "cold-users:0.2",
    "k-fold:2/5",
]


def shop(n_users=40, n_items=30, *, seed=0, key=lambda kind, i: f"{kind}{i:03}"):
    rng = np.random.default_rng(seed)
    return [
        (key("u", u), key("i", int(i)), int(rng.integers(0, 500)))
        for u in range(n_users)
        for i in rng.permutation(n_items)[: rng.integers(3, 12)]
    ]


def read(rows, split, **options):
    users, items, times = zip(*rows, strict=True)
    frame = pd.DataFrame({"user": list(users), "item": list(items), "timestamp": list(times)})
    return Dataset.from_frame(frame, split=split, **options)


def by_pair(data):
    return {
        (data.user_ids[u], data.item_ids[i]): int(part)
        for u, i, part in zip(data.users, data.items, data.parts, strict=True)
    }


KEYS = {
    "text": lambda kind, i: f"{kind}{i:03}",
    "integers": lambda _, i: i * 7 % 101,
    "tuples": lambda kind, i: (kind, i),
    "dates": lambda _, i: date(2024, 1, 1) + timedelta(days=i),
    "uuids": lambda _, i: uuid.UUID(int=i * 12345 % 9973),
    "mixed": lambda kind, i: i if i % 2 else f"{kind}{i}",
}


@pytest.mark.parametrize("kind", KEYS)
@pytest.mark.parametrize("rule", RULES)
def test_the_order_of_rows_and_catalogue_has_no_say(rule, kind):
    rows = [(u, i, 1000 * n + t) for n, (u, i, t) in enumerate(shop(key=KEYS[kind]))]
    parts = by_pair(read(rows, rule, seed=4))
    shuffled = [rows[place] for place in np.random.default_rng(1).permutation(len(rows))]
    assert by_pair(read(shuffled, rule, seed=4)) == parts
    items = list(dict.fromkeys(item for _, item, _ in shuffled))
    assert by_pair(read(shuffled, rule, seed=4, items=items)) == parts
    assert set(parts.values()) == {0, 1, 2}


@pytest.mark.parametrize("rule", ["random", "mmrec", "cold-items", "cold-users", "k-fold:1/3"])
def test_other_seeds_draw_others(rule):
    assert by_pair(read(shop(), rule, seed=0)) != by_pair(read(shop(), rule, seed=1))


@pytest.mark.parametrize("n", [1, 2, 3])
def test_leave_last_holds_out_the_end_of_each_user(n):
    data = read(shop(), f"leave-last:{n}")
    for user in range(data.n_users):
        mine = data.users == user
        times, parts = data.times[mine], data.parts[mine]
        size = mine.sum()
        test = min(n, size - 1)
        valid = min(n, size - 1 - test)
        assert np.bincount(parts, minlength=3).tolist() == [size - test - valid, valid, test]
        for part in (0, 1):
            if (parts == part).any() and (parts == part + 1).any():
                assert times[parts == part].max() <= times[parts == part + 1].min()


def test_leave_last_by_hand():
    users = np.array([0, 0, 0, 0, 1, 1, 2], np.int32)
    times = np.array([5, 1, 3, 2, 9, 9, 4])
    assert split_leave_last(users, times).tolist() == [2, 0, 1, 0, 0, 2, 0]


@pytest.mark.parametrize("share", [0.05, 0.1, 0.3])
def test_temporal_trains_on_nothing_of_the_future(share):
    data = read(shop(seed=2), f"temporal:{share}")
    times, parts = data.times, data.parts
    assert (
        times[parts == 0].max() < times[parts == 1].min() <= times[parts == 1].max() < times[parts == 2].min()
    )
    for part in (1, 2):
        assert (parts == part).mean() == pytest.approx(share, abs=0.03)


def test_temporal_never_parts_a_moment():
    times = np.array([1, 1, 1, 2, 2, 2, 2, 3, 3, 3])
    assert split_temporal(times, share=0.1).tolist() == [0, 0, 0, 1, 1, 1, 1, 2, 2, 2]


DAYS = [datetime(2024, 1, 1) + timedelta(days=n) for n in range(20)]
SECONDS = [int((day - datetime(1970, 1, 1)).total_seconds()) for day in DAYS]


@pytest.mark.parametrize(
    "times",
    [
        DAYS,
        [day.date() for day in DAYS],
        [day.isoformat() for day in DAYS],
        [f"{day:%Y-%m-%d}" for day in DAYS],
        SECONDS,
        list(map(float, SECONDS)),
        [str(second) for second in SECONDS],
        [1000 * second for second in SECONDS],
        [10**6 * second for second in SECONDS],
        [10**9 * second for second in SECONDS],
    ],
)
@pytest.mark.parametrize("library", [pd.DataFrame, pl.DataFrame])
def test_a_date_parts_times_of_any_kind(times, library):
    frame = library({"user": [0, 1] * 10, "item": list(range(20)), "time": times})
    data = Dataset.from_frame(frame, split="temporal:2024-01-16,2024-01-19")
    order = np.argsort(data.items)
    assert data.parts[order].tolist() == [0] * 15 + [1] * 3 + [2] * 2
    one = Dataset.from_frame(frame, split="temporal:2024-01-19")
    assert np.bincount(one.parts).tolist() == [16, 2, 2]


@pytest.mark.parametrize(("rule", "axis"), [("cold-items:0.2", "items"), ("cold-users:0.2", "users")])
def test_what_is_cold_has_no_training_interaction(rule, axis):
    data = read(shop(), rule)
    groups = [set(getattr(data, axis)[data.parts == part].tolist()) for part in (0, 1, 2)]
    assert len(groups[0] | groups[1] | groups[2]) == sum(map(len, groups))
    total = sum(map(len, groups))
    assert [len(groups[1]), len(groups[2])] == [round(0.2 * total)] * 2
    assert split_cold(np.array([3, 3, 5, 7], np.int32), seed=0).tolist().count(0) < 4


def test_folds_cover_everything_once():
    parts = [split_folds(103, fold, 5, seed=1) for fold in range(1, 6)]
    assert (np.sum([p == 2 for p in parts], axis=0) == 1).all()
    assert (np.sum([p == 1 for p in parts], axis=0) == 1).all()
    assert {int((p == 2).sum()) for p in parts} == {20, 21}
    assert ((parts[0] == 1) == (parts[1] == 2)).all()
    assert ((parts[4] == 1) == (parts[0] == 2)).all()


def test_repeated_pairs_count_from_their_first_time():
    rows = [
        ("a", "x", 9),
        ("a", "x", 1),
        ("a", "y", 5),
        ("a", "z", 7),
        ("b", "x", 2),
        ("b", "y", 3),
        ("b", "z", 4),
    ]
    data = read(rows, "leave-last")
    assert data.times.tolist() == [1, 5, 7, 2, 3, 4]
    assert by_pair(data)["a", "x"] == 0


def test_a_folder_is_split_by_name_and_read_again(tmp_path):
    rows = "".join(f"{u}\t{i}\t{t}\n" for u, i, t in shop())
    (tmp_path / "inter.tsv").write_text("user\titem\ttimestamp:float\n" + rows)
    for rule in RULES:
        data = Dataset.from_folder(tmp_path, split=rule, seed=2)
        assert by_pair(data) == by_pair(read(shop(), rule, seed=2))
        assert Dataset.from_source(data.source).content_hash == data.content_hash
        assert data.times is not None


def test_times_are_kept_where_a_column_is_there():
    assert Dataset.from_frame(pl.DataFrame({"user": [1, 2], "item": [1, 2]})).times is None
    odd = Dataset.from_frame(pl.DataFrame({"user": [1, 2], "item": [1, 2], "date": ["soon", "late"]}))
    assert odd.times is None
    assert read(shop(), None).times.shape == (len(shop()),)


@pytest.mark.parametrize(
    ("rule", "text"),
    [
        ("temporal:0.7", r"'temporal' takes SHARE of the interactions .* DATE .*got '0\.7'"),
        ("temporal:soon", "got 'soon'"),
        ("leave-last:0", "'leave-last' takes N, .*got '0'"),
        ("leave-last:x", "got 'x'"),
        ("k-fold", "'k-fold' takes F/K, .*got ''"),
        ("k-fold:6/5", "got '6/5'"),
        ("k-fold:1/2", "got '1/2'"),
        ("cold-items:1.5", "'cold-items' takes SHARE"),
        ("mmrec:3", "'mmrec' takes no option; got '3'"),
        ("temporl", "did you mean 'temporal'"),
        ("temporal:2050-01-01", "a part of the split is empty"),
    ],
)
def test_options_that_are_none_are_refused(rule, text):
    with pytest.raises(DataError, match=text):
        read(shop(), rule)


@pytest.mark.parametrize("rule", ["leave-last", "temporal"])
def test_rules_of_time_need_times(rule):
    frame = pl.DataFrame({"user": [1, 2, 3], "item": [1, 2, 3]})
    with pytest.raises(DataError, match=f"'{rule}' needs a column that says when"):
        Dataset.from_frame(frame, split=rule)
    with pytest.raises(
        DataError, match=r"column 'date': expected a number or a date .* found 'soon' in row 1"
    ):
        Dataset.from_frame(
            frame.with_columns(date=pl.Series(["2024-01-01", "soon", "2024-01-02"])), split=rule
        )
