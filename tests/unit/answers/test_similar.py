"""Items like an item and users like a user, against cosines in NumPy."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

import magnet
from magnet.errors import ConfigError, DataError, UnknownIdError
from support.shop import CATEGORIES, fitted, shop


def cosines(rows):
    rows = np.asarray(rows, np.float64)
    lengths = np.linalg.norm(rows, axis=1)
    unit = rows / np.where(lengths > 0, lengths, 1)[:, None]
    found = unit @ unit.T
    np.fill_diagonal(found, -np.inf)
    return found


def check(frame, kind, expected, ids):
    """Each row's score is the cosine, and none that is left out is larger."""
    place = {key: at for at, key in enumerate(ids)}
    for (key,), part in frame.partition_by(kind, as_dict=True).items():
        row = expected[place[key]]
        said = part["score"].to_numpy()
        assert np.allclose(said, [row[place[other]] for other in part["similar_id"]], atol=1e-5)
        assert np.allclose(said, np.sort(row)[::-1][: len(said)], atol=1e-5)
        assert part["rank"].to_list() == list(range(1, len(said) + 1))


def test_items_by_content_by_vectors_and_by_who_took_them():
    model, data = fitted("lightgcn"), shop()
    ids, asked = data.item_ids, data.item_ids[3:8]
    lacking = ~data.modalities["image"].present
    by_image = cosines(data.modalities["image"].features)
    by_image[:, lacking] = -np.inf
    there = [key for key in asked if data.modalities["image"].present[data.item_index[key]]]
    assert there
    found = model.similar_items(asked, 5, by="image")
    assert set(found["item_id"]) == set(there)
    # Content is kept in float16.
    place = data.item_index
    for row in found.iter_rows(named=True):
        assert abs(by_image[place[row["item_id"]], place[row["similar_id"]]] - row["score"]) < 2e-3
        assert row["title"] == f"T{place[row['similar_id']]}"
    check(model.similar_items(asked, 5), "item_id", cosines(model.contents.state.items.numpy()), ids)
    check(model.similar_items(asked, 5, by="taken"), "item_id", cosines(data.train.toarray().T), ids)


def test_an_operator_says_what_an_item_says_of_others():
    model = fitted("ease")
    weights = model.contents.state.operator.weights
    found = model.similar_items("i003", 4)
    row = weights[3].copy()
    row[3] = -np.inf
    best = np.argsort(-row, kind="stable")[:4]
    assert found["similar_id"].to_list() == [f"i{i:03d}" for i in best]
    assert np.allclose(found["score"], row[best])


def test_the_mixture_finds_items_by_all_its_cues():
    model = fitted("magnet")
    found = model.similar_items(model.item_ids[:5], 159)
    assert all(len(part) == 159 for part in found.partition_by("item_id"))
    assert (found["item_id"] != found["similar_id"]).all()
    # It is like the cosine of the backbone, and not the same.
    cosine = cosines(model.contents.state.items.numpy())[:5]
    place = {key: at for at, key in enumerate(model.item_ids)}
    said = np.full((5, 160), -np.inf)
    for row in found.iter_rows(named=True):
        said[place[row["item_id"]], place[row["similar_id"]]] = row["score"]
    ranks = [
        np.corrcoef(np.argsort(np.argsort(a)), np.argsort(np.argsort(b)))[0, 1]
        for a, b in zip(said, cosine, strict=True)
    ]
    assert 0.2 < np.mean(ranks) < 0.999


def test_conditions_hold_for_the_items_named():
    found = fitted("lightgcn").similar_items("i003", 20, where="category=tea")
    assert {CATEGORIES[int(key[1:]) % 4] for key in found["similar_id"]} == {"tea"}


def test_users_by_vectors_or_by_what_they_took():
    data = shop()
    model = fitted("lightgcn")
    check(
        model.similar_users(data.user_ids[:4], 6),
        "user_id",
        cosines(model.contents.state.users.numpy()),
        data.user_ids,
    )
    shared = cosines(data.train.toarray())
    for name in ("ease", "user-knn", "popularity"):
        check(fitted(name).similar_users(data.user_ids[:4], 6), "user_id", shared, data.user_ids)
    check(model.similar_users("u000", 6, by="taken"), "user_id", shared, data.user_ids)


def test_frames_come_back_in_their_own_library_and_k_is_cut():
    import pandas as pd

    model = fitted("ease")
    found = model.similar_items(pd.DataFrame({"item": ["i003"]}), 1000, by="image")
    assert isinstance(found, pd.DataFrame)
    assert len(found) < 160


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (lambda m: m.similar_items("zz"), UnknownIdError, "unknown item ids 'zz'"),
        (lambda m: m.similar_items("i003", by="imag"), ConfigError, "by 'imag'; did you mean 'image'"),
        (lambda m: m.similar_users("u000", by="image"), ConfigError, "users cannot be compared by 'image'"),
        (lambda m: m.similar_items("i003", 0), DataError, "k must be a whole number of at least 1"),
        (lambda m: m.similar_users(3), UnknownIdError, "unknown user ids 3"),
    ],
)
def test_what_cannot_be_compared_is_refused_in_words(call, error, text):
    with pytest.raises(error, match=text):
        call(fitted("ease"))


@pytest.mark.parametrize("name", ["popularity", "user-knn"])
def test_models_that_say_nothing_of_two_items_say_so(name):
    with pytest.raises(
        ConfigError, match="says nothing of two items; compare them by 'taken', 'image', 'text'"
    ):
        fitted(name).similar_items("i003")


def test_ids_of_any_kind_come_back_as_they_are():
    frame = pl.DataFrame({"user": [1, 1, 2, 2, 3], "item": [10, 20, 10, 30, 20]})
    model = magnet.EASE().fit(magnet.Dataset.from_frame(frame), progress=False)
    found = model.similar_items([10], 2)
    assert found.schema["item_id"] == pl.Int64
    assert found["similar_id"].to_list() == [20, 30]
    pairs = [(1, 10), (1, 20), (2, 10), (2, 30), (3, 20)]
    tuples = pl.DataFrame({"user": [u for u, _ in pairs], "item": [str(i) for _, i in pairs]}).to_pandas()
    tuples["item"] = [("shop", i) for _, i in pairs]
    model = magnet.EASE().fit(magnet.Dataset.from_frame(tuples), progress=False)
    assert model.similar_items([("shop", 10)], 1)["similar_id"].to_list() == [("shop", 20)]
