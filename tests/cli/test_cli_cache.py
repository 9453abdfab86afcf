"""``magnet cache``: what is kept, and one sentence of what went."""

from __future__ import annotations

import importlib
import json
import logging
import os
import time
import warnings

import numpy as np
import pytest

from magnet import caching
from magnet.graph import cached_knn


@pytest.fixture
def kept(tmp_path, monkeypatch):
    monkeypatch.setenv("MAGNET_CACHE", str(tmp_path))
    monkeypatch.setenv("MAGNET_CACHE_LIMIT", "1GiB")
    rows = np.random.default_rng(0).standard_normal((1200, 8), dtype=np.float32)
    for k in (3, 4):
        cached_knn(rows, k)
    (old,) = [entry.path for entry in caching.entries(tmp_path) if entry.about["k"] == 4]
    days = time.time() - 3.5 * 86400
    os.utime(old, (days, days))
    return tmp_path


def test_the_list_says_what_how_large_and_how_old(magnet, kept):
    out = magnet("cache", "list").out
    assert "1,200 rows of 8 float32, 3 neighbours, exact" in out
    assert out.index("3 neighbours") < out.index("4 neighbours")
    assert "3 days ago" in out
    assert "just now" in out
    size = sum(path.stat().st_size for path in kept.iterdir())
    assert f"{kept}: 2 graphs, {caching.in_words(size)} of at most 1.0 GiB" in out
    found = json.loads(magnet("cache", "list", "--json").out)
    assert (found["size"], found["limit"], len(found["entries"])) == (size, 2**30, 2)
    assert found["entries"][1]["about"]["k"] == 4


def test_what_cannot_be_read_is_listed_as_such(magnet, kept):
    next(kept.iterdir()).write_bytes(b"damaged")
    assert "unknown: damaged, or of an older version" in magnet("cache", "list").out


def test_clear_says_in_one_sentence_what_went(magnet, kept):
    old = magnet("cache", "clear", "--older-than", "3").out
    assert old.startswith(f"{kept}: removed 1 graph, ")
    assert len(old.splitlines()) == 1
    (path,) = kept.iterdir()
    (kept / f".{path.stem}.building").mkdir()
    with caching.reading(path):
        assert magnet("cache", "clear").out == (
            f"{kept}: removed 0 graphs and 1 left-over of dead writers, 0 bytes; 1 in use stayed\n"
        )
    found = json.loads(magnet("cache", "clear", "--json").out)
    assert found["removed"] == [str(path)]
    assert magnet("cache", "list").out == f"{kept}: 0 graphs, 0 bytes of at most 1.0 GiB\n"


def test_a_limit_that_is_no_size_ends_the_command_with_2(magnet, kept, monkeypatch):
    monkeypatch.setenv("MAGNET_CACHE_LIMIT", "much")
    answer = magnet("cache", "list")
    assert answer.code == 2
    assert "MAGNET_CACHE_LIMIT must be a size" in answer.err
    assert magnet("cache", "clear", "--older-than", "-1").code == 2


def test_the_command_says_what_the_cache_logs(kept, monkeypatch, capsys):
    verbs = importlib.import_module("magnet.cli.verbs")
    monkeypatch.setattr(verbs, "app", lambda prog_name: None)
    monkeypatch.setattr(warnings, "showwarning", warnings.showwarning)  # run sets its own
    monkeypatch.setenv("OMP_WAIT_POLICY", "PASSIVE")
    log = logging.getLogger("magnet")
    before = list(log.handlers), log.level
    try:
        verbs.run()
        verbs.run()
        caching.make_room(kept, limit=0, but=kept / "none")
    finally:
        log.handlers[:], log.level = before
    said = capsys.readouterr().err.splitlines()
    assert len(said) == 2
    assert all(line.startswith(f"note: {kept}/knn-") and "removed from the cache" in line for line in said)
