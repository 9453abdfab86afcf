from __future__ import annotations

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from magnet.data import Dataset
from magnet.errors import DataError

TAKEN = pl.DataFrame({"user": ["bo", "al", "bo"], "item": [3, 1, 2]})
NAMES = ["one", "two", "three"]


def titles(given, **options):
    return Dataset.from_frame(TAKEN, titles=given, **options).titles


@pytest.mark.parametrize("hold", [list, tuple, np.array, pd.Series, pd.Index, pl.Series, pa.array])
def test_titles_by_position(hold):
    assert titles(hold(NAMES)) == NAMES


@pytest.mark.parametrize(
    "given",
    [
        {3: "three", 1: "one", 2: "two"},
        {np.int64(3): "three", 1.0: "one", 2: "two"},
        pd.Series(["three", "one", "two"], index=[3, 1, 2]),
        pd.DataFrame({"item_id": [3, 1, 2], "title": ["three", "one", "two"], "price": [1, 2, 3]}),
        pl.DataFrame({"item": [3, 1, 2], "name": ["three", "one", "two"]}),
        pa.table({"item": [3, 1, 2], "name": ["three", "one", "two"]}),
    ],
)
def test_titles_by_item_id(given):
    assert titles(given) == NAMES


def test_row_numbers_left_over_from_a_larger_frame_are_no_ids():
    assert titles(pd.Series(NAMES, index=[10, 20, 30])) == NAMES
    with pytest.raises(DataError, match=r"2 of the 3 labels of their index are item ids.*give a mapping"):
        titles(pd.Series(NAMES, index=[0, 1, 2]).iloc[::-1])


@pytest.mark.parametrize("missing", [None, np.nan, pd.NA, pd.NaT, np.float32("nan"), "", "  "])
def test_a_missing_title_is_none(missing):
    assert titles({1: "one", 2: missing, 3: "three"}) == ["one", None, "three"]
    assert titles(["one", missing, "three"]) == ["one", None, "three"]
    assert titles(pd.Series(["one", missing, "three"], dtype=object)) == ["one", None, "three"]


def test_numbers_become_text_and_blanks_around_are_dropped():
    assert titles([1, np.float64(2.5), " x "]) == ["1", "2.5", "x"]
    with pytest.raises(DataError, match=r"titles: expected text, found \['a'\] of type list for item 2"):
        titles({1: "a", 2: ["a"]})


def test_titles_that_speak_of_other_items_are_refused():
    with pytest.raises(DataError, match=r"titles: 0 of its 3 keys are among the 3 items.*'1' is not 1"):
        titles({"1": "one", "2": "two", "3": "three"})
    with pytest.raises(DataError, match=r"titles: 0 of its 1 keys"):
        titles({9: "nine"})
    with pytest.raises(DataError, match="expected a list or a mapping"):
        titles("abc")
    with pytest.raises(DataError, match="expected a list, found 3"):
        titles(3)
    data = Dataset.from_frame(TAKEN, titles={1: "one", 9: "nine"})
    assert data.titles == ["one", None, None]
    assert any("1 keys are no item of the data and were ignored: 9" in message for message in data.messages)


def test_a_data_set_made_by_hand_holds_titles_as_text():
    data = Dataset.from_frame(TAKEN)
    with pytest.raises(DataError, match=r"titles must be text, .*titles\[1\] = 2"):
        Dataset(
            name="own",
            users=data.users,
            items=data.items,
            parts=data.parts,
            user_ids=data.user_ids,
            item_ids=data.item_ids,
            titles=["a", 2, None],
        )
