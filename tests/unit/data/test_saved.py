"""What is saved is read as the same, whatever ids, titles and features are like."""

from __future__ import annotations

import dataclasses
import json
import tempfile
from datetime import date
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from magnet.data import Dataset, Modality
from magnet.errors import DataError

WORDS = st.text(st.characters(exclude_categories=["Cs"]), max_size=6)
IDS = st.one_of(
    st.lists(WORDS, min_size=2, max_size=6, unique=True),
    st.lists(st.from_regex(r"-?0?[0-9]{1,2}(\.0)?", fullmatch=True), min_size=2, max_size=6, unique=True),
    st.lists(st.integers(-(2**63), 2**63 - 1), min_size=2, max_size=6, unique=True),
    st.lists(
        st.integers(-(2**70), 2**70) | WORDS | st.floats(allow_nan=False, allow_infinity=False),
        min_size=2,
        max_size=6,
        unique=True,
    ),
)


@st.composite
def datasets(draw):
    user_ids, item_ids = draw(IDS), draw(IDS)
    shape = (len(user_ids), len(item_ids))
    labels = np.array(
        draw(st.lists(st.integers(-1, 2), min_size=shape[0] * shape[1], max_size=shape[0] * shape[1]))
    )
    labels[0] = 0
    users, items = np.nonzero(labels.reshape(shape) >= 0)
    order = draw(st.permutations(range(users.size)))
    made = {}
    for name in draw(st.lists(st.sampled_from(["b", "a", "inter", "x.y", "ß"]), unique=True, max_size=3)):
        kind = draw(st.sampled_from([np.float16, np.float32]))
        rows = np.array(
            draw(st.lists(st.integers(-3, 3), min_size=2 * shape[1], max_size=2 * shape[1])), kind
        )
        rows = rows.reshape(shape[1], 2)
        rows[draw(st.integers(0, shape[1] - 1))] = 1
        made[name] = Modality(name, rows, rows.any(axis=1))
    titles = draw(st.none() | st.lists(st.none() | WORDS, min_size=shape[1], max_size=shape[1]))
    table = draw(
        st.none()
        | st.sampled_from(["item_id", "title", "price", ""]).map(
            lambda name: pl.DataFrame({name: range(shape[1])})
        )
        | st.just(
            pl.DataFrame({"t": ["7"] * shape[1], "l": [[1.5]] * shape[1], "d": [date(2024, 1, 2)] * shape[1]})
        )
    )
    times = draw(st.none() | st.just(np.arange(users.size, dtype=np.int64) * 10**15))
    return Dataset(
        name="made",
        users=users[order].astype(np.int32),
        items=items[order].astype(np.int32),
        parts=labels[labels >= 0][order].astype(np.int8),
        user_ids=user_ids,
        item_ids=item_ids,
        titles=titles,
        modalities=made,
        times=times,
        item_table=table,
    )


def rows(data):
    times = [0] * data.users.size if data.times is None else data.times.tolist()
    return sorted(zip(data.users.tolist(), data.items.tolist(), data.parts.tolist(), times, strict=True))


@settings(max_examples=max(settings().max_examples // 2, 1))  # each writes and flushes a folder
@given(datasets())
def test_what_is_saved_is_read_as_the_same(data):
    with tempfile.TemporaryDirectory() as place:
        folder = data.save(Path(place) / "saved")
        found = Dataset.read(folder)
        assert found.content_hash == data.content_hash
        assert (found.user_ids, found.item_ids, found.titles) == (data.user_ids, data.item_ids, data.titles)
        assert list(found.modalities) == list(data.modalities)
        assert rows(found) == rows(data)
        assert (found.times is None) == (data.times is None)
        if data.item_table is None:
            assert found.item_table is None
        else:
            assert found.item_table.equals(data.item_table)
        assert Dataset.from_source(found.source).content_hash == data.content_hash


def small(**changes):
    frame = pl.DataFrame({"user": ["1", "1", "2", "2"], "item": ["7", "8", "7", "9"], "split": [0, 1, 0, 2]})
    features = {"image": {"7": [1.0, 2.0], "9": [3.0, 4.0]}, "audio": np.eye(3, dtype=np.float16)}
    made = Dataset.from_frame(
        frame, split="split", features=features, items=["7", "8", "9"], titles=["a", None, "c"]
    )
    return dataclasses.replace(made, **changes)


@pytest.fixture
def saved(tmp_path):
    return small().save(tmp_path / "saved")


def test_a_saved_folder_takes_other_splits_and_modalities(saved):
    assert np.bincount(Dataset.read(saved, split="k-fold:1/3").parts).tolist() == [1, 1, 2]
    assert list(Dataset.read(saved).modalities) == ["image", "audio"]  # as they were, not by name
    assert list(Dataset.read(saved, modalities=["audio"]).modalities) == ["audio"]
    np.save(saved / "video.npy", np.ones((3, 1), dtype=np.float32))
    assert list(Dataset.read(saved).modalities) == ["image", "audio", "video"]
    assert Dataset.read(saved).modalities["image"].present.tolist() == [True, False, True]


def test_what_is_put_into_a_saved_folder_and_not_read_is_named(saved):
    (saved / "items.tsv").write_text("item_id\n7\n")
    (saved / "text.tsv").write_text("item_id\tx\n7\t1\n8\t2\n9\t3\n")
    told = " ".join(Dataset.read(saved).messages)
    assert "2 files are not read: 'items.tsv', 'text.tsv'" in told
    text = Dataset.read(saved, modalities=["text"]).modalities["text"]  # by ids that are text there
    assert text.features.tolist() == [[1], [2], [3]]


def test_only_a_folder_of_its_own_is_replaced(tmp_path, saved):
    other = small(titles=None)
    with pytest.raises(
        DataError, match=r"saved: exists already; choose another folder or allow it to be overwritten"
    ):
        other.save(saved)
    other.save(saved, overwrite=True)
    assert Dataset.read(saved).titles is None
    (saved / "notes.txt").write_text("mine")
    with pytest.raises(DataError, match=r"saved: holds other files \(notes\.txt\) and is left alone"):
        other.save(saved, overwrite=True)
    (tmp_path / "mine").mkdir()
    other.save(tmp_path / "mine", overwrite=True)
    (tmp_path / "theirs").mkdir()
    (tmp_path / "theirs" / "inter.parquet").write_bytes(b"")
    with pytest.raises(DataError, match=r"theirs: is no folder that Dataset\.save wrote and is left alone"):
        other.save(tmp_path / "theirs", overwrite=True)
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match="file: is a file, expected the name of a folder"):
        other.save(tmp_path / "file", overwrite=True)


def test_a_failure_leaves_what_was_there(saved, monkeypatch):
    before = {path.name: path.read_bytes() for path in saved.iterdir()}
    monkeypatch.setattr(np, "save", lambda *_, **__: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        small(titles=None).save(saved, overwrite=True)
    assert {path.name: path.read_bytes() for path in saved.iterdir()} == before
    assert [path.name for path in saved.parent.iterdir()] == ["saved"]


ROWS = np.array([[1, 0], [0, 1], [1, 1]], dtype=np.float32)
ENDLESS = np.full((3, 2), np.inf, dtype=np.float32)
THERE = np.ones(3, dtype=bool)


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        (
            {"user_ids": [(1, 2), (3, 4)]},
            r"user ids: \(1, 2\) of type tuple cannot be kept .* for example str\(key\)",
        ),
        ({"user_ids": [1, float("inf")]}, "user ids: inf of type float cannot be kept in a folder"),
        ({"user_ids": [np.int64(1), 2]}, r"user ids: .*1.* of type int64 cannot be kept"),
        ({"user_ids": ["\ud800", "b"]}, r"user ids: '\\ud800' is no valid Unicode"),
        (
            {"titles": ["a", "\ud800", None]},
            r"titles: '\\ud800' is no valid Unicode and cannot be kept in a file",
        ),
        (
            {"parts": np.full(4, 2, dtype=np.int8)},
            "there is no training interaction, and such data could not be read",
        ),
        ({"items": np.array([0, 0, 0, 2], dtype=np.int32)}, "a pair of user and item occurs twice"),
        ({"modalities": {"a/b": Modality("a/b", ROWS, THERE)}}, "'a/b': the name cannot be that of a file"),
        ({"modalities": {".a": Modality(".a", ROWS, THERE)}}, r"'\.a': the name cannot be that of a file"),
        ({"modalities": {"a": Modality("b", ROWS, THERE)}}, "'a': it is called 'b' itself; give it one name"),
        (
            {"modalities": {"a": Modality("a", ROWS, ~THERE)}},
            r"'a': row 0 must be finite, and zeros .* \(3 such rows",
        ),
        (
            {"modalities": {"a": Modality("a", ENDLESS, THERE)}},
            "'a': row 0 must be finite",
        ),
        (
            {"modalities": {"a": Modality("a", 0 * ROWS, ~THERE)}},
            "'a': not a single item has it; leave it out",
        ),
        (
            {"modalities": {"a": Modality("a", ROWS.astype(float), THERE)}},
            "'a': expected a matrix of float32 or float16, found float64",
        ),
        (
            {"item_table": pl.DataFrame({"x": pl.Series([object()] * 3, dtype=pl.Object)})},
            "item_table cannot be kept in Parquet: .*; drop or convert such columns",
        ),
    ],
)
def test_what_cannot_be_kept_is_refused_before_anything_is_written(tmp_path, changes, text):
    with pytest.raises(DataError, match=text):
        small(**changes).save(tmp_path / "saved")
    assert not list(tmp_path.iterdir())


def test_too_few_to_be_read_again_are_refused(tmp_path):
    one = np.zeros(1, dtype=np.int32)
    data = Dataset("one", one, one, one.astype(np.int8), ["u"], ["a", "b"])
    with pytest.raises(DataError, match="one: 1 user is too few to be saved"):
        data.save(tmp_path / "saved")


def damage(folder, name, **changes):
    table = pl.read_parquet(folder / name)
    table.with_columns(**changes).write_parquet(folder / name)


@pytest.mark.parametrize(
    ("break_it", "text"),
    [
        (lambda f: (f / "magnet.json").write_text("{"), r"magnet\.json: damaged, it does not say how"),
        (lambda f: (f / "magnet.json").write_text("[]"), r"magnet\.json: damaged"),
        (
            lambda f: (f / "magnet.json").write_text(
                json.dumps(json.loads((f / "magnet.json").read_text()) | {"format_version": 2})
            ),
            r"written by a newer Magnet \(format 2, this one reads up to 1\)",
        ),
        (
            lambda f: (f / "magnet.json").write_text(
                json.dumps(json.loads((f / "magnet.json").read_text()) | {"user_ids": "pickle"})
            ),
            r"magnet\.json: damaged",
        ),
        (
            lambda f: (f / "magnet.json").write_text(
                json.dumps(json.loads((f / "magnet.json").read_text()) | {"item_ids": "json"})
            ),
            None,
        ),
        (
            lambda f: (f / "magnet.json").write_text(
                json.dumps(json.loads((f / "magnet.json").read_text()) | {"title_column": "name"})
            ),
            r"items\.parquet: damaged, there is no column 'name'",
        ),
        (lambda f: (f / "users.parquet").unlink(), r"users\.parquet: no such file"),
        (lambda f: (f / "image.npy").unlink(), r"image\.npy is missing, which was saved with the data"),
        (lambda f: damage(f, "users.parquet", user_id=pl.lit("1")), "an id stands there more than once"),
        (
            lambda f: damage(f, "users.parquet", user_id=pl.lit(1)),
            "expected ids of the kind 'text', found Int",
        ),
        (
            lambda f: damage(f, "inter.parquet", item_id=pl.lit("6")),
            r"'6' in row 0 is not in items\.parquet \(4 such",
        ),
        (
            lambda f: damage(f, "inter.parquet", split=pl.lit("x")),
            "expected 0, 1, 2 or train, valid, test, found 'x'",
        ),
    ],
)
def test_damaged_folders_are_refused(saved, break_it, text):
    break_it(saved)
    if text is None:  # '7' is JSON for the number
        assert Dataset.read(saved).item_ids == [7, 8, 9]
        damage(saved, "items.parquet", item_id=pl.lit("{"))
        text = "damaged, expected ids of the kind 'json'"
    with pytest.raises(DataError, match=text):
        Dataset.read(saved)


def test_ratings_are_not_saved(saved):
    with pytest.raises(DataError, match="min_rating needs a column of ratings"):
        Dataset.read(saved, min_rating=3)
