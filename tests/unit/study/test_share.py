"""A store that can be given away."""

from __future__ import annotations

import pytest

import magnet
from magnet.errors import ConfigError, RunError
from magnet.study.results import comparisons
from magnet.study.share import share
from magnet.study.store import RunStore
from magnet.synthetic.write import write_folder
from support.study_data import quick_lightgcn


def test_a_shared_store_has_the_same_figures_and_no_paths(tiny, tmp_path):
    data = magnet.Dataset.from_folder(write_folder(tiny, tmp_path / "secret" / "one"))
    models = {"ease": "ease", "strong": magnet.EASE(regularization=1e6), "lightgcn": quick_lightgcn()}
    store, target = tmp_path / "store", tmp_path / "shared"
    magnet.compare(models, data, seeds=(0,), store=store, progress=False)
    assert sorted(name.partition(" ")[0] for name in share(store, target)) == ["ease", "ease", "lightgcn"]
    before, after = (comparisons(folder)["one, strict"] for folder in (store, target))
    assert before.to_json() == after.to_json()
    for file in target.rglob("*"):
        assert not file.is_file() or str(tmp_path).encode() not in file.read_bytes()
    assert list((target / "runs").iterdir()) == []
    # What is there stays, and rows can be left out.
    assert len(share(store, target)) == 3
    assert share(store, tmp_path / "fewer", skip=r"regularization|lightgcn") == ["ease"]
    assert len(RunStore(tmp_path / "fewer").keys) == 1


def test_a_store_is_not_shared_in_itself(tiny, tmp_path):
    magnet.compare(["ease"], tiny.dataset, store=tmp_path / "store", progress=False)
    with pytest.raises(RunError, match="this is the store itself"):
        share(tmp_path / "store", tmp_path / "other" / ".." / "store")


def test_a_pattern_that_is_none_is_refused(tmp_path):
    with pytest.raises(ConfigError, match=r"skip: '\(' is no regular expression"):
        share(tmp_path / "a", tmp_path / "b", skip="(")
    assert not (tmp_path / "b").exists()
