from __future__ import annotations

import uuid
from datetime import date

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from magnet.data import Dataset
from magnet.errors import DataError

TAKEN = {
    "user": ["bo", "al", "bo", "cy"],
    "item": ["y", "x", "x", "z"],
    "set": ["train", "val", "test", "train"],
}


@pytest.mark.parametrize("kind", [pd.DataFrame, pl.DataFrame, pa.table])
def test_frames_of_any_library_give_the_same(kind):
    data = Dataset.from_frame(kind(TAKEN), split="set")
    assert data.user_ids == ["al", "bo", "cy"]
    assert data.item_ids == ["x", "y", "z"]
    assert data.train.toarray().tolist() == [[0, 0, 0], [0, 1, 0], [0, 0, 1]]
    assert data.valid.toarray()[0].tolist() == [1, 0, 0]
    assert data.test.toarray()[1].tolist() == [1, 0, 0]
    assert data.content_hash == Dataset.from_frame(pl.DataFrame(TAKEN), split="set").content_hash
    assert data.source is None


A, B, C = uuid.UUID(int=1), uuid.UUID(int=2), uuid.UUID(int=3)


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        ([7, 3, 7, 5], [3, 5, 7]),
        ([-7, 3, -7, 2**62], [-7, 3, 2**62]),
        (["7", "3", "7", "5"], ["3", "5", "7"]),
        ([C, A, C, B], [C, A, B]),
        ([(1, "a"), (0,), (1, "a"), ()], [(1, "a"), (0,), ()]),
        ([2**70, 1, 2**70, 2], [2**70, 1, 2]),
        ([date(2024, 1, 2), date(2023, 1, 1), date(2024, 1, 2), 5], [date(2024, 1, 2), date(2023, 1, 1), 5]),
        ([1, "1", 1, 2.5], [1, "1", 2.5]),
    ],
)
def test_ids_of_any_hashable_kind(keys, expected):
    users, items = pd.Series(keys), pd.Series(keys[::-1])
    data = Dataset.from_frame(pd.DataFrame({"user": users, "item": items}))
    assert data.user_ids == expected
    assert [type(key) for key in data.user_ids] == [type(key) for key in expected]
    pairs = {
        (data.user_ids[user], data.item_ids[item]) for user, item in zip(data.users, data.items, strict=True)
    }
    assert pairs == set(zip(keys, keys[::-1], strict=True))
    assert all(data.user_index[key] == place for place, key in enumerate(expected))


def test_unsigned_integers_beyond_63_bits_are_kept():
    frame = pd.DataFrame({"user": np.array([2**64 - 1, 5], np.uint64), "item": [1, 2]})
    assert Dataset.from_frame(frame).user_ids == [2**64 - 1, 5]


@pytest.mark.parametrize("kind", ["int8", "int32", "uint16", "int64"])
def test_integers_of_any_width_are_plain_python_integers(kind):
    frame = pd.DataFrame({"user": np.array([3, 1], kind), "item": np.array([2, 9], kind)})
    data = Dataset.from_frame(frame)
    assert data.user_ids == [1, 3]
    assert all(type(key) is int for key in data.user_ids + data.item_ids)


def test_without_a_split_everything_is_for_training():
    data = Dataset.from_frame(pl.DataFrame(TAKEN))
    assert (data.train.nnz, data.valid.nnz, data.test.nnz) == (4, 0, 0)


def test_rules_draw_a_split():
    pairs = [(user, item) for user in range(20) for item in range(user, user + 10)]
    frame = pl.DataFrame(pairs, schema=["user", "item"], orient="row")
    data = Dataset.from_frame(frame, split="mmrec", seed=1)
    assert (data.train.nnz, data.valid.nnz, data.test.nnz) == (160, 20, 20)
    data = Dataset.from_frame(frame, split="random", seed=1)
    assert (data.train.nnz, data.valid.nnz, data.test.nnz) == (160, 20, 20)
    with pytest.raises(DataError, match="no split column 'mmerc'; did you mean 'mmrec'"):
        Dataset.from_frame(frame, split="mmerc")


def test_features_of_every_form_are_aligned_by_id():
    matrix = np.array([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0], [7.0, 8.0]], dtype=np.float16)
    keys = ["w", "z", "y", "x"]
    table = {"item": keys, "a": matrix[:, 0].astype(float), "b": matrix[:, 1].astype(float)}
    data = Dataset.from_frame(
        pl.DataFrame(TAKEN),
        items=keys,
        features={
            "array": matrix,
            "polars": pl.DataFrame(table),
            "pandas": pd.DataFrame(table)[["b", "item", "a"]],
            "arrow": pa.table(table).slice(1),
            "mapping": dict(zip(keys[:3], matrix[:3], strict=True)),
        },
        titles={"x": "Ex"},
    )
    assert data.item_ids == keys
    assert list(data.modalities) == ["array", "polars", "pandas", "arrow", "mapping"]
    assert data.modalities["array"].features.dtype == np.float16
    assert (data.modalities["array"].features == matrix).all()
    assert (data.modalities["polars"].features == matrix).all()
    assert (data.modalities["pandas"].features == matrix[:, ::-1]).all()
    assert data.modalities["arrow"].present.tolist() == [False, True, True, True]
    assert data.modalities["mapping"].present.tolist() == [True, True, True, False]
    assert data.modalities["mapping"].features.tolist() == [[1, 2], [3, 4], [5, 6], [0, 0]]
    assert [message.split(":")[1].strip() for message in data.messages] == [
        "modality 'arrow'",
        "modality 'mapping'",
    ]
    assert data.titles == [None, None, None, "Ex"]


def test_rows_of_a_frame_without_a_single_value_are_missing():
    table = pd.DataFrame({"item": ["x", "y", "z"], "a": [1.0, np.nan, 2.0], "b": [1.0, np.nan, 3.0]})
    data = Dataset.from_frame(pl.DataFrame(TAKEN), features={"size": table})
    assert data.modalities["size"].present.tolist() == [True, False, True]
    table = table.convert_dtypes()
    assert Dataset.from_frame(pl.DataFrame(TAKEN), features={"size": table}).modalities["size"].n_missing == 1
    table.loc[2, "a"] = pd.NA
    fails("modality 'size': NaN or infinity in row 2", features={"size": table})


def test_split_columns_may_be_floats_or_categories():
    labels = pd.Series([0.0, 1.0, 2.0, 0.0])
    frame = pd.DataFrame(TAKEN).assign(part=labels, kind=pd.Categorical(TAKEN["set"]))
    for column in ("part", "kind"):
        assert Dataset.from_frame(frame, split=column).parts.tolist() == [1, 2, 0, 0]


def test_keyed_features_extend_the_catalogue():
    data = Dataset.from_frame(pl.DataFrame(TAKEN), features={"size": {"new": [1.0], "x": [2.0]}})
    assert data.item_ids == ["new", "x", "y", "z"]
    assert data.modalities["size"].present.tolist() == [True, True, False, False]


def test_arrays_without_ids_fit_row_numbers():
    frame = pl.DataFrame({"user": [0, 1], "item": [2, 0]})
    data = Dataset.from_frame(frame, features={"image": np.eye(4)})
    assert data.item_ids == [0, 1, 2, 3]
    with pytest.raises(DataError, match="not row numbers from 0 to 1; give items="):
        Dataset.from_frame(frame, features={"image": np.eye(2)})
    with pytest.raises(DataError, match="give items="):
        Dataset.from_frame(pl.DataFrame(TAKEN), features={"image": np.eye(3)})


def test_titles_may_be_aligned_with_items():
    data = Dataset.from_frame(pl.DataFrame(TAKEN), items=["z", "y", "x"], titles=["Zed", None, "Ex"])
    assert data.titles == ["Zed", None, "Ex"]
    with pytest.raises(DataError, match="2 titles do not fit 3 items"):
        Dataset.from_frame(pl.DataFrame(TAKEN), titles=["a", "b"])


def fails(text, frame=None, **options):
    with pytest.raises(DataError, match=text):
        Dataset.from_frame(pl.DataFrame(TAKEN) if frame is None else frame, **options)


def test_not_a_frame():
    fails("expected a pandas, polars or Arrow frame, got list", frame=[(1, 2)])


def test_columns_that_are_not_there():
    fails("there is no column 'usr' for the user; did you mean 'user'", user="usr")
    fails("expected a column of item ids", frame=pl.DataFrame({"user": [1], "what": [2]}))
    fails("no split column 'ste'; did you mean 'set'", split="ste")
    fails("not a single interaction", frame=pl.DataFrame({"user": [], "item": []}))


def test_strange_split_values():
    fails("expected 0, 1, 2 or train, valid, test, found 'bo' in row 0", split="user")


def test_missing_ids():
    fails(
        r"column 'user': the id in row 1 is missing \(None\)",
        frame=pl.DataFrame({"user": ["a", None], "item": [1, 2]}),
    )
    fails(
        r"column 'item': the id in row 1 is missing \(nan\)",
        frame=pd.DataFrame({"user": ["a", "b"], "item": [1, np.nan]}),
    )


def test_missing_ids_of_nullable_columns():
    frame = pd.DataFrame({"user": pd.array([1, None], dtype="Int64"), "item": [1, 2]})
    fails("column 'user': the id in row 1 is missing", frame=frame)
    fails("items: the id in row 3 is missing", items=["x", "y", "z", pd.NA])


def test_unhashable_ids():
    frame = pd.DataFrame({"user": ["a", "b"], "item": [(1,), [2]]})
    fails(r"expected hashable ids, found \[2\] of type list in row 1", frame=frame)


def test_items_that_do_not_fit():
    fails(r"item 'y' in row 0 is not among the 2 items given", items=["x", "z"])
    fails("items must be unique, 1 are repeated", items=["x", "y", "z", "x"])
    fails("1 item is too few", frame=pl.DataFrame({"user": [1, 2], "item": [1, 1]}))
    fails("1 user is too few", frame=pl.DataFrame({"user": [1, 1], "item": [1, 2]}))


def test_features_that_do_not_fit():
    keys = ["x", "y", "z"]
    fails(
        "modality 'a': 2 feature rows are fewer than the 3 items", items=keys, features={"a": np.ones((2, 2))}
    )
    fails("modality 'a': NaN or infinity in row 1", items=keys, features={"a": [[1.0], [np.nan], [2.0]]})
    fails(
        "expected vectors of one length, 2 as the first, got shape", features={"a": {"x": [1, 2], "y": [1]}}
    )
    fails("expected numbers in column 'b'", features={"a": pl.DataFrame({"item": ["x"], "b": ["red"]})})
    fails("1 rows repeat the id", features={"a": pl.DataFrame({"item": ["x", "x"], "b": [1, 2]})})
    fails("expected a pandas, polars or Arrow frame, got int", features={"a": 3})
    fails("expected a matrix", items=keys, features={"a": [[1.0], [1.0, 2.0], [2.0]]})
