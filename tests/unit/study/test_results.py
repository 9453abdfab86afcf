"""Results out of a store alone: the figures are those of the comparisons that filled it."""

from __future__ import annotations

import dataclasses
import shlex
import shutil
from pathlib import Path

import pytest

import magnet
from magnet.config import Config
from magnet.errors import RunError
from magnet.models.registry import find_model
from magnet.study import results
from magnet.study.ablate import ablate
from magnet.study.results import comparisons, page, slug
from magnet.study.store import RunStore
from magnet.synthetic.write import write_folder
from support.study_data import quick, quick_lightgcn

RESULTS = Path(__file__).resolve().parents[3] / "results"
LIMIT = 20 << 20  # bytes that may be committed


@pytest.fixture(scope="module")
def made(tiny, tmp_path_factory):
    """A store of two data sets, and the comparisons that filled it; the data are gone."""
    home = tmp_path_factory.mktemp("results")
    one = write_folder(tiny, home / "data" / "one")
    two = write_folder(magnet.synthetic.generate("tiny", seed=1), home / "data" / "two")
    models = ["ease", magnet.EASE(regularization=20.0), "popularity"]
    named = {"ease": models[0], "ease (regularization=20.0)": models[1], "popularity": models[2]}
    store = home / "store"
    data = magnet.Dataset.from_folder(one)
    found = magnet.compare(
        {**named, "lightgcn": quick_lightgcn()}, data, seeds=(0, 1), store=store, progress=False
    )
    other = magnet.compare(
        ["ease", "popularity"],
        magnet.Dataset.from_folder(two),
        store=store,
        protocol="mmrec",
        progress=False,
    )
    shutil.rmtree(home / "data")
    shutil.rmtree(store / "runs")
    return store, found, other


def test_figures_are_those_of_the_comparisons(made):
    store, found, other = made
    again = comparisons(store)
    assert list(again) == ["one, strict", "two, mmrec"]
    first = again["one, strict"]
    assert (first.protocol, first.part) == ("strict", "test")
    rows = {row.label: row for row in first.rows}
    lightgcn = next(label for label in rows if label.startswith("lightgcn"))
    assert list(rows) == [lightgcn, "ease", "ease (regularization=20.0)", "popularity"]
    assert lightgcn.startswith("lightgcn (dim=8, train.epochs=3, ")
    names = {row.label: row for row in found.rows} | {
        lightgcn: next(row for row in found.rows if row.name == "lightgcn")
    }
    for label, row in rows.items():
        assert row.metrics == names[label].metrics
        assert (row.seeds, row.seconds, row.memory) == (
            names[label].seeds,
            names[label].seconds,
            names[label].memory,
        )
        assert row.made_by == names[label].made_by
    assert first.reference == lightgcn
    second = again["two, mmrec"]
    assert [gap.found for gap in second.gaps] == [gap.found for gap in other.gaps]
    assert [(gap.group, gap.found) for gap in second.slices] == [
        (gap.group, gap.found) for gap in other.slices
    ]
    assert {gap.group for gap in second.slices} >= {"users 1-4", "tail items", "without image"}
    assert second.data["two"]["n_users"] == 240


def test_models_that_see_less_say_so_and_trials_are_left_out(tiny, tmp_path):
    pytest.importorskip("optuna")
    store = tmp_path / "store"
    less = dataclasses.replace(
        tiny.dataset, modalities={"text": tiny.dataset.modalities["text"]}, source=None
    )
    magnet.tune(tiny.dataset, "ease", trials=2, store=store, progress=False)
    with pytest.raises(RunError, match="no experiment has scored a test part"):
        comparisons(store)
    magnet.compare(["profile"], less, store=store, progress=False)
    magnet.compare(["popularity"], tiny.dataset, store=store, progress=False)
    (found,) = comparisons(store).values()
    assert [row.label for row in found.rows] == ["profile without image", "popularity"]
    assert found.data["synthetic-tiny"]["modalities"] == ["image", "text"]
    assert [row.command for row in found.rows] == [None, None]


def test_magnet_is_the_reference_and_shows_its_candidates(tiny, tmp_path, monkeypatch):
    store = tmp_path / "store"
    ablate(tiny.dataset, quick(), controls="none", seeds=(0,), store=store, progress=False)
    magnet.compare(["popularity"], tiny.dataset, store=store, progress=False)
    # As if the settings of the moment were the defaults.
    monkeypatch.setattr(results, "changed", lambda values, defaults: {})
    (found,) = comparisons(store).values()
    labels = [row.label for row in found.rows]
    assert found.reference == "magnet"
    assert labels[0] == "magnet"
    assert labels[-1] == "popularity"
    assert {"magnet: backbone", "magnet: global", "magnet: routed"} <= set(labels)


def test_the_page_has_tables_pictures_and_commands(made):
    store, *_ = made
    found = comparisons(store)
    text = page(found, {"one, strict": "results-one-strict.png"})
    assert text.startswith("# Results\n")
    assert "![one, strict: results over seeds, and differences](results-one-strict.png)" in text
    assert "## one: 240 users x 160 items" in text
    assert "## two: 240 users x 160 items" in text
    commands = [line for line in text.splitlines() if line.startswith("magnet compare")]
    assert "magnet compare --data DATA/one --models ease --seeds 0" in commands
    assert str(store.parent) not in text
    tuned = next(row for row in found["one, strict"].rows if row.label.startswith("lightgcn"))
    words = shlex.split(tuned.command)
    assert words[words.index("--models") + 1] == "lightgcn"
    assert "train.epochs=3" in words


def test_runs_of_another_state_of_the_code_are_left_out(tiny, tmp_path, monkeypatch):
    store = tmp_path / "store"
    magnet.compare(["ease", "popularity"], tiny.dataset, store=store, progress=False)
    known = {"ease": dataclasses.replace(find_model("ease"), config=type("Gone", (Config,), {}))}
    monkeypatch.setattr(results, "find_model", lambda name: known.get(name) or find_model(name))
    assert [row.label for found in comparisons(store).values() for row in found.rows] == ["popularity"]
    monkeypatch.undo()
    monkeypatch.setattr(results, "NUMERICS", results.NUMERICS + 1)
    with pytest.raises(RunError, match="no experiment has scored a test part"):
        comparisons(store)


def test_names_of_files():
    assert slug("baby, split_mmrec, seed 3, strict") == "baby-split_mmrec-seed-3-strict"


def test_what_lacks_is_said(made, tmp_path):
    store = tmp_path / "store"
    shutil.copytree(made[0], store)
    users = next(iter(sorted((store / "data").iterdir()))) / "users.parquet"
    users.write_bytes(b"PAR1")
    with pytest.raises(
        RunError, match=r"users\.parquet: missing or damaged, its checksum is another one; remove "
    ):
        comparisons(store)
    shutil.rmtree(store / "data")
    shutil.copytree(made[0] / "data", store / "data")
    facts = users.parent / "facts.json"
    facts.write_text(facts.read_text().replace('"n_items": 160', '"n_items": 161'))
    with pytest.raises(
        RunError, match=r"facts\.json: damaged, its content does not match its checksum; remove "
    ):
        comparisons(store)
    shutil.rmtree(store / "data")
    with pytest.raises(RunError, match="missing; run magnet compare on these data once more with this store"):
        comparisons(store)


def test_data_that_are_described_by_a_comparison_that_runs_nothing(tiny, tmp_path):
    """As of a store that an older version filled."""
    store = tmp_path / "store"
    found = magnet.compare(["ease", "popularity"], tiny.dataset, store=store, progress=False)
    shutil.rmtree(store / "data")
    magnet.compare(["ease", "popularity"], tiny.dataset, store=store, progress=False)
    (again,) = comparisons(store).values()
    assert [gap.found for gap in again.gaps] == [gap.found for gap in found.gaps]


def test_other_users_are_not_compared(made, tmp_path):
    """Data of the same name and split with other interactions: refused, not averaged."""
    store = tmp_path / "store"
    for seed, model in ((0, "ease"), (1, "popularity")):
        folder = write_folder(magnet.synthetic.generate("tiny", seed=seed), tmp_path / str(seed) / "data")
        data = magnet.Dataset.from_folder(folder)
        parts = data.parts.copy()
        parts[data.users == seed] = 0  # one user without test items, another one each time
        data = dataclasses.replace(data, parts=parts)
        magnet.compare([model], data, store=store, progress=False)
    with pytest.raises(RunError, match="its users have other training items; keep a store for each"):
        comparisons(store)


def test_the_committed_store_is_small_and_holds_no_runs():
    if not RESULTS.is_dir():
        pytest.skip("no results/ beside the tests")
    files = [file for file in RESULTS.rglob("*") if file.is_file()]
    committed = [f for f in files if f.relative_to(RESULTS).parts[0] not in ("runs", "locks")]
    assert sum(file.stat().st_size for file in committed) < LIMIT
    assert RunStore(RESULTS).keys
