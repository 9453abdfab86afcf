"""Whatever the writers of polars and pandas make is read back to the same rows, or refused in words."""

from __future__ import annotations

import csv
import datetime
import tempfile
import uuid
from pathlib import Path

import pandas as pd
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from magnet.data import Dataset
from magnet.data.tables import read_table
from magnet.errors import MagnetError

SEPARATORS = [",", "\t", ";", "|", " "]
FIELDS = st.one_of(
    st.integers(-3, 99).map(str),
    st.text(alphabet="ab \"'#,;|\t:\u00e9\n\r\\", max_size=6),
    st.sampled_from(['15" wide', '"', '""', "a\nb,c", "a\nb\tc", "#x", "NA", "7.0", "x\r\ny", ' "q"']),
)
NAMES = ["user_id", "item_id", "note", "more"]


@st.composite
def tables(draw):
    width = draw(st.integers(2, 4))
    rows = st.lists(st.tuples(*[FIELDS] * width), min_size=1, max_size=8)
    return pl.DataFrame(draw(rows), schema=dict.fromkeys(NAMES[:width], pl.String), orient="row")


def check(table, write, suffix):
    """The rows come back, or an error of ours does; an empty field and none are the same."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"inter{suffix}"
        write(path)
        try:
            found = read_table(path)
            rows = found.select().rows()
        except MagnetError:
            return
    assert found.columns == table.columns
    assert [[value or "" for value in row] for row in rows] == [list(row) for row in table.rows()]


@given(
    table=tables(),
    separator=st.sampled_from(SEPARATORS),
    style=st.sampled_from(["necessary", "always", "non_numeric"]),
    end=st.sampled_from(["\n", "\r\n"]),
    bom=st.booleans(),
    suffix=st.sampled_from([".csv", ".tsv"]),
)
def test_tables_that_polars_writes(table, separator, style, end, bom, suffix):
    def write(path):
        table.write_csv(path, separator=separator, quote_style=style, line_terminator=end, include_bom=bom)

    check(table, write, suffix)


@given(
    table=tables(),
    separator=st.sampled_from(SEPARATORS),
    quoting=st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL, csv.QUOTE_NONNUMERIC]),
    end=st.sampled_from(["\n", "\r\n", "\r"]),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-32"]),
    suffix=st.sampled_from([".csv", ".tsv"]),
)
def test_tables_that_pandas_writes(table, separator, quoting, end, encoding, suffix):
    if quoting == csv.QUOTE_MINIMAL:
        # pandas leaves a carriage return at the end of a line without quotes: nobody can tell it from a line end.
        table = table.with_columns(pl.all().str.replace_all("\r", ""))

    written = table

    def write(path):
        frame = pd.DataFrame(written.to_dict(as_series=False))
        frame.to_csv(path, sep=separator, index=False, quoting=quoting, lineterminator=end, encoding=encoding)

    if end == "\r":  # line breaks in text become those that the file gets
        table = table.with_columns(pl.all().str.replace_all("\r", "\n"))
    check(table, write, suffix)


@given(raw=st.binary(max_size=200), suffix=st.sampled_from([".csv", ".tsv", ".parquet"]))
def test_bytes_of_any_kind_are_read_or_refused(raw, suffix):
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / f"inter{suffix}").write_bytes(raw)
        (Path(folder) / "inter.tsv").write_bytes(b"user_id\titem_id\n" + raw)
        with pytest.raises(MagnetError):
            Dataset.from_folder(folder, split="column that is not there")


VALUES = [
    st.integers(-(2**70), 2**70),
    st.floats(),
    st.booleans(),
    st.text(max_size=4),
    st.none(),
    st.binary(max_size=3),
    st.dates(min_value=datetime.date(1800, 1, 1)),
    st.datetimes(min_value=datetime.datetime(1800, 1, 1)),
    st.timedeltas(min_value=datetime.timedelta(-9), max_value=datetime.timedelta(9)),
    st.uuids().map(lambda key: uuid.UUID(int=key.int)),
    st.decimals(places=2, min_value=-9, max_value=9),
    st.tuples(st.integers(0, 3), st.text(max_size=1)),
    st.lists(st.integers(0, 3), max_size=2),
    st.complex_numbers(),
    st.sampled_from([pd.NA, pd.NaT, "nan", "7.0", "7", " 7", 7, 7.0]),
]


@st.composite
def columns(draw):
    kinds = draw(st.lists(st.sampled_from(VALUES), min_size=1, max_size=2))
    return draw(st.lists(st.one_of(kinds), min_size=3, max_size=6))


@given(users=columns(), items=columns(), rating=columns())
def test_frames_of_any_values_are_read_or_refused(users, items, rating):
    n = min(len(users), len(items), len(rating))
    values = {"user": users[:n], "item": items[:n], "rating": rating[:n]}
    frames = [
        pd.DataFrame({name: pd.Series(column, dtype=object) for name, column in values.items()}),
        pl.DataFrame(
            {name: pl.Series(name, column, dtype=pl.Object) for name, column in values.items()}, strict=False
        ),
    ]
    for make in (pd.DataFrame, lambda given: pl.DataFrame(given, strict=False)):
        try:
            frames.append(make(values))
        except (TypeError, ValueError, OverflowError, ArithmeticError, pl.exceptions.PolarsError):
            continue  # the library itself holds no such column
    for frame in frames:
        try:
            data = Dataset.from_frame(frame)
        except MagnetError:
            continue
        assert len(data.users) <= n
        assert data.n_users <= n
