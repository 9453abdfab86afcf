"""Whatever holds ids is understood or refused in words, by every public method alike."""

from __future__ import annotations

import datetime
import io
import uuid
from array import array

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import torch

import magnet
from magnet.errors import DataError, MagnetError, UnknownIdError


def fitted(user=int, item=int):
    rows = [
        (user(u), item((u + j) % 7), p)
        for u in range(12)
        for j, p in enumerate(["train"] * 3 + ["valid", "test"])
    ]
    frame = pd.DataFrame(
        {
            name: list(column)
            for name, column in zip(["user", "item", "split"], zip(*rows, strict=True), strict=True)
        }
    )
    return magnet.EASE().fit(magnet.Dataset.from_frame(frame, split="split"), progress=False)


@pytest.fixture(scope="module")
def model():
    return fitted()


def masked(values):
    return np.ma.masked_array(values, mask=[False] * len(values))


HOLDERS = [
    list,
    tuple,
    iter,
    np.array,
    lambda v: np.array(v, dtype=np.uint8),
    lambda v: np.array(v, dtype=object),
    lambda v: np.array(v, dtype=float),
    lambda v: [np.int64(x) for x in v],
    lambda v: [np.array(x) for x in v],
    masked,
    pd.Series,
    pd.Index,
    pd.Categorical,
    lambda v: pd.Series(v, dtype="Int32", index=["x", "y", "z"]),
    lambda v: pd.Series(v).unique(),
    pl.Series,
    pa.array,
    lambda v: pa.chunked_array([v[:1], v[1:]]),
    torch.tensor,
    lambda v: torch.tensor(v, dtype=torch.float32, requires_grad=True),
    lambda v: [torch.tensor(x) for x in v],
    lambda v: array("q", v),
    dict.fromkeys,
    lambda v: dict.fromkeys(v).keys(),
    lambda v: pl.DataFrame({"user": v, "item": v}),
    lambda v: pl.DataFrame({"whoever": v}),
]


@pytest.mark.parametrize("hold", HOLDERS)
def test_every_holder_of_ids_gives_what_a_list_gives(model, hold):
    expected = model.recommend([5, 1, 3], k=2)
    found = model.recommend(hold([5, 1, 3]), k=np.int64(2))
    assert found.equals(expected)
    assert found.schema["user_id"] == pl.Int64
    assert np.array_equal(model.score(hold([5, 1, 3]), hold([5, 1, 3])), model.score([5, 1, 3], [5, 1, 3]))
    assert found.join(pl.DataFrame({"user_id": [1], "age": [30]}), on="user_id").height == 2
    found.write_csv(io.BytesIO())
    found.write_parquet(io.BytesIO())


@pytest.mark.parametrize("one", [5, np.int16(5), np.array(5), torch.tensor(5), 5.0, pa.scalar(5)])
def test_one_id_is_a_list_of_one(model, one):
    assert model.recommend(one, k=2).equals(model.recommend([5], k=2))
    assert model.score(one, one).tolist() == model.score([5], [5]).tolist()
    assert model.explain(one, one).to_json() == model.explain(5, 5).to_json()


def test_text_is_one_id_and_not_its_letters():
    model = fitted(user=lambda u: "abcdefghijkl"[u])
    assert model.recommend("b", k=1).equals(model.recommend(["b"], k=1))
    assert model.recommend(np.str_("b"), k=1)["user_id"].to_list() == ["b"]
    for users in ("ab", ["ab"]):
        with pytest.raises(UnknownIdError, match="'ab'"):
            model.recommend(users, k=1)


def test_a_tuple_is_an_id_where_the_model_knows_it_and_else_a_list():
    model = fitted(user=lambda u: ("shop", u))
    assert model.recommend(("shop", 3), k=1)["user_id"].to_list() == [("shop", 3)]
    assert model.recommend((("shop", 3), ("shop", 1)), k=1)["user_id"].to_list() == [("shop", 3), ("shop", 1)]
    assert model.explain(("shop", 3), 2).to_json()["item_id"] == 2


@pytest.mark.parametrize("kind", [pd.DataFrame, pl.DataFrame, pa.table])
def test_a_frame_of_users_is_answered_by_a_frame_of_its_library(model, kind):
    given = kind({"user_id": [4, 2]})
    found = model.recommend(given, k=2)
    assert type(found) is type(given)
    assert pl.DataFrame(
        {name: list(np.asarray(found[name])) for name in ("user_id", "item_id", "rank")}
    ).to_dict(as_series=False) == model.recommend([4, 2], k=2)["user_id", "item_id", "rank"].to_dict(
        as_series=False
    )


def test_an_empty_answer_has_the_types_of_a_full_one(model):
    assert model.recommend([], k=2).schema == model.recommend([1], k=2).schema
    assert model.recommend([99], k=2, unknown="skip").schema == model.recommend([1], k=2).schema


@pytest.mark.parametrize(
    ("users", "text"),
    [
        ([1, None], r"user ids: the id in row 1 is missing \(None\)"),
        (pd.Series([1.0, np.nan]), r"the id in row 1 is missing"),
        (pd.Series([1, None], dtype="Int64"), r"the id in row 1 is missing"),
        (np.ma.masked_array([1, 2], mask=[False, True]), r"the id in row 1 is missing"),
        (None, r"the id in row 0 is missing|expected users, or history="),
        (float("nan"), r"the id in row 0 is missing"),
        ([[1, 2], [3, 4]], r"expected hashable ids, found \[1, 2\] of type list in row 0"),
        (np.ones((2, 2), dtype=int), r"user ids: expected a list, found ndarray of shape \(2, 2\)"),
        (torch.ones(2, 2), r"user ids: expected a list, found Tensor of shape \(2, 2\)"),
        ({1, 2}, r"user ids: a set has no order; give a list"),
        (frozenset({1}), r"a frozenset has no order"),
        (np.array([True, False]), r"found True, and no user of the model has a truth value"),
        (True, r"found True, and no user"),
        (object(), r"unknown user ids <object"),
        (pl.DataFrame({"a": [1], "b": [2]}), r"user ids: frame: expected a column of user ids"),
        (pd.DataFrame([[1, 2]], columns=["user", "user"]), r"'user' stand there more than once"),
        ({"user": [1]}, r"unknown user ids 'user'"),
    ],
)
def test_what_holds_no_ids_is_refused_in_words(model, users, text):
    for call in (lambda: model.recommend(users, k=2), lambda: model.score(users, [1])):
        with pytest.raises(DataError, match=text):
            call()


@pytest.mark.parametrize(
    "pair", [(["a"], [1]), (1, [2]), (1, np.array([2])), ({}, 1), (1, pl.Series([1])), (1, {2})]
)
def test_an_explanation_takes_single_ids(model, pair):
    with pytest.raises(DataError, match=r"expected one (user|item) id, found .* of type"):
        model.explain(*pair)


@pytest.mark.parametrize(
    "k", [2.0, None, "2", True, np.float32(2), [2], np.array([2, 3]), torch.tensor(True)]
)
def test_k_is_a_whole_number(model, k):
    with pytest.raises(DataError, match="k must be a whole number, got"):
        model.recommend([1], k=k)


@pytest.mark.parametrize("k", [np.int8(2), np.uint64(2), np.array(2), torch.tensor(2)])
def test_k_may_be_a_whole_number_of_any_library(model, k):
    assert model.recommend([1], k=k).equals(model.recommend([1], k=2))


@pytest.mark.parametrize(
    ("user", "asked", "known"),
    [
        (int, "7", "7, a whole number"),
        (int, " 7 ", "7, a whole number"),
        (int, "7.0", "7, a whole number"),
        (str, 7, "'7', text"),
        (str, 7.0, "'7', text"),
        (str, "7 ", "'7', text"),
        (lambda u: f"{u}.0", 7, "'7.0', text"),
        (lambda u: f"e\u0301{u}", "\u00e97", "text"),
        (lambda u: f"\u00e9{u}", "e\u03017", "text"),
    ],
)
@pytest.mark.parametrize("unknown", ["error", "skip", "popular"])
def test_ids_that_only_look_like_known_ones_are_never_taken_for_strangers(user, asked, known, unknown):
    model = fitted(user=user)
    with pytest.raises(UnknownIdError, match=f"and the model knows .*{known}") as caught:
        model.recommend([user(1), asked], k=1, unknown=unknown)
    assert caught.value.ids == [asked]


def test_ids_beyond_64_bits_and_of_other_kinds_come_back(model):
    large = fitted(user=lambda u: 2**70 + u)
    assert large.recommend([2**70 + 3], k=1)["user_id"].to_list() == [2**70 + 3]
    some = fitted(user=lambda u: uuid.UUID(int=u))
    assert some.recommend(uuid.UUID(int=3), k=1)["user_id"].to_list() == [uuid.UUID(int=3)]
    dated = fitted(user=lambda u: datetime.datetime(2024, 1, u + 1))
    found = dated.recommend(np.array(["2024-01-03"], dtype="datetime64[ns]"), k=1)
    assert found["user_id"].to_list() == [datetime.datetime(2024, 1, 3)]
    found.write_parquet(io.BytesIO())
    mixed = model.recommend([1, "eve"], k=1, unknown="popular")
    assert mixed["user_id"].to_list() == [1, "eve"]


def test_cut_offs_metrics_and_seeds_are_understood_alike(tiny, tmp_path):
    model = magnet.EASE(regularization=20, seed=np.int64(3)).fit(tiny.dataset, progress=False)
    model.save(tmp_path / "run")
    assert magnet.load(tmp_path / "run").seed == 3
    expected = model.evaluate(tiny.dataset, ks=[20], metrics=["recall"]).metrics
    assert model.evaluate(tiny.dataset, ks=20, metrics="recall").metrics == expected
    assert model.evaluate(tiny.dataset, ks=np.array([20]), metrics=("recall",)).metrics == expected
    for ks in (20.0, "20", [], [0], True, None, [5, None]):
        with pytest.raises(DataError, match="ks must be"):
            model.evaluate(tiny.dataset, ks=ks)
    with pytest.raises(MagnetError, match="seed must be a whole number"):
        magnet.EASE(seed="1")


def test_numbers_of_numpy_in_a_data_set_are_plain(tmp_path):
    frame = pd.DataFrame({"user": pd.Series([np.int64(1), np.int64(2)], dtype=object), "item": ["a", "b"]})
    data = magnet.Dataset.from_frame(frame, seed=np.int64(1))
    assert [type(key) for key in data.user_ids] == [int, int]
    with pytest.raises(DataError, match="seed must be a whole number"):
        magnet.Dataset.from_frame(frame, seed=1.5)


@pytest.mark.parametrize("names", ["ab", ["ab"], np.array(["ab"]), pd.Series(["ab"])])
def test_one_modality_may_be_named_without_a_list(names, tmp_path):
    (tmp_path / "inter.tsv").write_text(
        "user\titem\n" + "".join(f"{u}\t{i}\n" for u in range(5) for i in range(4))
    )
    np.save(tmp_path / "ab.npy", np.ones((4, 2)))
    data = magnet.Dataset.from_folder(tmp_path, split="random", modalities=names)
    assert list(data.modalities) == ["ab"]
    assert data.source.to_json()["modalities"] == ["ab"]
    with pytest.raises(DataError, match="modalities: expected names, found 3"):
        magnet.Dataset.from_folder(tmp_path, split="random", modalities=[3])
