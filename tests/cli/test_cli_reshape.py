"""``magnet data convert`` and ``filter``, and a single file given for a folder."""

from __future__ import annotations

import json

import numpy as np
import polars as pl
import pytest
from scipy.sparse import csr_array, save_npz

from magnet.data import Dataset


@pytest.fixture
def taken(tmp_path):
    rows = [
        (f"u{u}", f"i{i}", 1 + (u + i) % 5, f"2024-01-{u + 1:02d}") for u in range(9) for i in range(u % 4, 8)
    ]
    path = tmp_path / "taken.csv"
    pl.DataFrame(rows, schema=["user", "item", "rating", "date"], orient="row").write_csv(path)
    return path


def test_convert_writes_what_is_read_as_the_same(magnet, folder, tmp_path):
    answer = magnet("data", "convert", folder, "--out", tmp_path / "new", "--json")
    assert answer.code == 0
    found = json.loads(answer.out)
    before = Dataset.read(folder)
    assert found["content_hash"] == before.content_hash == Dataset.read(tmp_path / "new").content_hash
    assert found["parts"]["test"] == before.test.nnz
    again = magnet("data", "convert", folder, "--out", tmp_path / "new")
    assert again.code == 1
    assert "exists already" in again.err
    assert magnet("data", "convert", folder, "--out", tmp_path / "new", "--overwrite").code == 0


def test_convert_needs_no_split(magnet, taken, tmp_path):
    answer = magnet("data", "convert", taken, "--out", tmp_path / "new")
    assert answer.code == 0
    assert "9 users, 8 items, 60 interactions (no split: draw one with --split when training)" in answer.out
    assert "column 'rating' is not read" in answer.err
    data = Dataset.read(tmp_path / "new", split="random")
    assert data.content_hash == Dataset.read(taken, split="random").content_hash
    assert data.times is not None


def test_filter_leaves_out_and_says_so(magnet, taken, tmp_path):
    command = ("data", "filter", taken, "--out", tmp_path / "new", "--split", "random", "--split-seed", "1")
    answer = magnet(
        *command, "--min-rating", "2", "--k-core", "3", "--since", "2024-01-02", "--until", "2024-01-09"
    )
    assert answer.code == 0, answer.err
    for text in (
        "with a rating below 2",
        "interactions before 2024-01-02",
        "at or after 2024-01-09",
        "at least 3",
    ):
        assert text in answer.err
    expected = Dataset.read(taken, split="random", seed=1, min_rating=2)
    expected = expected.filter(k_core=3, since="2024-01-02", until="2024-01-09")
    found = Dataset.read(tmp_path / "new")
    assert found.content_hash == expected.content_hash
    assert min(np.bincount(found.users).min(), np.bincount(found.items).min()) >= 3


def test_filter_by_rating_alone_and_by_nothing(magnet, taken, tmp_path):
    answer = magnet("data", "filter", taken, "--out", tmp_path / "new", "--min-rating", "3", "--json")
    assert (
        json.loads(answer.out)["n_interactions"] == Dataset.read(taken, split=None, min_rating=3).users.size
    )
    answer = magnet("data", "filter", taken, "--out", tmp_path / "other")
    assert answer.code == 1
    assert "say by what: min_user=" in answer.err
    answer = magnet(
        "data", "filter", taken, "--out", tmp_path / "all", "--min-user-count", "6", "--keep-items", "--json"
    )
    found = json.loads(answer.out)
    assert found["n_items"] == 8
    assert found["n_users"] == 7  # those who took 8, 7 or 6


@pytest.mark.parametrize("ending", ["csv", "npz"])
def test_a_single_file_is_trained_on_without_a_folder(magnet, taken, tmp_path, ending):
    path = taken
    if ending == "npz":
        path = tmp_path / "taken.npz"
        save_npz(path, csr_array(np.tri(9, 8, 3)))
    run = tmp_path / "run"
    command = ("train", "--data", path, "--split", "random", "--model", "popularity", "--out", run)
    answer = magnet(
        *command, "--min-rating", "1", *(["--rating-column", "rating"] if ending == "csv" else [])
    )
    if ending == "npz":  # a matrix of ones has no ratings
        assert answer.code == 1
        assert "min_rating needs a column of ratings" in answer.err
        answer = magnet(*command)
    assert answer.code == 0, answer.err
    assert magnet("evaluate", run, "--part", "test").code == 0
