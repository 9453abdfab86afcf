"""Tuning: what is tried, what is given up, what is chosen; nothing of the test part, nothing twice."""

from __future__ import annotations

import dataclasses
import json
import shutil
import sys
import tomllib

import numpy as np
import pytest

import magnet
from magnet.data import Dataset
from magnet.engine import Trainer
from magnet.errors import ConfigError, DataError, MissingExtraError, RunError, TrainingError
from magnet.evaluate import evaluate
from magnet.files import write_sealed
from magnet.models.space import check_space
from magnet.study import scoring
from magnet.study.search import Search
from magnet.study.store import RunStore
from magnet.study.trials import Trial
from magnet.study.untested import without_test
from support.study_data import QUICK, TRAIN, quick, quick_lightgcn

pytest.importorskip("optuna")

RATES = {"layers": [1, 2], "l2": [1e-4], "train.learning_rate": (1e-5, 1e-1)}
LONG = {**TRAIN, "epochs": 12}


def run(data, model, store, **options):
    return magnet.tune(data, model, **{"store": store, "progress": False, "seeds": (0, 1)} | options)


def outcome(found):
    """What has to be the same, however often a tuning was stopped: all but the time."""
    trials = [{**trial.to_json(), "seconds": 0} for trial in found.trials]
    return trials, [finalist.to_json() for finalist in found.finalists]


@pytest.fixture
def fits(monkeypatch):
    """What is trained: seed, rate, and the first epoch."""
    seen = []
    fit = Trainer.fit

    def watched(self):
        epochs = []
        watch = self.watch
        self.watch = lambda record: (epochs.append(record["epoch"]), watch(record))
        try:
            return fit(self)
        finally:
            train = getattr(self.config, "train", None)
            seen.append((self.model.seed, getattr(train, "learning_rate", None), epochs))

    monkeypatch.setattr(Trainer, "fit", watched)
    return seen


@pytest.fixture(scope="module")
def made(tiny, tmp_path_factory):
    """A tuning in which some trials fall behind, and its store."""
    store = tmp_path_factory.mktemp("tune") / "store"
    return run(tiny.dataset, quick_lightgcn(train=LONG), store, space=RATES, trials=12), store


def test_the_test_part_is_not_there_while_tuning(tiny, tmp_path, monkeypatch):
    seen = []
    score_states = scoring.score_states

    def watched(states, dataset, **options):
        seen.append((dataset, options["parts"]))
        return score_states(states, dataset, **options)

    monkeypatch.setattr("magnet.study.runner.score_states", watched)
    found = run(tiny.dataset, "ease", tmp_path / "store", trials=2)
    assert len(seen) == 2
    for dataset, parts in seen:
        assert parts == ("valid",)
        assert set(np.unique(dataset.parts)) == {0, 1}
        assert dataset.test.nnz == 0
        with pytest.raises(DataError, match="the test part is not scored while tuning"):
            evaluate(found.recommender().fit(tiny.dataset, progress=False).contents.state, dataset, "test")
    for trial in found.trials:
        record = RunStore(tmp_path / "store").find(trial.key)
        assert list(record.facts["scores"]["delivered"]) == ["valid"]
        assert record.values()["part"].unique().to_list() == ["valid"]


def test_data_without_test_keep_what_belongs_to_an_interaction(tiny):
    whole = dataclasses.replace(tiny.dataset, times=np.arange(tiny.dataset.users.size))
    found = without_test(whole)
    assert found.source == whole.source
    for name in ("users", "items", "parts"):
        np.testing.assert_array_equal(getattr(whole, name)[found.times], getattr(found, name))


def test_data_without_test_are_the_same_but_for_it(tiny):
    whole, found = tiny.dataset, without_test(tiny.dataset)
    assert isinstance(found, Dataset)
    assert found.content_hash == whole.content_hash
    assert (found.n_users, found.n_items) == (whole.n_users, whole.n_items)
    for part in ("train", "valid"):
        assert (found.part(part) != whole.part(part)).nnz == 0
    assert found.users.size == whole.users.size - whole.test.nnz
    with pytest.raises(DataError, match="a split has no part 'tets'"):
        found.part("tets")


def test_values_are_those_of_models_fitted_by_hand(tiny, made):
    found, _ = made
    first = found.trials[0]
    assert first.params == {"layers": 3, "l2": 1e-4, "train.learning_rate": 0.01}
    complete = [trial for trial in found.trials if trial.state == "complete"]
    for trial in (first, complete[-1]):
        train = {**LONG, "learning_rate": trial.params["train.learning_rate"]}
        model = quick_lightgcn(layers=trial.params["layers"], train=train).fit(tiny.dataset, progress=False)
        by_hand = model.evaluate(tiny.dataset, "valid", ks=[20]).metrics
        assert trial.metrics == {name: by_hand[name] for name in ("recall@20", "ndcg@20")}
        assert trial.steps == [r["valid"]["recall@20"] for r in model.contents.events if "valid" in r]
        assert trial.value == max(trial.steps)


def test_settings_lie_in_the_space_and_none_is_tried_twice(made):
    found, _ = made
    dimensions = check_space(type(magnet.LightGCN().config), RATES)
    assert len(found.trials) == 12
    for trial in found.trials[1:]:
        assert list(trial.params) == list(RATES)
        assert all(one.holds(trial.params[key]) for key, one in dimensions.items())
    tried = [json.dumps(trial.params) for trial in found.trials]
    assert len(set(tried)) == 12
    assert {trial.params["layers"] for trial in found.trials[1:]} == {1, 2}


def test_trials_below_the_median_are_given_up(made):
    """By hand: after five finished trials and five validations, the best so far against the others' median."""
    found, _ = made
    pruned = [trial for trial in found.trials if trial.state == "pruned"]
    assert pruned
    for trial in found.trials:
        before = [
            other.steps for other in found.trials[: trial.number] if other.state == "complete" and other.steps
        ]
        fell = None
        for step in range(4, len(trial.steps)):
            theirs = [steps[step] for steps in before if len(steps) > step]
            if (
                len(before) >= 5
                and len(theirs) >= 3
                and max(trial.steps[: step + 1]) < np.percentile(theirs, 50)
            ):
                fell = step
                break
        assert (trial.state == "pruned") == (fell is not None), trial
        if fell is not None:
            assert len(trial.steps) == fell + 1
            assert trial.metrics == {}


def test_the_best_mean_over_seeds_is_chosen(tiny, made):
    found, _ = made
    complete = [trial for trial in found.trials if trial.state == "complete"]
    best = sorted(complete, key=lambda trial: -trial.value)[:3]
    assert {finalist.number for finalist in found.finalists} == {trial.number for trial in best}
    means = [np.mean(finalist.metrics["recall@20"]) for finalist in found.finalists]
    assert means == sorted(means, reverse=True)
    chosen = found.finalists[0]
    assert chosen.seeds == [0, 1]
    for seed in chosen.seeds:
        model = found.recommender(seed=seed).fit(tiny.dataset, progress=False)
        assert model.evaluate(tiny.dataset, "valid").metrics["recall@20"] == chosen.metrics["recall@20"][seed]


def test_the_same_call_trains_nothing_and_more_trials_go_on(tiny, made, fits, tmp_path):
    found, whole = made
    store = tmp_path / "store"
    shutil.copytree(whole, store)
    model = quick_lightgcn(train=LONG)
    again = run(tiny.dataset, model, store, space=RATES, trials=12)
    assert fits == []
    assert again.to_json() == found.to_json()
    fewer = run(tiny.dataset, model, store, space=RATES, trials=6)
    assert fewer.trials == found.trials[:6]
    fits.clear()
    more = run(tiny.dataset, model, store, space=RATES, trials=13)
    assert more.trials[:12] == found.trials
    assert len(more.trials) == 13
    assert fits[0][2][0] == 0


def test_another_seed_tries_other_settings(tiny, made, tmp_path):
    found, _ = made
    other = run(
        tiny.dataset,
        quick_lightgcn(train=LONG),
        tmp_path / "store",
        space=RATES,
        trials=3,
        seeds=(7,),
        finalists=1,
    )
    assert other.trials[0].params == found.trials[0].params
    assert [trial.params for trial in other.trials[1:]] != [trial.params for trial in found.trials[1:3]]


@pytest.mark.parametrize("stop_at", [7, 90, 118])
def test_an_interrupted_tuning_goes_on_as_if_it_had_not_been(
    tiny, made, fits, tmp_path, monkeypatch, stop_at
):
    """Stopped within a trial, and within the final choice."""
    found, _ = made
    seen = []

    def stop(self, record):
        seen.append(record["epoch"])
        if len(seen) == stop_at:
            raise KeyboardInterrupt

    model, store = quick_lightgcn(train=LONG), tmp_path / "store"
    with monkeypatch.context() as patched:
        patched.setattr("magnet.study.progress.StudyProgress.epoch", stop)
        said = r"interrupted; \d+ of 12 trials are in .*store, and the same command goes on from there"
        with pytest.raises(KeyboardInterrupt, match=said):
            run(tiny.dataset, model, store, space=RATES, trials=12)
    before = len(fits)
    again = run(tiny.dataset, model, store, space=RATES, trials=12)
    assert outcome(again) == outcome(found)
    stopped, resumed = fits[before - 1], fits[before]
    assert stopped[:2] == resumed[:2]
    assert resumed[2][0] == stopped[2][-1] + 1  # no epoch is trained twice


def test_a_trial_killed_before_it_was_noted_is_noted_with_what_the_store_has(tiny, made, fits, tmp_path):
    """As kill -9 between the experiment and the trial's own file would leave it."""
    found, whole = made
    store = tmp_path / "store"
    shutil.copytree(whole, store)
    best = found.finalists[0].number
    (folder,) = (store / "tunings").iterdir()
    for file in folder.glob("[0-9]*.json"):
        if int(file.stem) >= best:
            file.unlink()
    (folder / ".0009.aaaa.json").write_text("{")  # a file that was not yet renamed
    again = run(tiny.dataset, quick_lightgcn(train=LONG), store, space=RATES, trials=best + 1)
    assert again.trials[-1].steps == found.trials[best].steps
    assert {**again.trials[-1].to_json(), "seconds": 0} == {**found.trials[best].to_json(), "seconds": 0}
    assert all(seed == 1 for seed, *_ in fits)  # finalists of fewer trials, no trial


def test_a_comparison_takes_over_what_tuning_trained_and_the_other_way_round(tiny, made, fits, tmp_path):
    found, whole = made
    store = tmp_path / "store"
    shutil.copytree(whole, store)
    compared = magnet.compare([found.recommender()], tiny.dataset, seeds=(0, 1), store=store, progress=False)
    assert [(seed, len(epochs)) for seed, _, epochs in fits] == [(0, 1), (1, 1)]  # the last epoch again
    fresh = magnet.compare(
        [found.recommender()], tiny.dataset, seeds=(0, 1), store=tmp_path / "fresh", progress=False
    )
    assert compared.rows[0].metrics == fresh.rows[0].metrics
    assert compared.rows[0].metrics["valid"]["recall@20"] == found.finalists[0].metrics["recall@20"]
    fits.clear()
    # What a comparison has scored on validation is a trial that needs no training.
    model = found.recommender()
    fixed = {"layers": [model.config.layers], "l2": [1e-4]}
    fixed["train.learning_rate"] = [model.config.train.learning_rate]
    again = run(tiny.dataset, model, tmp_path / "fresh", space=fixed, trials=1)
    assert fits == []
    assert again.finalists[0].metrics == found.finalists[0].metrics


def test_run_folders_are_kept_of_finalists_alone(made):
    found, store = made
    kept = {folder.name for folder in (store / "runs").iterdir()}
    finalists = {finalist.number for finalist in found.finalists}
    for trial in found.trials:
        assert (trial.training in kept) == (trial.number in finalists)
    assert len(kept) == 6  # of both seeds


def test_a_small_space_is_tried_out_and_no_more(tiny, tmp_path):
    space = {"regularization": [10.0, 100.0, 200.0]}
    found = run(tiny.dataset, "ease", tmp_path / "store", space=space, trials=20)
    assert sorted(trial.params["regularization"] for trial in found.trials) == [10.0, 100.0, 200.0]
    assert found.finalists[0].seeds == [0]  # EASE draws nothing
    best = max(found.trials, key=lambda trial: trial.value)
    assert found.recommender().config.regularization == best.params["regularization"]


def test_where_only_the_mixture_is_tuned_each_seed_has_one_backbone(tiny, fits, tmp_path):
    space = {key: [value] for key, value in [("behaviour.content_weight", 0.3), ("loss.l2", 0.1)]}
    space |= {"loss.alignment": [0.01], "train.learning_rate": [0.01], "mixing.width": (0.01, 1.0)}
    found = run(tiny.dataset, quick(), tmp_path / "store", space=space, trials=3, finalists=2)
    firsts = [(seed, epochs[0] == 0) for seed, _, epochs in fits]
    assert firsts == [(0, True), (0, False), (0, False), (1, True), (1, False)]
    # One validation of the backbone in each epoch of its training, borrowed or not.
    assert {len(trial.steps) for trial in found.trials} == {3}
    assert len({tuple(trial.steps) for trial in found.trials}) == 1


def test_a_trial_that_diverges_has_failed_and_the_others_go_on(tiny, tmp_path):
    space = {"layers": [1], "l2": [1e-4], "train.learning_rate": [1e30, 0.01]}
    found = run(tiny.dataset, quick_lightgcn(layers=1), tmp_path / "store", space=space, trials=2)
    assert [trial.state for trial in found.trials] == ["complete", "failed"]
    assert "failed" in found.text()
    broken = quick_lightgcn(layers=1, train={**TRAIN, "learning_rate": 1e30})
    with pytest.raises(TrainingError, match="none of 1 trials could be trained to its end"):
        run(tiny.dataset, broken, tmp_path / "store", space=space, trials=1)


def test_minutes_end_a_tuning_between_trials(tiny, tmp_path):
    found = run(tiny.dataset, "ease", tmp_path / "store", trials=5, minutes=1e-9)
    assert len(found.trials) == 1
    # What the trials took is kept: the same budget is spent already.
    assert run(tiny.dataset, "ease", tmp_path / "store", trials=5, minutes=1e-9).trials == found.trials
    assert len(run(tiny.dataset, "ease", tmp_path / "store", trials=5, minutes=60).trials) == 5


def test_settings_that_were_given_are_kept_and_not_searched(tiny, tmp_path):
    model = magnet.Recommender("l3ae", modality="text", content_weight=20.0)
    found = run(tiny.dataset, model, tmp_path / "store", trials=2)
    assert found.space == ["regularization=1..1000", "feature_regularization=0.1..100"]
    assert found.settings["modality"] == "text"
    assert found.settings["content_weight"] == 20.0
    asked = run(tiny.dataset, model, tmp_path / "store", trials=2, space={"content_weight": (1, 30)})
    assert asked.space[-1] == "content_weight=1..30"


def test_text_and_toml(tiny, made):
    found, _ = made
    text = found.text()
    assert repr(found) == text
    lines = [" ".join(line.split()) for line in text.splitlines()]
    pruned = sum(trial.state == "pruned" for trial in found.trials)
    assert f", {pruned} given up, 0 failed; validation part, protocol strict; test was not looked at" in text
    assert "searched: layers=1|2, l2=0.0001, train.learning_rate=1e-05..0.1" in lines
    assert sum("given up at ." in line for line in lines) == pruned
    assert sum(line.endswith("chosen") for line in lines) == 1
    toml = found.toml("a.toml")
    assert tomllib.loads(toml) == found.settings
    config = type(found.recommender().config)
    assert config.build(tomllib.loads(toml)) == found.recommender().config
    assert toml.startswith("# Chosen on validation from 12 trials: Recall@20 .")  # data of no folder
    json.dumps(found.to_json(), allow_nan=False)


def test_what_is_wrong_is_said_before_anything_runs(tiny, fits, tmp_path, monkeypatch):
    data, store = tiny.dataset, tmp_path / "store"
    for model, options, error in [
        ("eas", {}, "no model 'eas'; did you mean 'ease'"),
        ("popularity", {}, "popularity has no settings, so there is nothing to tune"),
        ("profile", {}, "profile declares nothing to search; give a space"),
        ("ease", {"space": {"l2": (0, 1)}}, "space of ease: l2: there is no setting 'l2'"),
        ("ease", {"space": {"regularization": (0, 1)}}, "space of ease: regularization = 0"),
        ("ease", {"minutes": 0}, "minutes must be more than 0"),
        ("ease", {"seeds": [0, 0]}, "different whole numbers"),
        ("ease", {"protocol": "loose"}, "no protocol 'loose'"),
    ]:
        with pytest.raises(ConfigError, match=error):
            run(data, model, store, **options)
    for options, error in [
        ({"trials": 0}, "trials must be a whole number of at least 1"),
        ({"finalists": 1.5}, "finalists must be a whole number"),
    ]:
        with pytest.raises(DataError, match=error):
            run(data, "ease", store, **options)
    for name in ("optuna", "tomli_w"):
        with monkeypatch.context() as patched:
            patched.setitem(sys.modules, name, None)
            said = rf"tuning needs the library {name.replace('_', '-')}: pip install 'magnet-rec\[tune\]'"
            with pytest.raises(MissingExtraError, match=said):
                run(data, "ease", store)
    assert fits == []
    assert not store.exists()


def test_data_without_validation_are_refused_and_without_test_are_not(tiny, tmp_path):
    parts = tiny.dataset.parts
    bare = dataclasses.replace(tiny.dataset, parts=np.where(parts == 1, 0, parts).astype(np.int8))
    with pytest.raises(DataError, match="part 'valid' has no interactions; settings are chosen on it"):
        run(bare, "ease", tmp_path / "store")
    rest = dataclasses.replace(tiny.dataset, parts=np.where(parts == 2, 0, parts).astype(np.int8))
    assert len(run(rest, "ease", tmp_path / "store", trials=2).trials) == 2


def test_damaged_trials_are_named(tiny, tmp_path):
    store = tmp_path / "store"
    run(tiny.dataset, "ease", store, trials=3)
    (folder,) = (store / "tunings").iterdir()
    write_sealed(folder / "0001.json", {"number": 1})
    with pytest.raises(RunError, match=r"0001.json: damaged, it does not describe a trial; remove .*tunings"):
        run(tiny.dataset, "ease", store, trials=3)
    (folder / "0001.json").unlink()
    with pytest.raises(RunError, match="trial 1 is missing"):
        run(tiny.dataset, "ease", store, trials=3)


def test_the_estimator_looks_where_values_were_high():
    """On a parabola over sizes, guided draws come nearer to its top than the random ones before them."""
    space = check_space(type(magnet.EASE().config), {"regularization": (1e-3, 1e3)})
    search, trials = Search(space, seed=0), []
    for number in range(40):
        params = search.next(trials)
        value = -((np.log10(params["regularization"]) - 1.0) ** 2)
        trials.append(Trial(number, params, "complete", metrics={"recall@20": float(value)}))
    distance = [abs(np.log10(trial.params["regularization"]) - 1.0) for trial in trials]
    assert np.median(distance[20:]) < 0.5 * np.median(distance[:8])
    # What is tried depends on what was tried, not on who asks.
    assert Search(space, seed=0).next(trials[:20]) == trials[20].params
    assert Search(space, seed=1).next(trials[:20]) != trials[20].params


def test_settings_of_the_mixture_are_written_as_toml(tiny, tmp_path):
    found = run(
        tiny.dataset,
        quick(),
        tmp_path / "store",
        space={"mixing.content": [[{"kind": "profile"}], [{"kind": "item-knn"}]]},
        trials=2,
        finalists=1,
        seeds=(0,),
    )
    assert tomllib.loads(found.toml()) == found.settings
    assert found.settings["mixing"]["behaviour"] == QUICK["mixing"]["behaviour"]
