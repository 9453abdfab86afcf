"""Ids that are alike, ids that are none, and what is not read."""

from __future__ import annotations

import numpy as np
import pandas as pd
import polars as pl
import pytest

from magnet.data import Dataset
from magnet.errors import DataError

PAIRS = [(user, item) for user in range(6) for item in range(5) if (user + item) % 5]


def folder(path, user="u{}".format, item="i{}".format, extra=(), **columns):
    lines = [(user(u), item(i), *(value(u, i) for value in columns.values())) for u, i in PAIRS]
    text = "\t".join(["user_id", "item_id", *columns]) + "\n"
    text += "".join("\t".join(map(str, line)) + "\n" for line in [*lines, *extra])
    (path / "inter.tsv").write_text(text)
    return path


def read(path, **options):
    return Dataset.from_folder(path, split="random", **options)


def frame(user="u{}".format, item="i{}".format):
    return pd.DataFrame({"user": [user(u) for u, _ in PAIRS], "item": [item(i) for _, i in PAIRS]})


@pytest.mark.parametrize(
    "change", [" {}", "{} ", "\u00a0{}", "{}\u200b", "\ufeff{}", "\u2003{} \u200b ", "{}\u3000"]
)
def test_blanks_around_ids_of_files_are_dropped_and_told(tmp_path, change):
    data = read(folder(tmp_path, user=lambda u: change.format(f"u{u}") if u % 2 else f"u{u}"))
    assert data.user_ids == [f"u{u}" for u in range(6)]
    (message,) = data.messages
    assert "column 'user_id': 12 rows have an id with blanks" in message
    assert "in line 6" in message


def test_forms_of_unicode_are_one_id_in_a_file(tmp_path):
    data = read(folder(tmp_path, user=lambda u: f"e\u0301{u}" if u % 2 else f"\u00e9{u}"))
    assert data.user_ids == [f"\u00e9{u}" for u in range(6)]


@pytest.mark.parametrize(
    "word", ["nan", "NaN", "NA", "N/A", "null", "NULL", "None", "<NA>", "NaT", "\\N", "  ", ""]
)
@pytest.mark.parametrize("column", [0, 1])
def test_words_for_nothing_are_no_ids(tmp_path, word, column):
    row = ["u1", "i1"]
    row[column] = word
    with pytest.raises(DataError, match=r"column '(user|item)_id': .*in line 26"):
        read(folder(tmp_path, extra=[row]))
    ids = frame()
    ids.iloc[3, column] = word
    with pytest.raises(DataError, match=r"column '(user|item)': .*in row 3"):
        Dataset.from_frame(ids)


def test_integers_written_as_floats_are_integers(tmp_path):
    data = read(folder(tmp_path, user="{}.0".format, item="{}.00".format))
    assert (data.user_ids, data.item_ids) == (list(range(6)), list(range(5)))
    assert all("written as floats" in message for message in data.messages)
    data = Dataset.from_frame(frame(user=float, item=int))
    assert [type(key) for key in data.user_ids] == [int] * 6
    assert "floats without a fraction" in data.messages[0]
    assert Dataset.from_frame(frame(user=lambda u: u + 0.5, item=int)).user_ids == [u + 0.5 for u in range(6)]


@pytest.mark.parametrize("user", [lambda u: f"{u}.0" if u > 1 else u, lambda u: f"{u}.0" if u < 1 else u])
def test_both_ways_of_writing_an_integer_are_refused(tmp_path, user):
    with pytest.raises(DataError, match=r"'\d\.0' in line"):
        read(folder(tmp_path, user=user))


def test_ids_of_a_frame_stay_as_they_are_unless_two_are_alike():
    data = Dataset.from_frame(frame(user="u{} ".format))
    assert data.user_ids == [f"u{u} " for u in range(6)]
    assert "24 rows have an id with blanks around it" in data.messages[0]
    ids = frame()
    ids.iloc[5, 0] = "u1 "
    ids.iloc[0, 0] = "u1"
    with pytest.raises(DataError, match=r"'u1 ' in row 5 is 'u1' but for blanks"):
        Dataset.from_frame(ids)
    ids = frame(user=str)
    ids.iloc[23, 0] = "1.0"
    with pytest.raises(DataError, match=r"'1\.0' in row 23 and '1' in row \d are one number"):
        Dataset.from_frame(ids)


def test_long_numbers_that_a_spreadsheet_cut_are_refused(tmp_path):
    with pytest.raises(DataError, match=r"last digits are lost: '1\.23457E\+12' in line 2"):
        read(folder(tmp_path, user=lambda u: "1.23457E+12" if u == 0 else f"u{u}"))


@pytest.mark.parametrize("suffix", ["tsv", "parquet"])
def test_features_of_other_items_are_refused_and_never_a_catalogue(tmp_path, suffix):
    folder(tmp_path, item=int)
    table = pl.DataFrame({"item_id": [f"x{i}" for i in range(9)], "a": np.arange(9.0) + 1})
    path = tmp_path / f"looks.{suffix}"
    table.write_csv(path, separator="\t") if suffix == "tsv" else table.write_parquet(path)
    with pytest.raises(DataError, match=r"looks.*0 of its 9 keys are among the 5 items; the keys are 'x0'"):
        read(tmp_path, modalities=["looks"])
    looks = {str(i): [1.0, i] for i in range(5)}
    with pytest.raises(DataError, match=r"modality 'looks': .*'0' is not 0"):
        Dataset.from_frame(frame(item=int), features={"looks": looks})
    with pytest.raises(DataError, match="'0' is not 0: give keys of the items' own type"):
        Dataset.from_frame(frame(item=int), features={"looks": {"0": [1.0], 1: [1.0], 2: [2.0], 3: [1.0]}})
    few = Dataset.from_frame(frame(), features={"looks": {f"i{i}": [1.0] for i in range(12)}})
    assert any("7 keys are new items, which nobody took: 'i5'" in message for message in few.messages)


def test_numbers_among_text_are_the_same_items_in_both_files(tmp_path):
    folder(tmp_path, item=int)
    (tmp_path / "looks.tsv").write_text("item_id\ta\n0\t1\n1\t2\n2\t1\n3\t1\n4\t1\nX\t3\n")
    assert read(tmp_path, modalities=["looks"]).item_ids == ["0", "1", "2", "3", "4", "X"]


def test_ratings_and_what_else_is_not_read_are_named_once(tmp_path):
    folder(tmp_path, rating=lambda u, i: u - 1, timestamp=lambda u, i: 100 + i, colour=lambda u, i: "red")
    (tmp_path / "image.h5").write_bytes(b"features")
    pl.DataFrame({"item_id": ["i0"], "a": [1.0]}).write_parquet(tmp_path / "text.parquet")
    rating, others, files = read(tmp_path).messages
    assert "column 'rating' is not read" in rating
    assert "the 8 of 24 with a rating of 0 or below: '-1' in line 2" in rating
    assert others.endswith("1 column is not read: 'colour'")  # times are kept, see Dataset.times
    assert "2 files are not read: 'image.h5', 'text.parquet'" in files
    (message,) = Dataset.from_frame(frame().assign(rating=[0.0] + [3.0] * 23)).messages
    assert "the 1 of 24 with a rating of 0 or below: 0.0 in row 0" in message


def test_times_count_as_read_if_they_can_be(tmp_path):
    folder(tmp_path, timestamp=lambda u, i: "yesterday")
    assert [text.partition(": ")[2] for text in read(tmp_path).messages] == [
        "1 column is not read: 'timestamp'"
    ]
    dated = frame().assign(timestamp=range(24))
    assert Dataset.from_frame(dated).messages == []
    (message,) = Dataset.from_frame(dated.assign(timestamp="yesterday")).messages
    assert message.endswith("1 column is not read: 'timestamp'")


def test_a_file_that_is_not_read_is_named_once(tmp_path):
    folder(tmp_path, item=int)
    np.save(tmp_path / "x.npy", np.ones((5, 2)))
    for name in ("x.npz", "y.npz"):
        np.savez(tmp_path / name, a=np.ones((5, 2)))
    hidden, others = read(tmp_path).messages
    assert hidden.endswith("x.npz: not read, since x.npy is there as well")
    assert others.endswith("1 file is not read: 'y.npz'")
    assert len(read(tmp_path, modalities=["x"]).messages) == 1


def test_ids_beside_an_array_are_spelled_as_those_of_tables_and_have_rows(tmp_path):
    folder(tmp_path)
    ids = [f"i{i}" for i in range(5)]
    np.savez(tmp_path / "x.npz", v=np.arange(10.0).reshape(5, 2) + 1, ids=np.array([*ids[:4], " i4"]))
    data = read(tmp_path)
    assert data.item_ids == ids
    assert data.modalities["x"].features[4].tolist() == [9, 10]
    assert "x.npz: ids: 1 row has an id with blanks around it" in data.messages[0]
    assert "' i4' in row 4" in data.messages[0]
    np.savez(tmp_path / "x.npz", v=np.ones((5, 2)), ids=np.array([*ids[:4], " i0"]))
    with pytest.raises(DataError, match=r"x\.npz: ids: item 'i0' in row 4 stands there a second time"):
        read(tmp_path)
    np.savez(tmp_path / "x.npz", a=np.ones(3))
    with pytest.raises(DataError, match=r"x\.npz: 0 of its 1 keys .*name those that are \(modalities\)"):
        read(tmp_path)
