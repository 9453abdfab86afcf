from __future__ import annotations

import dataclasses

import numpy as np
import pytest

import magnet.synthetic.write as write_module
from magnet.data import Dataset
from magnet.errors import DataError
from magnet.synthetic.write import read_truth, write_folder


def test_a_written_folder_reads_back_the_same(tiny, tmp_path):
    folder = write_folder(tiny, tmp_path / "deep" / "made")
    data = Dataset.from_folder(folder)
    assert data.content_hash == tiny.dataset.content_hash
    assert data.titles == tiny.dataset.titles
    assert len(data.messages) == 2  # missing rows, for each modality
    truth = read_truth(folder)
    for field in dataclasses.fields(truth):
        assert np.array_equal(getattr(truth, field.name), getattr(tiny.truth, field.name)), field.name
    assert [path.name for path in folder.parent.iterdir()] == ["made"]


def test_an_existing_folder_is_refused(tiny, tmp_path):
    folder = write_folder(tiny, tmp_path / "made")
    with pytest.raises(DataError, match="made: exists already"):
        write_folder(tiny, folder)
    (folder / "inter.tsv").unlink()
    write_folder(tiny, folder, overwrite=True)
    assert (folder / "inter.tsv").is_file()


def test_a_folder_of_something_else_is_never_replaced(tiny, tmp_path):
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter").write_text("one")
    with pytest.raises(DataError, match="not a folder of generated data"):
        write_folder(tiny, tmp_path / "thesis", overwrite=True)
    assert (tmp_path / "thesis" / "chapter").read_text() == "one"


def test_a_failure_leaves_nothing_behind(tiny, tmp_path, monkeypatch):
    folder = write_folder(tiny, tmp_path / "made")
    monkeypatch.setattr(write_module.np, "savez_compressed", lambda *args, **kwargs: 1 / 0)
    for target in (folder, tmp_path / "other"):
        with pytest.raises(ZeroDivisionError):
            write_folder(tiny, target, overwrite=True)
    assert [path.name for path in tmp_path.iterdir()] == ["made"]
    assert Dataset.from_folder(folder).content_hash == tiny.dataset.content_hash


def test_truth_that_is_missing_or_damaged(tiny, tmp_path):
    with pytest.raises(DataError, match="only generated data have a truth"):
        read_truth(tmp_path)
    folder = write_folder(tiny, tmp_path / "made")
    whole = (folder / "truth.npz").read_bytes()
    for damaged in (b"", whole[: len(whole) // 2], b"PK" + whole[2:200]):
        (folder / "truth.npz").write_bytes(damaged)
        with pytest.raises(DataError, match="not a readable truth file"):
            read_truth(folder)
