"""What is known about items beside ids and titles."""

from __future__ import annotations

import dataclasses
from datetime import date

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from magnet.data import Dataset
from magnet.errors import DataError

TAKEN = {"user": ["ann", "ann", "bob"], "item": ["tea", "cup", "tea"]}
TABLE = {
    "item": ["pot", "tea", "cup"],
    "title": ["Pot", "Tea", None],
    "price": [3.5, 1.25, None],
    "stock": [7, 8, 9],
    "group": ["steel", "drink", "ware"],
}


def listed(folder, header, *rows, name="items.tsv"):
    (folder / "inter.tsv").write_text("user\titem\tsplit\nu\ta\t0\nu\tb\t1\nv\tc\t2\nv\ta\t0\n")
    (folder / name).write_text("\n".join([header, *rows]) + "\n")
    return Dataset.from_folder(folder)


def test_columns_of_the_item_table_are_kept_in_the_order_of_the_catalogue(tmp_path):
    data = listed(
        tmp_path,
        "item\ttitle\tprice\tyear\tcode\tgroup\tempty",
        "c\tCup\t2.5\t1999\t007\tware\t",
        "a\tTea\t 1 \t\t8\t\t",
        "b\tPot\t\t2001\t9\tsteel\t",
    )
    assert data.item_ids == ["c", "a", "b"]
    assert data.titles == ["Cup", "Tea", "Pot"]
    assert data.item_table.to_dict(as_series=False) == {
        "price": [2.5, 1.0, None],
        "year": [1999, None, 2001],
        "code": ["007", "8", "9"],
        "group": ["ware", None, "steel"],
        "empty": [None, None, None],
    }
    kinds = [pl.Float64, pl.Int64, pl.String, pl.String, pl.String]
    assert data.item_table.dtypes == kinds
    assert not data.messages


@pytest.mark.parametrize("word", ["nan", "inf", "many"])
def test_a_column_with_anything_but_numbers_is_text(tmp_path, word):
    data = listed(tmp_path, "item,price", "a,1", f"b,{word}", "c,2", name="items.csv")
    assert data.item_table["price"].to_list() == ["1", word, "2"]


def test_columns_without_a_name_and_titles_are_no_part_of_it(tmp_path):
    data = listed(tmp_path, ",item,name", "0,a,Tea", "1,b,Pot", "2,c,Cup", name="items.csv")
    assert data.titles == ["Tea", "Pot", "Cup"]
    assert data.item_table is None


def test_parquet_keeps_the_kinds_of_its_columns(tmp_path):
    table = pl.DataFrame(
        {
            "item": ["a", "b", "c"],
            "code": ["7", "8", None],
            "tags": [["x"], [], None],
            "new": [True, False, None],
        }
    )
    table.write_parquet(tmp_path / "items.parquet")
    (tmp_path / "inter.tsv").write_text("user\titem\tsplit\nu\ta\t0\nu\tb\t1\nv\tc\t2\nv\ta\t0\n")
    assert Dataset.from_folder(tmp_path).item_table.equals(table.drop("item"))


@pytest.mark.parametrize("library", [pl.DataFrame, pd.DataFrame, pa.table])
def test_a_frame_of_any_library_gives_one_row_for_each_item(library):
    data = Dataset.from_frame(library(TAKEN), item_table=library(TABLE), items=["cup", "jug", "pot", "tea"])
    assert data.titles == [None, None, "Pot", "Tea"]
    assert data.item_table.to_dict(as_series=False) == {
        "price": [None, None, 3.5, 1.25],
        "stock": [9, None, 7, 8],
        "group": ["ware", None, "steel", "drink"],
    }
    assert data.item_table["price"].dtype == pl.Float64


def test_titles_that_are_given_leave_the_column_in_the_table():
    data = Dataset.from_frame(pl.DataFrame(TAKEN), item_table=pl.DataFrame(TABLE), titles={"tea": "Earl"})
    assert data.titles == [None, "Earl"]
    assert data.item_table["title"].to_list() == [None, "Tea"]
    assert ["1 keys are no item of the data" in message for message in data.messages] == [True]


def test_values_that_polars_cannot_mix_become_text():
    table = pd.DataFrame({"item": ["tea", "cup"], "mix": [1, "x"], "day": [date(2024, 1, 2), None]})
    found = Dataset.from_frame(pl.DataFrame(TAKEN), item_table=table).item_table
    assert found["mix"].to_list() == ["x", "1"]
    assert found["day"].to_list() == [None, date(2024, 1, 2)]


def test_the_table_stays_with_the_items_and_is_not_hashed():
    data = Dataset.from_frame(pl.DataFrame(TAKEN), item_table=pl.DataFrame(TABLE))
    plain = Dataset.from_frame(pl.DataFrame(TAKEN), titles=data.titles)
    assert plain.item_table is None
    assert data.content_hash == plain.content_hash
    for other in (
        data.whole(),
        data.only(np.array([True, False, True])),
        dataclasses.replace(data, name="x"),
    ):
        assert other.item_table.equals(data.item_table)


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ([1, 2], "item_table: expected a pandas, polars or Arrow frame with an item column, got list"),
        (pl.DataFrame({"x": [1]}), "item_table: expected a column of item ids .* found 'x'"),
        (pl.DataFrame({"item": ["tea", "tea"]}), "item_table: item 'tea' stands there more than once"),
        (pl.DataFrame({"item": ["jug"], "x": [1]}), "item_table: 0 of its 1 keys are among the 2 items"),
        (pl.DataFrame({"item": ["tea", None]}), "item_table: column 'item': the id in row 1 is missing"),
        (
            pd.DataFrame([["tea", 1, 2]], columns=["item", "x", "x"]),
            "item_table: .*'x' stand there more than",
        ),
    ],
)
def test_what_is_no_table_of_items_is_refused(given, text):
    with pytest.raises(DataError, match=text):
        Dataset.from_frame(pl.DataFrame(TAKEN), item_table=given)


@pytest.mark.parametrize(
    ("table", "text"),
    [
        (pd.DataFrame({"x": [1, 2]}), "item_table must be a polars frame, got DataFrame; Dataset.from_frame"),
        (pl.DataFrame({"x": [1]}), "item_table must have 2 rows, one for each item, got 1"),
    ],
)
def test_a_table_put_in_by_hand_has_to_fit(table, text):
    data = Dataset.from_frame(pl.DataFrame(TAKEN))
    with pytest.raises(DataError, match=text):
        dataclasses.replace(data, item_table=table)
