"""Paths as users write them, JSON of anything, and files that are whole or not there."""

from __future__ import annotations

import os

import numpy as np
import pytest

from magnet import files
from magnet.errors import ConfigError
from magnet.files import as_json, as_path, write_json
from magnet.placing import replacing, replacing_folder


@pytest.fixture
def synced(monkeypatch):
    """Counts the flushes to the disk."""
    calls = []
    real = os.fsync
    monkeypatch.setattr(files.os, "fsync", lambda descriptor: (calls.append(descriptor), real(descriptor)))
    return calls


def test_a_tilde_is_the_home_folder_and_a_relative_path_stays(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert as_path("~") == tmp_path
    assert as_path("~/a/b") == tmp_path / "a" / "b"
    assert as_path(tmp_path.__class__("~/a")) == tmp_path / "a"
    assert str(as_path("a/~/b")) == "a/~/b"
    assert str(as_path("~nobody-of-this-name/a")) == "~nobody-of-this-name/a"


def test_without_a_home_no_folder_of_the_name_tilde_is_meant(monkeypatch):
    monkeypatch.setattr(files.os.path, "expanduser", str)
    with pytest.raises(ConfigError, match="no home folder is known; set HOME"):
        as_path("~/runs")


def test_json_of_anything():
    value = {20: (np.float32(0.5), float("nan")), "b": {"c": [np.inf, np.int64(3), np.bool_(True), None]}}
    assert as_json(value) == {"20": [0.5, None], "b": {"c": [None, 3, True, None]}}
    assert type(as_json(np.bool_(True))) is bool
    odd = object()
    assert as_json([odd]) == [odd]


def test_a_file_appears_whole_under_its_own_ending(tmp_path, synced):
    path = tmp_path / "plot.svg"
    with replacing(path) as temporary:
        assert temporary.suffix == ".svg"
        assert temporary.parent == tmp_path
        assert temporary.name.startswith(".")
        temporary.write_text("new")
        assert not path.exists()
    assert path.read_text() == "new"
    assert len(synced) == 2  # the file and the name
    assert [file.name for file in tmp_path.iterdir()] == ["plot.svg"]


@pytest.mark.parametrize("failure", [ValueError, KeyboardInterrupt])
def test_a_failure_leaves_the_old_file_and_no_litter(tmp_path, failure):
    path = tmp_path / "a.json"
    write_json(path, {"a": 1})
    with pytest.raises(failure):  # noqa: PT012, SIM117
        with replacing(path) as temporary:
            temporary.write_text("half")
            raise failure
    assert path.read_text() == '{\n "a": 1\n}\n'
    assert [file.name for file in tmp_path.iterdir()] == ["a.json"]


def test_a_folder_appears_whole_and_replaces_the_old_one(tmp_path, synced):
    path = tmp_path / "deep" / "made"
    for content in ("old", "new"):
        with replacing_folder(path) as prepared:
            (prepared / "inner").mkdir()
            (prepared / "inner" / content).write_text(content)
        assert [file.name for file in (path / "inner").iterdir()] == [content]
    assert len(synced) == 2 * 4  # the file, its folder, the new folder, the name
    assert [file.name for file in path.parent.iterdir()] == ["made"]
    with pytest.raises(ZeroDivisionError):  # noqa: PT012, SIM117
        with replacing_folder(path) as prepared:
            (prepared / "half").write_text("half")
            raise ZeroDivisionError
    assert (path / "inner" / "new").read_text() == "new"
    assert [file.name for file in path.parent.iterdir()] == ["made"]
