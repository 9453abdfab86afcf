"""Replays the corpus of the fuzzers of loaders: every input that was found worth keeping is still read or refused."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CORPUS = ROOT / "torture" / "fuzz" / "corpus"
sys.path.insert(0, str(ROOT))

from torture.fuzz.place import Place  # noqa: E402
from torture.fuzz.targets import TARGETS, call  # noqa: E402

# What one clone of the repository carries along for both fuzzers, in bytes.
MOST = 300_000


@pytest.fixture(scope="module")
def place():
    return Place()


def test_every_target_has_a_corpus_and_all_of_it_is_small():
    assert {folder.name for folder in CORPUS.iterdir()} == set(TARGETS)
    files = [*CORPUS.rglob("*"), *(ROOT / "fuzz" / "corpus").rglob("*")]
    assert sum(file.stat().st_size for file in files if file.is_file()) < MOST


@pytest.mark.parametrize("name", TARGETS)
def test_no_input_of_the_corpus_fails(name, place):
    inputs = sorted((CORPUS / name).iterdir())
    assert inputs
    for path in inputs:
        try:
            call(name, path.read_bytes(), place)
        except BaseException as error:
            raise AssertionError(f"{path}: {type(error).__name__}") from error


@pytest.mark.parametrize("error", [KeyError("x"), AssertionError("y")])
def test_a_target_that_lets_something_through_fails(error, place, monkeypatch):
    def loud(*_):
        raise error

    monkeypatch.setitem(TARGETS, "ids", loud)
    with pytest.raises(type(error)):
        call("ids", b"", place)
