"""Paths as users write them, and JSON of anything."""

from __future__ import annotations

import numpy as np
import pytest

from magnet import files
from magnet.errors import ConfigError
from magnet.files import as_json, as_path


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
