"""Any frame that pandas or polars can make is read, or refused in one of our errors."""

from __future__ import annotations

import re
import warnings

import pandas as pd
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.pandas import column, data_frames, range_indexes
from polars.testing.parametric import dataframes

from magnet.data import Dataset
from magnet.errors import MagnetError, MagnetWarning

IDS = ["user", "item"]
NAMES = ["rating", "timestamp", "split", "userID", "title", "", "x"]
# What pandas keeps in a column: its own kinds, and objects of any.
KINDS = [
    "int8",
    "int64",
    "uint64",
    "float32",
    "float64",
    "bool",
    "datetime64[ns]",
    "timedelta64[ns]",
    "complex128",
]
OBJECTS = st.one_of(
    st.none(),
    st.integers(),
    st.floats(),
    st.text(max_size=4),
    st.binary(max_size=3),
    st.tuples(st.integers(0, 2), st.text(max_size=2)),
    st.lists(st.integers(0, 2), max_size=2),
    st.dictionaries(st.text(max_size=1), st.integers(), max_size=1),
    st.decimals(),
    st.dates(),
    st.sampled_from(
        [pd.NA, pd.NaT, pd.Timestamp(0), pd.Interval(0, 1), pd.Period("2024"), b"", "nan", "7.0"]
    ),
)
SPLITS = [None, "split", "random", "mmrec", "leave-last", "temporal", "k-fold:1/2", "cold-items:0.5"]


@st.composite
def pandas_frames(draw):
    names = draw(st.permutations(IDS)) + draw(st.lists(st.sampled_from(NAMES), max_size=3, unique=True))
    columns = []
    for name in names:
        kind = draw(st.sampled_from([*KINDS, object]))
        columns.append(
            column(name, elements=OBJECTS, dtype=object) if kind is object else column(name, dtype=kind)
        )
    frame = draw(data_frames(columns, index=range_indexes(max_size=7)))
    for name in names:
        if draw(st.booleans()):
            change = draw(
                st.sampled_from(["category", "string", "Int64", "Sparse[float64, nan]", "object", "bytes"])
            )
            try:
                frame[name] = frame[name].astype(change)
            except Exception:
                continue
    return frame


def check(frame, split, features):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", MagnetWarning)
        said = ""
        try:
            data = Dataset.from_frame(frame, split=split, features=features)
        except MagnetError as error:
            said = str(error)
    assert len(said) <= 900
    assert not re.search(r"0x[0-9a-f]{6,}", said)
    if said:
        return
    # What is read has rows of the frame alone, none of them twice.
    assert 0 < len(data.users) <= len(frame)
    assert len(set(zip(data.users.tolist(), data.items.tolist(), strict=True))) == len(data.users)
    assert data.users.max() < data.n_users == len(data.user_ids) == len(set(data.user_ids))
    assert data.items.max() < data.n_items == len(data.item_ids) == len(set(data.item_ids))


@given(frame=pandas_frames(), split=st.sampled_from(SPLITS), asked=st.booleans())
def test_any_frame_of_pandas(frame, split, asked):
    check(frame, split, {"f": frame} if asked else None)


@st.composite
def polars_frames(draw):
    names = draw(st.permutations(IDS)) + draw(st.lists(st.sampled_from(NAMES), max_size=3, unique=True))
    gaps = draw(st.booleans())
    frame = draw(dataframes(cols=len(names), max_size=7, allow_null=gaps))
    return frame.rename(dict(zip(frame.columns, names, strict=True)))


@given(frame=polars_frames(), split=st.sampled_from(SPLITS), asked=st.booleans())
def test_any_frame_of_polars(frame, split, asked):
    check(frame, split, {"f": frame} if asked else None)
