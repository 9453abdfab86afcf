"""Whatever is handed over is read, or refused in one of our errors that is short and says what it means."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import warnings
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
import pytest

import magnet
from hostile.arguments import ANSWERS, FRAMES, OPTIONS, RUNS, SETTINGS, TOML, USER_FILES
from hostile.case import Reads, named
from hostile.features import FEATURES
from hostile.interactions import FILES, ITEMS, RATINGS, RULES, SOUND, SPLITS
from magnet.cli.ids import read_ids
from magnet.config import merge_settings, read_toml
from magnet.errors import MagnetError, MagnetWarning
from magnet.models.registry import find_model

if TYPE_CHECKING:
    from pathlib import Path

LONGEST = 600
ADDRESS = re.compile(r"0x[0-9a-f]{6,}")
CASES = named(
    file=FILES,
    split=SPLITS,
    rule=RULES,
    rating=RATINGS,
    items=ITEMS,
    features=FEATURES,
    frame=FRAMES,
    option=OPTIONS,
    answer=ANSWERS,
    users=USER_FILES,
    toml=TOML,
    set=SETTINGS,
    run=RUNS,
)


def put(path: Path, given) -> None:
    """Bytes, or what is no file of bytes at all."""
    if given == "folder":
        path.mkdir()
    elif given == "fifo":
        os.mkfifo(path)
    elif given == "dangling":
        path.symlink_to(path.with_name("nowhere"))
    elif given == "loop":
        path.symlink_to(path)
    elif given == "locked":
        path.write_bytes(b"a")
        path.chmod(0)
    else:
        path.write_bytes(given() if callable(given) else given)


def counts(data) -> Reads:
    return Reads(len(data.users), data.n_users, data.n_items)


def inter(folder, content=SOUND, name="inter.tsv"):
    put(folder / name, content)


def read_file(one, folder):
    inter(folder, one.given, one.where or "inter.tsv")
    return counts(magnet.Dataset.from_folder(folder))


def read_rule(one, folder):
    inter(folder, one.given)
    return counts(magnet.Dataset.from_folder(folder, split=one.where))


def read_items(one, folder):
    inter(folder)
    put(folder / "items.tsv", one.given)
    return counts(magnet.Dataset.from_folder(folder))


def read_features(one, folder):
    inter(folder)
    put(folder / "items.tsv", b"item\nx\ny\nz\n")
    put(folder / one.where, one.given)
    data = magnet.Dataset.from_folder(folder, modalities=["f"])
    rows = np.asarray(data.modalities["f"].features)
    assert np.isfinite(rows).all()
    return counts(data)


def read_frame(one, folder):
    return counts(magnet.Dataset.from_frame(one.given()))


def read_option(one, folder):
    frame = pl.DataFrame({"user": ["a", "a", "b", "b"], "item": ["x", "y", "x", "z"]})
    catalogue = {"items": ["x", "y", "z"]} if "features" in one.given else {}
    return counts(magnet.Dataset.from_frame(frame, **catalogue, **one.given))


def popularity():
    frame = pl.DataFrame({"user": ["a", "a", "b"], "item": ["x", "y", "x"]})
    data = magnet.Dataset.from_frame(frame, items=["x", "y", "z"])
    return magnet.Popularity().fit(data, progress=False)


@pytest.fixture(scope="module")
def model():
    return popularity()


@pytest.fixture(scope="module")
def run(tmp_path_factory, model):
    path = tmp_path_factory.mktemp("runs") / "run"
    model.save(path)
    return path


def read_answer(one, model):
    return len(model.recommend(one.given, k=one.where))


def read_users_of(one, folder):
    put(folder / "users.txt", one.given)
    return len(read_ids(str(folder / "users.txt")))


def read_settings_file(one, folder):
    put(folder / "s.toml", one.given)
    find_model("lightgcn").config.build(read_toml(folder / "s.toml"), where="s.toml")


def read_setting(one, folder):
    find_model("lightgcn").config.build(merge_settings({}, [one.given]), where="--set")


def read_run(one, run, folder):
    here = folder / "run"
    shutil.copytree(run, here)
    file = here / one.where
    before = file.read_bytes()
    file.unlink()
    if one.given is not None:
        put(file, one.given(before) if callable(one.given) else one.given)
    if one.name.endswith("signed"):
        if one.where == "config.json":  # the identity is of the old one
            values = json.loads(file.read_text())
            del values["identity"]
            file.write_text(json.dumps(values))
        manifest = json.loads((here / "manifest.json").read_text())
        manifest["files"][one.where] = hashlib.sha256(file.read_bytes()).hexdigest()
        (here / "manifest.json").write_text(json.dumps(manifest))
    assert len(magnet.load(here).recommend("a", k=1)) == 1


class Late(BaseException):
    """It waits for something that will not come."""


READ = {
    "file": read_file,
    "split": read_file,
    "rating": read_file,
    "rule": read_rule,
    "items": read_items,
    "features": read_features,
    "frame": read_frame,
    "option": read_option,
    "users": read_users_of,
    "toml": read_settings_file,
    "set": read_setting,
}


@contextmanager
def soon(seconds=5):
    """A pipe that nobody writes to would keep a reader for good."""
    import signal

    def late(*_):
        raise Late

    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def outcome(kind, one, folder, model, run):
    with warnings.catch_warnings(), soon():
        warnings.simplefilter("ignore", MagnetWarning)
        if kind == "answer":
            return read_answer(one, model)
        if kind == "run":
            return read_run(one, run, folder)
        return READ[kind](one, folder)


def test_there_are_many():
    assert len(CASES) >= 400
    assert len({(kind, one.name, str(one.where)) for kind, one in CASES}) == len(CASES)


@pytest.mark.parametrize(("kind", "one"), CASES, ids=[f"{kind}: {one.name}" for kind, one in CASES])
def test_it_is_read_or_refused_in_words(kind, one, tmp_path, model, run):
    if isinstance(one.given, str) and one.given == "locked" and os.geteuid() == 0:
        pytest.skip("nothing is locked for root")
    if isinstance(one.expected, str):
        with pytest.raises(MagnetError) as caught:
            outcome(kind, one, tmp_path, model, run)
        said = str(caught.value)
        assert one.expected in said
        assert len(said.replace(str(tmp_path), "")) <= LONGEST
        assert not ADDRESS.search(said)
    else:
        assert outcome(kind, one, tmp_path, model, run) == one.expected
