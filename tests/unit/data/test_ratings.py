"""Ratings decide which interactions count."""

from __future__ import annotations

import dataclasses

import numpy as np
import pandas as pd
import polars as pl
import pytest

from magnet.data import Dataset
from magnet.data.readers import register_reader
from magnet.errors import DataError

RATED = {"user": ["u", "u", "v", "v", "w"], "item": list("abacd"), "stars": [5.0, 3.5, 4.0, 1.0, -1.0]}


def write(folder, frame=None):
    (pl.DataFrame(RATED) if frame is None else frame).write_csv(folder / "inter.csv")
    return folder


@pytest.mark.parametrize("least", [3.5, np.float32(3.5)])
def test_interactions_below_the_least_rating_are_left_out_and_counted(tmp_path, least):
    data = Dataset.read(write(tmp_path), split=None, min_rating=least)
    assert data.user_ids == ["u", "v"]
    assert data.item_ids == ["a", "b"]
    assert data.train.toarray().tolist() == [[1, 1], [1, 0]]
    assert data.messages == [
        f"{tmp_path / 'inter.csv'}: 2 of 5 interactions with a rating below 3.5 in column 'stars' were left out"
    ]
    again = Dataset.from_source(data.source)
    assert again.content_hash == data.content_hash
    assert data.source.to_json()["min_rating"] == 3.5


def test_all_interactions_count_where_no_rating_is_asked_for(tmp_path):
    data = Dataset.read(write(tmp_path), split=None)
    assert data.users.size == 5
    assert "also the 1 of 5 with a rating of 0 or below" in data.messages[0]
    assert "as min_rating= (--min-rating) does" in data.messages[0]
    assert "min_rating" not in data.source.to_json()
    assert Dataset.read(tmp_path, split=None, min_rating=-1).messages == []


def test_the_column_of_ratings_may_be_named(tmp_path):
    write(tmp_path, pl.DataFrame(RATED).rename({"stars": "liking"}))
    text = "min_rating needs a column of ratings .* found 'user', 'item', 'liking'; name it with rating="
    with pytest.raises(DataError, match=text):
        Dataset.read(tmp_path, split=None, min_rating=3)
    with pytest.raises(DataError, match="no column 'likng' for the ratings; did you mean 'liking'"):
        Dataset.read(tmp_path, split=None, rating="likng")
    assert Dataset.read(tmp_path, split=None, min_rating=3, rating="liking").users.size == 3
    assert (
        "column 'liking' is not read, every"
        in Dataset.read(tmp_path, split=None, rating="liking").messages[0]
    )


@pytest.mark.parametrize("library", [pl.DataFrame, pd.DataFrame])
def test_frames_are_filtered_alike(library):
    frame = library({**RATED, "timestamp": [1, 2, 3, 4, 5], "split": [0, 1, 0, 2, 2]})
    data = Dataset.from_frame(frame, split="split", min_rating=3)
    assert data.item_ids == ["a", "b"]
    assert (data.users.tolist(), data.items.tolist()) == ([0, 0, 1], [0, 1, 0])
    assert (data.parts.tolist(), data.times.tolist()) == ([0, 1, 0], [1, 2, 3])
    assert data.messages == [
        "frame: 2 of 5 interactions with a rating below 3 in column 'stars' were left out"
    ]
    with pytest.raises(DataError, match="item 'b' in row 1 is not among the 1 items"):
        Dataset.from_frame(frame, items=["a"], min_rating=3)


@pytest.mark.parametrize(
    ("least", "stars", "text"),
    [
        (True, [1, 2], "min_rating must be a finite number, got True of type bool"),
        ("4", [1, 2], "min_rating must be a finite number, got '4' of type str"),
        (float("nan"), [1, 2], "min_rating must be a finite number, got nan"),
        (
            6,
            [1, 2],
            "not a single interaction has a rating of at least 6 in column 'stars'; the highest is 2",
        ),
        (1, [1, None], r"min_rating needs a number in every row, found .* in (line 3|row 1) \(1 such rows\)"),
        (1, ["1", "good"], r"min_rating needs a number in every row, found .* in (line 3|row 1)"),
    ],
)
def test_wrong_ratings(tmp_path, least, stars, text):
    frame = pl.DataFrame({"user": ["u", "v"], "item": ["a", "b"], "stars": stars})
    write(tmp_path, frame)
    for read in (
        lambda: Dataset.read(tmp_path, split=None, min_rating=least),
        lambda: Dataset.from_frame(frame, min_rating=least),
    ):
        with pytest.raises(DataError, match=text):
            read()


def test_lists_are_no_ratings(tmp_path):
    pl.DataFrame({"user": ["u"], "item": ["a"], "stars": [[1]]}).write_parquet(tmp_path / "inter.parquet")
    with pytest.raises(DataError, match="column 'stars': expected ratings, found List"):
        Dataset.read(tmp_path, split=None, min_rating=1)


def test_weights_are_refused_in_words():
    with pytest.raises(
        DataError, match=r"interactions have no weights in Magnet, they are there or not; .*min_"
    ):
        Dataset.from_frame(pl.DataFrame(RATED), weights="stars")
    with pytest.raises(DataError, match="have no weights"):
        Dataset.from_matrix(np.eye(2), weights=np.ones(2))


def test_readers_of_others_take_ratings_if_they_can(tmp_path):
    def plain(path, *, split, modalities, user, item, seed):
        return Dataset.from_frame(pl.DataFrame(RATED))

    def able(path, *, split, min_rating=None, **options):
        return Dataset.from_frame(pl.DataFrame(RATED), min_rating=min_rating)

    for name, read in (("plain-one", plain), ("able-one", able)):
        register_reader(name, read)
    assert Dataset.read(tmp_path, reader="plain-one", split=None).source.split is None
    with pytest.raises(DataError, match="the reader 'plain-one' does not take min_rating=, rating="):
        Dataset.read(tmp_path, reader="plain-one", min_rating=3, rating="stars")
    data = Dataset.read(tmp_path, reader="able-one", min_rating=3)
    assert data.users.size == 3
    assert Dataset.from_source(data.source).content_hash == data.content_hash
    assert dataclasses.asdict(data.source)["reader"] == "able-one"
