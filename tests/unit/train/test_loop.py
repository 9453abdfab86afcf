"""The training loop: stages, delivery, interruption, NaN, and borrowing a backbone."""

from __future__ import annotations

import dataclasses
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

import magnet
from magnet.errors import ConfigError, DataError, RunError, TrainingError
from magnet.evaluate import evaluate
from magnet.models.backbone import BackboneTask
from magnet.models.magnet import MagnetConfig, make_task
from magnet.run.checkpoint import Checkpoints
from magnet.run.events import read_events
from magnet.states import BlendState, DotState, to_tensors
from magnet.train.batches import Batches
from magnet.train.config import TrainConfig
from magnet.train.loop import train

QUICK: dict[str, Any] = {
    "dim": 8,
    "train": {"epochs": 3, "batch_size": 512, "learning_rate": 0.01, "validate_every": 1},
    "mixing": {
        "global_steps": 4,
        "steps": 6,
        "validate_every": 1,
        "top": 20,
        "random": 10,
        "behaviour": [{"kind": "filter"}, {"kind": "item-knn"}],
        "content": [{"kind": "item-knn"}],
    },
    "controller": {"switch_at": 2, "cap": 2, "ramp": 1},
    # Both views and dropped edges, so that a switch of either has something to change.
    "graph": {"content_edges": "both", "keep": 0.5},
}
GRAPH = QUICK["graph"]


def quick(**change: Any) -> dict[str, Any]:
    return {**QUICK, **change}


def same(a: Any, b: Any) -> bool:
    left, right = to_tensors(a)[0], to_tensors(b)[0]
    return left.keys() == right.keys() and all(torch.equal(left[k], right[k]) for k in left)


@pytest.fixture(scope="module", autouse=True)
def two_threads():
    """Equal bits are worth nothing on one thread."""
    before = torch.get_num_threads()
    magnet.set_num_threads(2)
    yield
    magnet.set_num_threads(before)


@pytest.fixture(scope="module")
def fitted(tiny, tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "whole"
    model = magnet.Magnet(seed=5, **QUICK)
    magnet.Trainer(model, tiny.dataset, folder=folder, progress=False).fit()
    return model, folder


def rising(dataset):
    """An evaluator that likes every epoch better than the one before, so that the last is delivered."""
    count = iter(range(1, 1000))

    def evaluator(state):
        found = evaluate(state, dataset, "valid")
        return replace(found, metrics=found.metrics | {"recall@20": next(count) / 1000})

    return evaluator


@pytest.fixture(scope="module")
def specialised(tiny):
    model = magnet.Magnet(seed=5, **QUICK)
    magnet.Trainer(model, tiny.dataset, evaluator=rising(tiny.dataset), progress=False).fit()
    return model


def test_stages_follow_each_other_and_the_best_is_delivered(fitted) -> None:
    model, _ = fitted
    stages = [event["stage"] for event in model.contents.events]
    assert [stages.count(s) for s in ("backbone", "coverage")] == [3, 2]
    assert list(dict.fromkeys(stages)) == ["backbone", "fold", "global", "coverage", "specialisation"]
    facts = model.contents.facts
    assert set(facts["best"]) == {"backbone", "global", "coverage", "specialisation"}
    standing = {stage: (best["recall@20"], best["ndcg@20"]) for stage, best in facts["best"].items()}
    assert standing[facts["delivered"]] == max(standing.values())
    # The epoch, not the epochs of coverage.
    last = max(n for n, stage in enumerate(stages) if stage == "coverage")
    assert (facts["fired_by"], facts["fired_at"]) == ("fixed", last)
    # What was delivered is what was validated.
    delivered = facts["best"][facts["delivered"]]["recall@20"]
    assert model.metrics["valid/strict"]["metrics"]["recall@20"] == delivered


def test_of_equals_the_one_with_the_better_order_is_delivered(tiny) -> None:
    """A small validation part has many ties."""
    order = iter([0.1, 0.3, 0.2])
    config = MagnetConfig.build(quick(mixture=False))
    task = BackboneTask(tiny.dataset, config, seed=0)
    history = train(
        task,
        tiny.dataset,
        config.train,
        seed=0,
        evaluate=lambda state: {"recall@20": 0.5, "ndcg@20": next(order)},
    )
    assert history.best == {"backbone": {"recall@20": 0.5, "ndcg@20": 0.3, "epoch": 1}}


def test_the_same_seed_gives_the_same_bits_and_another_seed_does_not(tiny, fitted) -> None:
    again = magnet.Magnet(seed=5, **QUICK).fit(tiny.dataset, progress=False)
    assert same(again.contents.state, fitted[0].contents.state)
    other = magnet.Magnet(seed=6, **QUICK).fit(tiny.dataset, progress=False)
    assert not same(other.contents.state, fitted[0].contents.state)


@pytest.mark.parametrize("stop_after", [1, 3, 5])
def test_an_interrupted_training_goes_on_to_the_same_bits(tiny, fitted, tmp_path, stop_after: int) -> None:
    calls = []

    def evaluator(state):
        calls.append(1)
        if len(calls) > stop_after:
            raise KeyboardInterrupt
        return evaluate(state, tiny.dataset, "valid")

    model = magnet.Magnet(seed=5, **QUICK)
    folder = tmp_path / "cut"
    with pytest.raises(KeyboardInterrupt):
        magnet.Trainer(model, tiny.dataset, folder=folder, evaluator=evaluator, progress=False).fit()
    with pytest.raises(RunError, match="interrupted"):
        magnet.load(folder)
    magnet.Trainer(model, tiny.dataset, folder=folder, resume=True, progress=False).fit()
    assert same(model.contents.state, fitted[0].contents.state)
    strip = lambda events: [{k: v for k, v in e.items() if "seconds" not in k} for e in events]  # noqa: E731
    assert strip(model.contents.events) == strip(fitted[0].contents.events)
    assert same(magnet.load(folder).contents.state, model.contents.state)


def test_times_of_the_interactions_change_nothing(tiny, fitted) -> None:
    timed = dataclasses.replace(tiny.dataset, times=np.arange(tiny.dataset.users.size))
    model = magnet.Magnet(seed=5, **QUICK).fit(timed, progress=False)
    assert same(model.contents.state, fitted[0].contents.state)


def test_no_checkpoint_counts_an_epoch_that_is_not_logged(tiny, tmp_path, monkeypatch) -> None:
    folder, seen = tmp_path / "run", []
    save = Checkpoints.save

    def checked(self, name, tensors, meta):
        seen.append((name, meta["epoch"], len(read_events(folder / "events.jsonl"))))
        save(self, name, tensors, meta)

    monkeypatch.setattr(Checkpoints, "save", checked)
    magnet.Trainer(magnet.Magnet(seed=5, **QUICK), tiny.dataset, folder=folder, progress=False).fit()
    resumable = [(epoch, logged) for name, epoch, logged in seen if name == "last"]
    assert len(resumable) > 5
    assert all(epoch == logged for epoch, logged in resumable)


def test_an_interruption_keeps_the_average_of_weights(tiny, tmp_path) -> None:
    config = quick(mixture=False, train={**QUICK["train"], "average": 0.9})
    whole = magnet.Magnet(seed=5, **config).fit(tiny.dataset, progress=False)
    plain = magnet.Magnet(seed=5, **quick(mixture=False)).fit(tiny.dataset, progress=False)
    assert not same(whole.contents.state, plain.contents.state)
    calls = []

    def evaluator(state):
        calls.append(1)
        if len(calls) > 1:
            raise KeyboardInterrupt
        return evaluate(state, tiny.dataset, "valid")

    cut = magnet.Magnet(seed=5, **config)
    with pytest.raises(KeyboardInterrupt):
        magnet.Trainer(cut, tiny.dataset, folder=tmp_path / "a", evaluator=evaluator, progress=False).fit()
    magnet.Trainer(cut, tiny.dataset, folder=tmp_path / "a", resume=True, progress=False).fit()
    assert same(cut.contents.state, whole.contents.state)


def test_a_training_configuration_of_its_own_replaces_the_models(tiny, tmp_path) -> None:
    settings = TrainConfig(epochs=2, batch_size=256, learning_rate=0.02)
    model = magnet.LightGCN(seed=1, dim=8, train={"epochs": 1})
    trainer = magnet.Trainer(model, tiny.dataset, settings, folder=tmp_path / "run", progress=False)
    trainer.fit()
    named = magnet.LightGCN(seed=1, dim=8, train=settings.model_dump()).fit(tiny.dataset, progress=False)
    assert len(model.contents.events) == 2
    assert same(model.contents.state, named.contents.state)
    # The run folder tells what was trained, not what the model had asked for.
    assert magnet.load(tmp_path / "run").config.train == settings
    with pytest.raises(ConfigError, match="ease is solved in closed form; it takes no training"):
        magnet.Trainer(magnet.EASE(), tiny.dataset, settings)


def test_resuming_needs_a_folder_that_is_not_overwritten(tiny, tmp_path) -> None:
    for options in ({}, {"folder": tmp_path / "run", "overwrite": True}):
        with pytest.raises(ConfigError, match="resume needs the folder"):
            magnet.Trainer(magnet.LightGCN(), tiny.dataset, resume=True, **options)


def test_resuming_another_run_is_refused(tiny, fitted) -> None:
    _, folder = fitted
    other = magnet.Magnet(seed=5, **quick(dim=4))
    with pytest.raises(RunError, match="its config differs"):
        magnet.Trainer(other, tiny.dataset, folder=folder, resume=True, progress=False).fit()


def test_a_borrowed_backbone_gives_the_bits_of_an_own_one(tiny, fitted, tmp_path) -> None:
    control = quick(router={"kind": "shuffled"}, experts={"roles": ["dominant", "null"]})
    own = magnet.Magnet(seed=5, **control).fit(tiny.dataset, progress=False)
    borrowing = magnet.Magnet(seed=5, **control)
    trainer = magnet.Trainer(borrowing, tiny.dataset, backbone=fitted[1], progress=False)
    trainer.fit()
    assert same(own.contents.state, borrowing.contents.state)
    other = magnet.Magnet(seed=5, **quick(dim=4))
    with pytest.raises(RunError, match="another one: dim is 8 there and 4 here"):
        magnet.Trainer(other, tiny.dataset, backbone=fitted[1], progress=False).fit()
    alone = magnet.Magnet(seed=5, **quick(mixing={**QUICK["mixing"], "cross_fit": "none"}))
    with pytest.raises(RunError, match=r"another one: mixing\.cross_fit is 'holdout' there and 'none' here"):
        magnet.Trainer(alone, tiny.dataset, backbone=fitted[1], progress=False).fit()


def test_a_run_with_a_borrowed_backbone_is_resumed_with_all_its_epochs(tiny, fitted, tmp_path) -> None:
    control = quick(router={"kind": "uniform"})

    def train_it(folder, **options):
        seen = []
        trainer = magnet.Trainer(
            magnet.Magnet(seed=5, **control),
            tiny.dataset,
            folder=folder,
            backbone=fitted[1],
            progress=False,
            **{"watch": seen.append, **options},
        )
        return trainer.fit(), [record["epoch"] for record in seen]

    whole, own = train_it(tmp_path / "whole")
    epochs = [record["epoch"] for record in whole.events]
    assert epochs == list(range(len(epochs)))
    assert 0 < len(own) < len(epochs)

    def stop(record):
        if record["epoch"] == own[2]:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train_it(tmp_path / "run", watch=stop)
    resumed, rest = train_it(tmp_path / "run", resume=True)
    assert rest == own[3:]
    assert [record["epoch"] for record in resumed.events] == epochs
    assert same(resumed.state, whole.state)


@pytest.mark.parametrize(
    "control",
    [
        {"router": {"kind": "uniform"}},
        {"router": {"kind": "global"}},
        {"router": {"kind": "shuffled"}},
        {"router": {"kind": "user"}},
        {"router": {"kind": "item"}},
        {"router": {"top_k": 0}},
        {"router": {"floor": 0.3}},
        {"experts": {"roles": ["dominant"]}},
        {"controller": {**QUICK["controller"], "coverage_weight": 3.0}},
        {"controller": {**QUICK["controller"], "balance": "entropy", "coverage_weight": 3.0}},
        {"controller": {**QUICK["controller"], "confidence_weight": 3.0}},
        {"controller": {**QUICK["controller"], "z_weight": 3.0}},
        {"mixture": False},
        *(
            {"mixing": {**QUICK["mixing"], name: value}}
            for name, value in [
                ("share", 0.3),
                ("behaviour", [{"kind": "item-knn"}]),
                ("content", [{"kind": "profile"}]),
                ("compress", True),
                ("loss", "listwise"),
                ("width", 1.0),
                ("top", 40),
                ("random", 40),
                ("max_users", 100),
                ("batch_size", 64),
                ("learning_rate", 0.2),
                ("decay", 1.0),
                ("global_steps", 2),
                ("steps", 5),
                ("start", 1.0),
            ]
        ),
        {"behaviour": {"view": "interactions"}},
        {"behaviour": {"view": "augmented"}},
        {"behaviour": {"first_layer": 1}},
        {"behaviour": {"layers": 3}},
        {"behaviour": {"content_weight": 0.5}},
        {"behaviour": {"content_side": "items"}},
        {"behaviour": {"content_gate": "features"}},
        {"behaviour": {"start": "content"}},
        {"popularity": 0.25},
        {"graph": {**GRAPH, "content_edges": "user-item"}},
        {"graph": {**GRAPH, "content_edges": "item-item"}},
        {"graph": {**GRAPH, "keep": 1.0}},
        {"graph": {**GRAPH, "drop_by": "uniform"}},
        {"graph": {**GRAPH, "weights": "equal", "neighbours": 5}},
        {"graph": {**GRAPH, "weights": {"text": 1.0}}},
        {"graph": {**GRAPH, "shared_weight": 0.5}},
        {"graph": {**GRAPH, "shared_weight": 0.5, "shared_neighbours": 3}},
        {"loss": {"kind": "softmax"}},
        {"loss": {"kind": "bpr"}},
        {"loss": {"negatives": 16}},
        {"loss": {"alignment": 0.0}},
        {"loss": {"alignment_temperature": 1.0}},
        {"loss": {"l2": 0.5}},
        {"loss": {"l2_of": "embeddings"}},
        {"train": {**QUICK["train"], "average": 0.9}},
    ],
    ids=str,
)
def test_every_control_and_switch_changes_the_result(tiny, specialised, control: dict[str, Any]) -> None:
    model = magnet.Magnet(seed=5, **quick(**control))
    magnet.Trainer(model, tiny.dataset, evaluator=rising(tiny.dataset), progress=False).fit()
    assert isinstance(model.contents.state, DotState if control == {"mixture": False} else BlendState)
    assert not same(model.contents.state, specialised.contents.state)
    users, items = model.contents.user_ids[:20], model.contents.item_ids[:20]
    assert np.abs(model.score(users, items) - specialised.score(users, items)).max() > 1e-4


def test_the_mixture_keeps_the_best_weights_of_the_backbone(tiny, fitted, specialised) -> None:
    plain = magnet.Magnet(seed=5, **quick(mixture=False))
    magnet.Trainer(plain, tiny.dataset, evaluator=rising(tiny.dataset), progress=False).fit()
    torch.testing.assert_close(plain.contents.state.users, specialised.contents.state.users, rtol=0, atol=0)


def test_nan_stops_and_names_epoch_and_batch(tiny) -> None:
    config = MagnetConfig.build(quick())
    task = make_task(tiny.dataset, config, seed=0)
    kept: list[str] = []

    def watch(record: dict[str, Any]) -> None:
        with torch.no_grad():
            task.full.backbone.behaviour.embeddings[0] = torch.nan

    with pytest.raises(TrainingError, match=r"epoch 1, batch \d+ \(ranking"):
        train(
            task,
            tiny.dataset,
            config.train,
            seed=0,
            evaluate=lambda state: evaluate(state, tiny.dataset, "valid").metrics,
            watch=watch,
            keep=lambda name, snapshot: kept.append(name),
        )
    assert "last" in kept


@pytest.mark.parametrize("at", ["gradient", "loss"])
def test_weights_that_went_bad_are_neither_validated_nor_kept(tiny, monkeypatch, at: str) -> None:
    """A gradient that is not finite leaves the loss of its own step finite, and the last step has no next one."""
    config = MagnetConfig.build(quick(mixture=False))
    task = BackboneTask(tiny.dataset, config, seed=0)
    batches = len(Batches(tiny.dataset, 512, seed=0))
    calls, validated, kept = iter(range(1000)), [], []
    inner = task.step

    def step(batch):
        terms = inner(batch)
        if next(calls) != 2 * batches - (1 if at == "gradient" else 2):
            return terms
        if at == "gradient":
            terms.total.register_hook(lambda grad: grad * torch.nan)
            return terms
        return terms._replace(
            total=terms.total * torch.nan, named={"ranking": terms.named["ranking"] * torch.nan}
        )

    monkeypatch.setattr(task, "step", step)

    def validate(state):
        assert state.users.isfinite().all()
        validated.append(1)
        return {"recall@20": 0.1}

    def keep(name, snapshot):
        assert all(tensor.isfinite().all() for tensor in snapshot.tensors.values())
        kept.append(name)

    message = (
        r"weights are NaN or infinite after epoch 1 \(behaviour.embeddings, behaviour.gate\); the last good"
        if at == "gradient"
        else rf"epoch 1, batch {batches - 2} \(ranking\)"
    )
    with pytest.raises(TrainingError, match=message):
        train(task, tiny.dataset, config.train, seed=0, evaluate=validate, keep=keep)
    assert len(validated) == 1
    assert kept == ["best-backbone", "last"]


def test_patience_ends_a_phase(tiny) -> None:
    values = iter([0.1, 0.3, 0.2, 0.2, 0.5, 0.5])
    batches = len(Batches(tiny.dataset, 512, seed=0))
    settings = {**QUICK["train"], "epochs": 50, "patience": 2 * batches, "learning_rate": 0.1}
    config = MagnetConfig.build(quick(mixture=False, train=settings))
    task = BackboneTask(tiny.dataset, config, seed=0)
    history = train(
        task, tiny.dataset, config.train, seed=0, evaluate=lambda state: {"recall@20": next(values)}
    )
    assert [record["step"] for record in history.records] == [batches, 2 * batches, 3 * batches, 4 * batches]
    assert history.best == {"backbone": {"recall@20": 0.3, "epoch": 1}}


def test_patience_is_longer_where_the_loss_rests_at_its_start(tiny) -> None:
    settings = {**QUICK["train"], "epochs": 50, "patience": 1, "learning_rate": 1e-9}
    config = MagnetConfig.build(quick(mixture=False, train=settings))
    history = train(
        BackboneTask(tiny.dataset, config, seed=0),
        tiny.dataset,
        config.train,
        seed=0,
        evaluate=lambda state: {"recall@20": 0.1},
    )
    batches = len(Batches(tiny.dataset, 512, seed=0))
    assert len(history.records) == 1 + -(-10 // batches)


def test_validation_takes_place_after_so_many_steps_and_at_the_end_of_each_stage(tiny) -> None:
    batches = len(Batches(tiny.dataset, 512, seed=0))
    settings = {**QUICK["train"], "epochs": 7, "validate_every": 3 * batches}
    config = MagnetConfig.build(quick(mixture=False, train=settings))
    task = BackboneTask(tiny.dataset, config, seed=0)
    history = train(task, tiny.dataset, config.train, seed=0, evaluate=lambda state: {"recall@20": 0.1})
    validated = [(r["epoch"], r["stage"]) for r in history.records if "valid" in r]
    assert validated == [(2, "backbone"), (5, "backbone"), (6, "backbone")]


def test_negatives_are_unseen_and_known_to_training(tiny) -> None:
    batches = Batches(tiny.dataset, 100, seed=1)
    seen = tiny.dataset.train.toarray() > 0
    trained = seen.any(0)
    pairs = 0
    for batch in batches.epoch(0, 0):
        assert not seen[batch.users, batch.negatives].any()
        assert trained[batch.negatives].all()
        assert seen[batch.users, batch.positives].all()
        pairs += len(batch.users)
    assert pairs == tiny.dataset.train.nnz
    shared = next(iter(batches.epoch(0, 16)))
    assert shared.negatives.shape == (16,)
    assert shared.seen is not None
    np.testing.assert_array_equal(shared.seen.numpy(), seen[shared.users][:, shared.negatives])


def test_epochs_differ_and_repeat(tiny) -> None:
    batches = Batches(tiny.dataset, 4096, seed=1)
    first, again, second = (next(iter(batches.epoch(e, 0))) for e in (0, 0, 1))
    assert torch.equal(first.users, again.users)
    assert torch.equal(first.negatives, again.negatives)
    assert not torch.equal(first.users, second.users)


def test_users_who_have_seen_everything_teach_nothing() -> None:
    frame = {"user": [0, 0, 1, 1, 2, 2], "item": [0, 1, 0, 1, 0, 1], "split": [0, 0, 0, 0, 1, 2]}
    import polars as pl

    data = magnet.Dataset.from_frame(pl.DataFrame(frame), user="user", item="item", split="split")
    with pytest.raises(DataError):
        magnet.LightGCN().fit(data, progress=False)
