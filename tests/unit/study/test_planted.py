"""Recovery of the planted cue as a part of every study of generated data."""

from __future__ import annotations

import shutil
from dataclasses import replace

import numpy as np
import pytest

import magnet
from magnet.errors import DataError
from magnet.evaluate.rank import score
from magnet.study.planted import oracle, planted, recovered, yardsticks
from magnet.study.results import comparisons
from magnet.study.share import share
from magnet.synthetic.generator import CUES, GROUPS, driver_table
from magnet.synthetic.write import write_folder
from support.study_data import quick


@pytest.fixture(scope="module")
def folder(tiny, tmp_path_factory):
    """Generated data on disk, their truth beside them."""
    return write_folder(tiny, tmp_path_factory.mktemp("planted") / "tiny")


@pytest.fixture(scope="module")
def made(folder):
    """The same in memory, with the truth."""
    return planted(magnet.Dataset.from_folder(folder))


@pytest.fixture(scope="module")
def state(made):
    """A mixture over the generator's cues."""
    return quick(seed=0, dim=8).fit(made.dataset, progress=False).contents.state


def test_truth_is_found_beside_data_that_are_as_they_were_generated(tiny, made, folder, tmp_path):
    assert np.array_equal(made.truth.groups, tiny.truth.groups)
    assert planted(tiny.dataset) is None
    assert planted(replace(made.dataset, source=replace(made.dataset.source, path=str(tmp_path)))) is None
    other = magnet.synthetic.generate("demo").dataset
    assert planted(replace(other, source=made.dataset.source)) is None
    broken = shutil.copytree(folder, tmp_path / "broken")
    (broken / "truth.npz").write_bytes(b"PK")
    with pytest.raises(DataError, match=r"truth\.npz: not a readable truth file"):
        planted(magnet.Dataset.from_folder(broken))


def test_recovery_is_what_a_loop_over_users_finds(made, state):
    drives = driver_table(GROUPS, len(CUES))[made.truth.groups]
    effects, users = [], []
    for user in range(made.dataset.n_users):
        items = made.dataset.test[[user]].indices
        if len(items):
            whole = score(state, [user] * len(items), items).astype(float)
            without = [
                score(state.turned({cue: 0.0}), [user] * len(items), items).astype(float) for cue in CUES
            ]
            effects.append([np.abs(whole - other).mean() for other in without])
            users.append(user)
    effects, own = np.array(effects), drives[users]
    found = recovered(state, made)
    for way, sizes in (("raw", effects), ("scaled", effects / effects.mean(0))):
        assert found[way] == pytest.approx(own[np.arange(len(own)), sizes.argmax(1)].mean(), abs=0.01)
    assert set(found) == {"raw", "scaled", "mass", "mass, history", *(f"scaled, {group}" for group in GROUPS)}


def test_a_router_that_knows_the_truth_is_seen_to(made, state):
    known = oracle(state, made, protocol="strict")
    assert known["mass"] > 0.9
    assert known["mass"] > recovered(state, made)["mass"]
    assert 0 < known["recall@20"] < 1


def test_nothing_is_said_of_what_has_no_such_cues(made, state):
    dots = magnet.LightGCN(dim=4, train={"epochs": 1}).fit(made.dataset, progress=False).contents.state
    assert recovered(dots, made) is None
    assert oracle(dots, made, protocol="strict") is None
    renamed = replace(state, cues=dict(zip(("a", "b", "c"), state.cues.values(), strict=True)))
    assert recovered(renamed, made) is None
    less = replace(state, experts=[name.replace("dominant/text", "other/text") for name in state.experts])
    assert oracle(less, made, protocol="strict") is None


def test_a_study_of_generated_data_shows_recovery(folder, tmp_path):
    data = magnet.Dataset.from_folder(folder)
    store = tmp_path / "store"
    found = magnet.compare(
        {"magnet": quick(), "ease": "ease"}, data, seeds=(0,), store=store, candidates=True, progress=False
    )
    rows = {row.label: row for row in found.rows}
    truth = yardsticks(planted(data))
    assert rows["magnet: global"].recovery[0]["scaled"] > 0
    assert rows["ease"].recovery == []
    text = found.markdown()
    start = text.index(
        "**Users whose planted cue is named, standard data: by occlusion (raw, scaled) and by weight**"
    )
    lines = text[start:].split("\n\n")[1].splitlines()
    names = [line.split("|")[1].strip() for line in lines[2:]]
    assert names[-4].startswith("oracle of magnet")
    assert names[-3:] == ["chance", "linear probe", "ceiling"]
    assert "magnet: backbone" not in names
    probe = next(line for line in lines if line.startswith("| linear probe"))
    assert f"{truth['linear probe']:.4f}".lstrip("0") in probe
    ceiling = next(line for line in lines if line.startswith("| ceiling"))
    assert f"{truth['recall@20']['strict']:.4f}".lstrip("0") in ceiling
    # A shared store says the same, and data from memory nothing.
    share(store, tmp_path / "shared")
    (again,) = comparisons(tmp_path / "shared").values()
    assert "linear probe" in again.markdown()
    plain = magnet.compare(["ease"], replace(data, source=None), store=tmp_path / "plain", progress=False)
    assert "planted" not in plain.markdown()
