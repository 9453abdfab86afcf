"""Validation chooses by a metric that can tell models apart."""

from __future__ import annotations

import io

import numpy as np
import pytest
from rich.console import Console

import magnet
from magnet.evaluate.target import USUAL, target_of
from magnet.train.progress import Reporter, epoch_line
from support.evaluation_data import make_dataset


def shop(n_items, *, history, n_users=40, seed=0):
    """Everyone takes two items for the held-out parts and ``history`` others, by a taste of five groups."""
    rng = np.random.default_rng(seed)
    parts = {"train": {}, "valid": {}, "test": {}}
    for user in range(n_users):
        taste = np.where(np.arange(n_items) % 5 == user % 5, 8.0, 1.0)
        taken = rng.choice(n_items, history + 2, replace=False, p=taste / taste.sum()).tolist()
        parts["valid"][user], parts["test"][user], parts["train"][user] = (
            {taken[0]},
            {taken[1]},
            set(taken[2:]),
        )
    return make_dataset(**parts, n_users=n_users, n_items=n_items)


@pytest.mark.parametrize(
    ("n_items", "history", "metric"),
    [(10, 3, "ndcg@20"), (20, 3, "ndcg@20"), (23, 3, "ndcg@20"), (24, 3, "recall@20"), (40, 5, "recall@20")],
)
def test_what_cannot_tell_rankings_apart_does_not_choose(n_items, history, metric):
    data = shop(n_items, history=history)
    assert target_of(data).metric == metric
    # The rule against what it is about: the worst ranking of the held-out items has the recall of the best.
    dense = data.valid.toarray()
    seen = data.train.toarray()
    worst = [
        np.isin(np.flatnonzero(row), np.argsort(-(1 - row - 2 * taken), kind="stable")[:20]).mean()
        for row, taken in zip(dense, seen, strict=True)
    ]
    assert (min(worst) == 1) == (metric == "ndcg@20")


def test_one_user_whom_recall_can_tell_is_enough():
    data = make_dataset(
        train={0: {0}, 1: set(range(9))}, valid={0: {1}, 1: {9}}, test={0: {2}}, n_users=2, n_items=22
    )
    assert target_of(data) == USUAL
    others = make_dataset(
        train={0: {0}, 1: set(range(9))}, valid={1: {9}}, test={0: {2}}, n_users=2, n_items=22
    )
    assert target_of(others).metric == "ndcg@20"


QUICK = {"epochs": 60, "batch_size": 256, "validate_every": 2, "patience": 60}


def test_a_small_catalogue_is_trained_beyond_its_first_epoch():
    data = shop(10, history=3, n_users=200)
    model = magnet.LightGCN(train=QUICK).fit(data, progress=False)
    facts, events = model.contents.facts, model.contents.events
    validated = [e for e in events if "valid" in e]
    assert {e["valid"]["recall@20"] for e in validated} == {1.0}
    best = max(validated, key=lambda e: e["valid"]["ndcg@20"])
    assert facts["chosen_by"] == "ndcg@20"
    assert facts["best"]["training"]["epoch"] == best["epoch"] > 5
    assert facts["best"]["training"]["ndcg@20"] == best["valid"]["ndcg@20"] > validated[0]["valid"]["ndcg@20"]
    assert f"valid/strict ndcg@20 {best['valid']['ndcg@20']:.4f}" in repr(model)
    told = model.explain().text()
    assert "best validation NDCG@20 is" in told
    assert "valid NDCG@20" in told


def test_a_usual_catalogue_is_chosen_by_recall_as_ever():
    data = shop(60, history=6)
    model = magnet.LightGCN(train=QUICK).fit(data, progress=False)
    validated = [e for e in model.contents.events if "valid" in e]
    best = max(validated, key=lambda e: (e["valid"]["recall@20"], e["valid"]["ndcg@20"], -e["epoch"]))
    assert model.contents.facts["chosen_by"] == "recall@20"
    assert model.contents.facts["best"]["training"]["epoch"] == best["epoch"]


def test_a_run_keeps_by_what_it_was_chosen(tmp_path):
    data = shop(10, history=3)
    model = magnet.LightGCN(train=QUICK | {"epochs": 3}).fit(data, folder=tmp_path / "run", progress=False)
    again = magnet.load(tmp_path / "run")
    assert again.contents.facts["chosen_by"] == "ndcg@20"
    assert repr(again) == repr(model)
    assert again.explain().to_json()["training"]["chosen_by"] == "ndcg@20"


def test_a_run_that_goes_on_chooses_by_the_same(tmp_path):
    data = shop(10, history=3)

    class StopError(Exception):
        pass

    def stop(record):
        if record["epoch"] == 20:
            raise StopError

    whole = magnet.LightGCN(train=QUICK).fit(data, progress=False)
    cut = magnet.LightGCN(train=QUICK)
    with pytest.raises(StopError):
        magnet.Trainer(cut, data, folder=tmp_path / "run", watch=stop, progress=False).fit()
    cut.fit(data, folder=tmp_path / "run", resume=True, progress=False)
    assert cut.contents.facts == whole.contents.facts
    assert (cut.score(["u0"], data.item_ids) == whole.score(["u0"], data.item_ids)).all()


def test_it_is_told_at_the_start_and_in_every_line():
    output = io.StringIO()
    target = target_of(shop(10, history=3))
    record = {"epoch": 0, "stage": "training", "terms": {"loss": 0.5}, "seconds": 0.1}
    record |= {"valid": {"recall@20": 1.0, "ndcg@20": 0.4321}, "phase_epochs": 1, "phase_limit": 9}
    with Reporter("lightgcn", Console(file=output), target=target) as report:
        report(record)
    first, line = output.getvalue().splitlines()
    assert "validation chooses by NDCG@20: no user has more than 20 items left" in first
    assert "valid NDCG@20 0.4321" in line
    assert "valid R@20 1.0000" in epoch_line(record)


def test_a_caller_s_own_evaluator_keeps_the_usual_metric():
    data = shop(10, history=3)
    trainer = magnet.Trainer(
        magnet.LightGCN(),
        data,
        evaluator=lambda state: magnet.evaluate.evaluate(state, data, "valid"),
        progress=False,
    )
    assert trainer.target == USUAL
