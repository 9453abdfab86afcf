"""Diverse and calibrated lists, against their definitions by plain loops."""

from __future__ import annotations

import math

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

import magnet
from magnet.answers.rerank import calibrated, diverse, groups_of
from magnet.errors import ConfigError, DataError
from support.shop import CATEGORIES, fitted, shop


def unit(rows):
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def plain_diverse(scores, alike, k, share):
    scale = (
        (scores - scores.min()) / (scores.max() - scores.min())
        if scores.max() > scores.min()
        else np.ones(len(scores))
    )
    chosen = []
    while len(chosen) < min(k, len(scores)):

        def value(i):
            return (1 - share) * scale[i] - share * max((alike[i][j] for j in chosen), default=0.0)

        chosen.append(max((i for i in range(len(scores)) if i not in chosen), key=lambda i: (value(i), -i)))
    return chosen


def plain_calibrated(scores, groups, wanted, k, share):
    scale = (
        (scores - scores.min()) / (scores.max() - scores.min())
        if scores.max() > scores.min()
        else np.ones(len(scores))
    )

    def value(chosen):
        counts = [sum(groups[i] == g for i in chosen) for g in range(len(wanted))]
        total = sum(counts) or 1
        far = sum(
            p * math.log(p / (0.99 * c / total + 0.01 * p)) for p, c in zip(wanted, counts, strict=True) if p
        )
        return (1 - share) * sum(scale[i] for i in chosen) - share * far

    chosen = []
    while len(chosen) < min(k, len(scores)):
        left = [i for i in range(len(scores)) if i not in chosen]
        best = max(value([*chosen, i]) for i in left)
        chosen.append(next(i for i in left if value([*chosen, i]) >= best - 1e-12))
    return chosen


@given(st.integers(0, 10_000), st.integers(1, 9), st.sampled_from([0.0, 0.2, 0.5, 0.9, 1.0]))
def test_diverse_lists_are_those_of_the_definition(seed, n, share):
    rng = np.random.default_rng(seed)
    scores = np.sort(rng.standard_normal(n))[::-1].astype(np.float32)
    rows = [unit(rng.standard_normal((n, 4))).astype(np.float32) for _ in range(2)]
    alike = np.mean([r.astype(np.float64) @ r.T for r in rows], axis=0)
    assert diverse(scores, rows, 6, share) == plain_diverse(scores.astype(np.float64), alike, 6, share)


@given(st.integers(0, 10_000), st.integers(1, 9), st.sampled_from([0.0, 0.2, 0.5, 0.9, 1.0]))
def test_calibrated_lists_are_those_of_the_definition(seed, n, share):
    rng = np.random.default_rng(seed)
    scores = np.sort(rng.standard_normal(n))[::-1].astype(np.float32)
    groups = rng.integers(-1, 3, n)
    wanted = rng.dirichlet(np.ones(3))
    found = calibrated(scores, groups, wanted, 6, share)
    assert len(set(found)) == min(6, n)
    expected = plain_calibrated(scores.astype(np.float64), groups, wanted, 6, share)
    if share < 1:  # at 1 all of a group are equal to rounding
        assert found == expected


def test_a_share_of_zero_changes_nothing_and_more_makes_lists_less_alike():
    model = fitted("ease")
    users = model.user_ids[:30]
    plain = model.recommend(users, 10)
    assert model.recommend(users, 10, diversity=0.0).equals(plain)
    assert model.recommend(users, 10, calibrate="category", calibration=0.0).equals(plain)
    rows = {key: unit(m.features.astype(np.float64) + 1e-9) for key, m in shop().modalities.items()}

    def likeness(frame):
        values = []
        for part in frame.partition_by("user_id"):
            at = [shop().item_index[key] for key in part["item_id"]]
            for of in rows.values():
                cosine = of[at] @ of[at].T
                values.append((cosine.sum() - len(at)) / (len(at) * (len(at) - 1)))
        return np.mean(values)

    steps = [likeness(model.recommend(users, 10, diversity=share)) for share in (0.0, 0.3, 0.9)]
    assert steps[0] > steps[1] > steps[2]
    assert steps[0] - steps[2] > 0.03


def test_calibrated_lists_come_nearer_to_the_history():
    model, data = fitted("ease"), shop()
    users = model.user_ids[:40]

    def far(frame):
        out = []
        for (user,), part in frame.partition_by("user_id", as_dict=True).items():
            taken = data.train[[data.user_index[user]]].indices
            ps = [
                np.bincount([at % 4 for at in ids if at % 4 < 3], minlength=3)
                for ids in (taken, [int(i[1:]) for i in part["item_id"]])
            ]
            if all(p.sum() for p in ps):
                out.append(np.abs(ps[0] / ps[0].sum() - ps[1] / ps[1].sum()).sum())
        return np.mean(out)

    assert far(model.recommend(users, 12, calibrate="category", calibration=0.9)) < 0.5 * far(
        model.recommend(users, 12)
    )


def test_lists_are_made_diverse_by_shared_users_where_there_is_no_content():
    frame = pl.DataFrame({"user": [1, 1, 2, 2, 3, 3, 4, 4], "item": [1, 2, 1, 2, 3, 1, 2, 4]})
    model = magnet.EASE().fit(magnet.Dataset.from_frame(frame), progress=False)
    plain, found = (
        model.recommend([3], 4, exclude_seen=False, diversity=share)["item_id"].to_list() for share in (0, 1)
    )
    assert sorted(found) == sorted(plain) == [1, 2, 3, 4]
    taken = {1: {1, 2, 3}, 2: {1, 2, 4}, 3: {3}, 4: {4}}
    assert not taken[found[0]] & taken[found[1]]


def test_groups_are_the_values_of_a_column():
    groups = groups_of(shop().item_table, "category")
    names = sorted(name for name in CATEGORIES if name)
    assert groups.n == 3
    assert groups.of[:4].tolist() == [names.index("tea"), names.index("cup"), names.index("pot"), -1]


def test_popular_lists_can_be_diverse_but_have_no_history_to_keep():
    model = fitted("ease")
    plain = model.recommend(["x"], 8, unknown="popular")
    assert model.recommend(["x"], 8, unknown="popular", calibrate="category").equals(plain)
    assert not model.recommend(["x"], 8, unknown="popular", diversity=0.8).equals(plain)


@pytest.mark.parametrize(
    ("options", "error", "text"),
    [
        ({"diversity": 1.5}, DataError, "diversity must be a number from 0 to 1, got 1.5"),
        ({"diversity": True}, DataError, "diversity must be a number from 0 to 1"),
        ({"calibration": "much", "calibrate": "category"}, DataError, "calibration must be a number"),
        (
            {"calibrate": "categori"},
            ConfigError,
            "no column 'categori' to calibrate by; did you mean 'category'",
        ),
        ({"calibrate": "category", "diversity": 0.5}, DataError, "not both"),
    ],
)
def test_wrong_orders_are_refused_in_words(options, error, text):
    with pytest.raises(error, match=text):
        fitted("ease").recommend("u000", 3, **options)


def test_a_column_of_nothing_makes_no_groups():
    with pytest.raises(DataError, match="has 0 different values"):
        groups_of(pl.DataFrame({"x": pl.Series([None, None], dtype=pl.String)}), "x")
