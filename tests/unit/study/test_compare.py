"""Comparisons: figures are those of models fitted by hand, nothing is run twice, and nothing is lost."""

from __future__ import annotations

import dataclasses
import shutil

import numpy as np
import polars as pl
import pytest

import magnet
from magnet.engine import Trainer
from magnet.errors import ConfigError, DataError, RunError, TrainingError
from magnet.evaluate import evaluate
from magnet.run.folder import RunFolder
from magnet.study import runner
from magnet.study.statistics import paired_differences
from magnet.study.store import RunStore
from magnet.train.snapshot import Snapshot, restore_task
from support.study_data import quick, quick_lightgcn

MODELS = {
    "magnet": quick(),
    "uniform": quick(router={"kind": "uniform"}),
    "lightgcn": quick_lightgcn(),
    "ease": "ease",
}


def run(models, data, store, **options):
    return magnet.compare(models, data, **{"store": store, "progress": False, "seeds": (0, 1)} | options)


@pytest.fixture
def fits(monkeypatch):
    """What is trained: model, seed, whose backbone, and the first epoch."""
    seen = []
    fit = Trainer.fit

    def watched(self):
        epochs = []
        watch = self.watch
        self.watch = lambda record: (epochs.append(record["epoch"]), watch(record))
        try:
            return fit(self)
        finally:
            seen.append((self.model.name, self.model.seed, self.backbone, epochs))

    monkeypatch.setattr(Trainer, "fit", watched)
    return seen


@pytest.fixture(scope="module")
def made(tiny, tmp_path_factory):
    """A comparison of all four, and its store."""
    store = tmp_path_factory.mktemp("study") / "store"
    return run(MODELS, tiny.dataset, store, candidates=True), store


def row(found, label):
    return next(row for row in found.rows if row.label == label)


def test_rows_have_the_figures_of_models_fitted_by_hand(tiny, made):
    found, _ = made
    for label, make in {
        "magnet": quick,
        "uniform": lambda: quick(router={"kind": "uniform"}),
        "lightgcn": quick_lightgcn,
    }.items():
        shown = row(found, label)
        assert shown.seeds == [0, 1]
        for seed in (0, 1):
            model = make()
            model.seed = seed
            model.fit(tiny.dataset, progress=False)
            for part in ("valid", "test"):
                by_hand = model.evaluate(tiny.dataset, part, ks=[20]).metrics
                for metric in ("recall@20", "ndcg@20"):
                    assert shown.metrics[part][metric][seed] == by_hand[metric], (label, seed, part)
    ease = row(found, "ease")
    assert ease.seeds == [0]
    by_hand = magnet.EASE().fit(tiny.dataset, progress=False).evaluate(tiny.dataset, ks=[20])
    assert ease.metrics["test"]["recall@20"] == [by_hand.metrics["recall@20"]]
    assert ease.n_users == {"valid": 240, "test": 240}
    np.testing.assert_array_equal(ease.values["recall@20"].to_numpy(), by_hand.per_user["recall@20"])


def test_candidates_are_what_each_stage_would_have_answered(tiny, made, tmp_path):
    found, _ = made
    trainer = Trainer(quick(seed=1), tiny.dataset, folder=tmp_path / "run", progress=False)
    facts = trainer.fit().facts
    scores = {}
    for stage in facts["best"]:
        checkpoint = RunFolder.open(tmp_path / "run").checkpoints.load(f"best-{stage}")
        restore_task(trainer.task, Snapshot(*checkpoint))
        metrics = evaluate(trainer.task.state(), tiny.dataset, "test", ks=[20]).metrics
        scores[stage] = metrics["recall@20"]
        assert row(found, f"magnet: {stage}").metrics["test"]["recall@20"][1] == scores[stage]
    assert row(found, "magnet").metrics["test"]["recall@20"][1] == scores[facts["delivered"]]
    assert row(found, "magnet").delivered[1] == facts["delivered"]
    information = max(event.get("mutual_information", 0) for event in trainer.history.records)
    assert row(found, "magnet").information[1] == information
    routed = max(
        ("coverage", "specialisation"),
        key=lambda stage: (facts["best"][stage]["recall@20"], facts["best"][stage]["ndcg@20"]),
    )
    assert row(found, "magnet: routed").metrics["test"]["recall@20"][1] == scores[routed]


def test_differences_are_of_averages_over_seeds_and_like_is_compared_with_like(made):
    found, _ = made
    gap = found.gap("lightgcn")
    assert (gap.against, gap.metric, gap.group) == ("magnet", "recall@20", "")
    values = [row(found, name).values["recall@20"].to_numpy() for name in ("lightgcn", "magnet")]
    (expected,) = paired_differences(np.column_stack(values), [(0, 1)])
    assert dataclasses.astuple(gap.found) == pytest.approx(dataclasses.astuple(expected), abs=1e-12)
    means = [np.mean(row(found, name).metrics["test"]["recall@20"]) for name in ("lightgcn", "magnet")]
    assert gap.found.mean == pytest.approx(means[0] - means[1], abs=1e-12)
    assert found.gap("uniform: coverage").against == "magnet: coverage"
    assert found.gap("magnet: backbone").against == "magnet"
    assert found.gap("magnet") is None
    # EASE has one run, which stands against both seeds.
    assert 0 <= found.gap("ease").p_seeds <= 1
    family = [gap for gap in found.gaps if gap.metric == "recall@20"]
    smallest = min(family, key=lambda gap: gap.found.p)
    assert smallest.p_holm == pytest.approx(min(1, len(family) * smallest.found.p))


def test_two_names_of_the_same_answer_are_not_compared(made):
    found, _ = made
    delivered = [row(found, label).made_by for label in ("magnet", "magnet: routed")]
    assert (found.gap("magnet: routed") is None) == (delivered[0] == delivered[1])


def test_slices_are_the_users_and_items_that_they_say(tiny, made):
    found, _ = made
    data = tiny.dataset
    users = row(found, "ease").values["user"].to_numpy()
    few = np.isin(np.diff(data.train.indptr)[users], [1, 2, 3, 4])
    gap = found.gap("ease", group="users 1-4")
    assert gap.found.n_users == few.sum()
    values = [row(found, name).values["recall@20"].to_numpy()[few].mean() for name in ("ease", "magnet")]
    assert gap.found.mean == pytest.approx(values[0] - values[1], abs=1e-12)
    tail = found.gap("ease", group="tail items")
    columns = [row(found, name).values["tail recall@20"].to_numpy() for name in ("ease", "magnet")]
    assert tail.found.n_users == np.isfinite(columns[0]).sum() < 240
    assert tail.found.mean == pytest.approx(np.nanmean(columns[0]) - np.nanmean(columns[1]), abs=1e-12)
    assert found.gap("ease", group="without image") is not None


def test_nothing_is_run_twice(tiny, made, fits):
    found, store = made
    again = run(MODELS, tiny.dataset, store, candidates=True)
    assert fits == []
    assert again.to_json() == found.to_json()
    # Names and order are no part of an experiment.
    run({"same": quick(seed=7), "first": "ease"}, tiny.dataset, store)
    assert fits == []


def test_one_more_seed_and_one_more_model_cost_what_is_new(tiny, made, fits, tmp_path):
    store = tmp_path / "store"
    shutil.copytree(made[1], store)
    run({**MODELS, "popularity": "popularity"}, tiny.dataset, store, seeds=(0, 1, 2))
    assert [(model, seed) for model, seed, *_ in fits] == [
        ("popularity", 0),
        ("magnet", 2),
        ("magnet", 2),
        ("lightgcn", 2),
    ]
    # The second MAGNET differs in its router alone, and takes the backbone of the first.
    assert fits[1][2] is None
    assert fits[2][2] is not None
    assert fits[2][3][0] > 0


def test_a_backbone_is_trained_again_where_its_folder_is_gone(tiny, made, fits, tmp_path):
    found, whole = made
    store = tmp_path / "store"
    shutil.copytree(whole, store)
    uniform = row(found, "uniform")
    for key, _ in uniform.made_by:
        shutil.rmtree(store / "experiments" / key)
    shutil.rmtree(store / "runs")
    (store / "runs").mkdir()
    again = row(run(MODELS, tiny.dataset, store), "uniform")
    assert [backbone for *_, backbone, _ in fits] == [None, None]
    assert again.metrics == uniform.metrics


def test_an_interrupted_comparison_goes_on_where_it_was(tiny, made, fits, tmp_path, monkeypatch):
    models = {name: MODELS[name] for name in ("lightgcn", "magnet")}
    store = tmp_path / "store"
    epochs = []

    def stop(self, record):
        epochs.append(record["epoch"])
        # Within the second run, after its second epoch.
        if len(epochs) == 5:
            raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("magnet.study.progress.StudyProgress.epoch", stop)
        with pytest.raises(
            KeyboardInterrupt, match=r"1 of 4 runs are in .*store, and the same command goes on"
        ):
            run(models, tiny.dataset, store)
    assert [fit[:2] for fit in fits] == [("lightgcn", 0), ("magnet", 0)]
    found = run(models, tiny.dataset, store)
    assert [fit[:2] for fit in fits[2:]] == [("magnet", 0), ("lightgcn", 1), ("magnet", 1)]
    assert fits[1][3][-1] + 1 == fits[2][3][0]  # no epoch is trained twice either
    for name in models:
        assert row(found, name).metrics == row(made[0], name).metrics
    # The time before the interruption counts.
    record = RunStore(store).find(row(found, "magnet").made_by[0][0])
    cost = record.facts["cost"]
    assert cost["seconds"] > cost["spent_seconds"]


def test_a_run_folder_that_is_damaged_is_trained_anew(tiny, fits, tmp_path):
    models = {"lightgcn": quick_lightgcn()}
    found = run(models, tiny.dataset, tmp_path / "store", seeds=(0,))
    (key, _), *_ = row(found, "lightgcn").made_by
    shutil.rmtree(tmp_path / "store" / "experiments" / key)
    last = tmp_path / "store" / "runs" / key / "checkpoints" / "last.safetensors"
    last.write_bytes(last.read_bytes()[:-9])
    again = run(models, tiny.dataset, tmp_path / "store", seeds=(0,))
    assert fits[-1][3][0] == 0
    assert row(again, "lightgcn").metrics == row(found, "lightgcn").metrics


def test_what_another_process_makes_is_left_to_it(tiny, fits, tmp_path, monkeypatch):
    """Another process holds the first run, and is done with it while this one makes the second."""
    store = RunStore(tmp_path / "store")
    other = RunStore(tmp_path / "other")
    run(["ease", "popularity"], tiny.dataset, other.path)
    theirs = next(record for key in other.keys if (record := other.find(key)).experiment["model"] == "ease")
    holder = store.claimed(theirs.key)
    holder.__enter__()
    add = RunStore.add

    def added(self, experiment, facts, values):
        monkeypatch.setattr(RunStore, "add", add)
        store.add(theirs.experiment, {**theirs.facts, "by": "another"}, theirs.values())
        holder.__exit__(None, None, None)
        return store.add(experiment, facts, values)

    monkeypatch.setattr(RunStore, "add", added)
    fits.clear()
    found = run(["ease", "popularity"], tiny.dataset, store.path)
    assert [model for model, *_ in fits] == ["popularity"]
    assert store.find(theirs.key).facts["by"] == "another"
    assert [row.label for row in found.rows] == ["ease", "popularity"]


def test_data_sets_stand_beside_each_other(tiny, made, tmp_path):
    other = magnet.synthetic.generate("tiny", seed=1).dataset
    found = run(["ease", "popularity"], {"one": tiny.dataset, "two": other}, tmp_path / "store")
    assert [(r.data, r.label) for r in found.rows] == [
        ("one", "ease"),
        ("one", "popularity"),
        ("two", "ease"),
        ("two", "popularity"),
    ]
    assert found.gap("popularity", data="two").found != found.gap("popularity", data="one").found
    # Holm's family spans the data sets.
    both = [gap for gap in found.gaps if gap.metric == "recall@20"]
    assert len(both) == 2
    assert max(gap.p_holm for gap in both) >= 2 * min(gap.found.p for gap in both)


def test_a_failing_run_is_named_and_those_before_it_are_kept(tiny, tmp_path):
    broken = quick_lightgcn(train={"epochs": 2, "batch_size": 512, "learning_rate": 1e30})
    with pytest.raises(TrainingError, match="broken on synthetic-tiny, seed 0: "):
        run({"ease": "ease", "broken": broken}, tiny.dataset, tmp_path / "store")
    assert len(RunStore(tmp_path / "store").keys) == 1


def test_what_is_wrong_is_said_before_anything_runs(tiny, tmp_path, fits):
    data, store = tiny.dataset, tmp_path / "store"
    for options, error in [
        ({"models": ["eas"]}, "no model 'eas'; did you mean 'ease'"),
        ({"models": []}, "compare takes at least one"),
        ({"models": [quick(), quick(dim=4)]}, "two models are called 'magnet'"),
        ({"seeds": []}, "different whole numbers"),
        ({"seeds": [0, 0]}, "different whole numbers"),
        ({"seeds": [-1]}, "different whole numbers"),
        ({"protocol": "loose"}, "no protocol 'loose'"),
        ({"against": "eas"}, "no model 'eas' is compared; did you mean 'ease'"),
        ({"data": []}, "no data set was given"),
        ({"data": [data, data]}, "two data sets are called 'synthetic-tiny'"),
    ]:
        asked = {"models": ["ease"], "data": data, **options}
        with pytest.raises(ConfigError, match=error):
            run(asked.pop("models"), asked.pop("data"), store, **asked)
    bare = dataclasses.replace(data, parts=np.where(data.parts == 2, 0, data.parts).astype(np.int8))
    with pytest.raises(DataError, match="part 'test' has no interactions"):
        run(["ease"], bare, store)
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match="cannot be written"):
        run(["ease"], data, tmp_path / "file" / "store")
    assert fits == []
    assert not store.exists()


def test_the_store_keeps_each_users_values(made):
    found, store = made
    record = RunStore(store).find(row(found, "magnet").made_by[0][0])
    values = record.values()
    assert set(values.columns) >= {"state", "part", "user", "recall@20", "ndcg@20", "tail recall@20"}
    delivered = values.filter(state=record.facts["delivered"], part="test")
    assert delivered["user"].dtype == pl.Int32
    mean = delivered["recall@20"].mean()
    assert mean == pytest.approx(row(found, "magnet").metrics["test"]["recall@20"][0], abs=1e-12)
    assert record.facts["cost"]["memory"] > 1 << 20
    assert record.facts["versions"]["magnet"] == magnet.__version__


def test_a_later_study_borrows_what_the_store_has(tiny, tmp_path, monkeypatch):
    """A control that is asked for alone takes the backbone of a run that an earlier study made."""
    borrowed = []

    class Watched(Trainer):
        def __init__(self, *arguments, backbone=None, **options):
            borrowed.append(backbone)
            super().__init__(*arguments, backbone=backbone, **options)

    monkeypatch.setattr(runner, "Trainer", Watched)
    options = {"seeds": (0,), "store": tmp_path / "store", "progress": False}
    magnet.compare(quick(), tiny.dataset, **options)
    uniform = quick(router={"kind": "uniform"})
    alone = magnet.compare(uniform, tiny.dataset, **options)
    assert borrowed[0] is None
    assert borrowed[1].parent == tmp_path / "store" / "runs"
    # Another seed has another backbone, and what is borrowed changes nothing.
    magnet.compare(uniform, tiny.dataset, **options | {"seeds": (1,)})
    assert borrowed[2] is None
    own = magnet.compare(uniform, tiny.dataset, **options | {"store": tmp_path / "other"})
    assert own.rows[0].metrics == alone.rows[0].metrics
