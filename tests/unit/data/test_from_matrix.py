"""Matrices of users and items as data sets."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from scipy import sparse

from magnet.data import Dataset
from magnet.errors import DataError

TAKEN = np.array([[1, 0, 1], [0, 0, 0], [0, 1, 1]])
FORMATS = [
    sparse.csr_array,
    sparse.csc_matrix,
    sparse.coo_array,
    sparse.lil_matrix,
    sparse.dok_array,
    np.asarray,
]


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("kind", [np.float32, bool, np.int64])
def test_every_entry_is_an_interaction(form, kind):
    data = Dataset.from_matrix(form(TAKEN.astype(kind)))
    assert (data.train.toarray() == TAKEN).all()
    assert (data.user_ids, data.item_ids, data.messages) == ([0, 1, 2], [0, 1, 2], [])


@given(
    arrays(np.int8, array_shapes(min_dims=2, max_dims=2, min_side=2, max_side=6), elements=st.integers(0, 3))
)
def test_parts_are_those_of_the_matrices(labels):
    train, valid, test = (sparse.csr_array(labels == label) for label in (1, 2, 3))
    if not train.nnz:
        with pytest.raises(DataError, match=r"a part of the split is empty|not a single interaction"):
            Dataset.from_matrix(train, valid, test)
        return
    data = Dataset.from_matrix(train, valid, test)
    for found, expected in ((data.train, train), (data.valid, valid), (data.test, test)):
        assert (found.toarray() == expected.toarray()).all()


def test_a_pair_of_several_parts_stays_in_the_earliest():
    data = Dataset.from_matrix(TAKEN, test=np.ones((3, 3)))
    assert (data.train.toarray() == TAKEN).all()
    assert (data.test.toarray() == 1 - TAKEN).all()


def test_ids_features_and_titles_go_with_rows_and_columns():
    data = Dataset.from_matrix(
        sparse.csr_array(TAKEN),
        user_ids=["u", "v", "w"],
        item_ids=("a", "b", "c"),
        features={"image": np.eye(3), "text": {"c": [1.0, 2.0]}},
        item_table=pl.DataFrame({"item": ["b", "c"], "title": ["B", "C"], "price": [1, 2]}),
        split="k-fold:1/3",
        seed=3,
        name="shop",
    )
    assert (data.user_ids, data.item_ids, data.name) == (["u", "v", "w"], ["a", "b", "c"], "shop")
    assert data.modalities["image"].features.tolist() == np.eye(3).tolist()
    assert data.modalities["text"].present.tolist() == [False, False, True]
    assert (data.titles, data.item_table["price"].to_list()) == ([None, "B", "C"], [None, 1, 2])
    assert np.bincount(data.parts).tolist() == [1, 1, 2]
    assert ((data.train + data.valid + data.test).toarray() == TAKEN).all()


def test_values_are_ratings_where_the_least_one_is_given():
    rated = sparse.csr_array([[5.0, -1.0], [3.0, 4.0]])
    data = Dataset.from_matrix(rated, min_rating=4)
    assert data.train.toarray().tolist() == [[1, 0], [0, 1]]
    assert data.messages == ["matrix: 2 of 4 entries below 4 were left out"]
    told = Dataset.from_matrix(rated).messages[0]
    assert (
        "values of the entries are not read, every one is an interaction, also the 1 below 0; leave out"
        in told
    )
    assert Dataset.from_matrix(rated, min_rating=-1).messages == []


@pytest.mark.parametrize(
    ("given", "options", "text"),
    [
        ("x", {}, "matrix: train: expected a matrix of users and items of SciPy or NumPy, found str"),
        (None, {}, "train: expected a matrix of users and items .* found NoneType"),
        (np.ones(3), {}, r"found ndarray of shape \(3,\)"),
        (np.array([["a", "b"]]), {}, "expected a matrix of numbers or truth values, found <U1"),
        (np.array([[1, np.inf], [1, 1]]), {}, "train: NaN or infinity at row 0, column 1"),
        (
            TAKEN,
            {"test": np.eye(2)},
            r"the same users and items, got the shapes \(3, 3\) of train, \(2, 2\) of test",
        ),
        (
            TAKEN,
            {"test": TAKEN, "split": "random"},
            "split='random' draws .* there is one already by valid= and test=",
        ),
        (TAKEN, {"split": "radnom"}, "there is no split column 'radnom'; did you mean 'random'"),
        (TAKEN, {"split": "temporal"}, "the split 'temporal' needs a column that says when"),
        (TAKEN, {"user_ids": ["u"]}, "matrix: user_ids: 1 ids do not fit the 3 rows of the matrices"),
        (TAKEN, {"item_ids": ["a", "b"]}, "matrix: item_ids: 2 ids do not fit the 3 columns"),
        (TAKEN, {"item_ids": ["a", "b", "a"]}, "item_ids must be unique, 1 are repeated"),
        (TAKEN, {"min_rating": 9}, "there is not a single interaction in the matrices"),
        (TAKEN, {"min_rating": "9"}, "matrix: min_rating must be a finite number, got '9' of type str"),
        (TAKEN, {"seed": 0.5}, "matrix: seed must be a whole number"),
        (TAKEN, {"features": {"image": np.eye(2)}}, "2 feature rows are fewer than the 3 items"),
        (TAKEN, {"features": {"image": {"x": [1.0]}}}, "0 of its 1 keys are among the 3 items"),
        (
            TAKEN,
            {"features": [np.eye(3)]},
            "features: expected a mapping from a modality's name .* found list",
        ),
        (TAKEN[:1], {}, "1 user is too few"),
    ],
)
def test_what_is_no_such_matrix_is_refused(given, options, text):
    with pytest.raises(DataError, match=text):
        Dataset.from_matrix(given, **options)
