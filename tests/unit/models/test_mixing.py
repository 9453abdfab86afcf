"""MAGNET over signals: what is held out, what the router sees, and how it is taught."""

from __future__ import annotations

import dataclasses
from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.sparse import csr_array

import magnet
from magnet.data import Modality
from magnet.models.mixing.candidates import collect_candidates, standardised
from magnet.models.mixing.holdout import hold_out, without
from magnet.models.mixing.inputs import router_inputs, user_input_names
from magnet.models.mixing.menu import choose
from magnet.models.registry import find_model
from magnet.operators import SparseOperator
from magnet.states import BlendState, DotState
from magnet.train.loop import train
from support.evaluation_data import make_dataset

QUICK = {
    "dim": 8,
    "train": {"epochs": 4, "batch_size": 512, "learning_rate": 5e-3, "validate_every": 1},
    "mixing": {
        "global_steps": 6,
        "steps": 12,
        "top": 30,
        "random": 20,
        "batch_size": 128,
    },
    "controller": {"cap": 2, "ramp": 2, "earliest": 1, "trigger_information": 0},
}


def fitted(dataset, seed=0, **changes):
    return magnet.Magnet(seed=seed, **{**QUICK, **changes}).fit(dataset, progress=False)


def test_held_out_pairs_and_the_rest_are_the_training_part(tiny):
    whole = tiny.dataset.train
    fold = hold_out(whole, 0.2, seed=3)
    np.testing.assert_array_equal((fold.rest + fold.held).toarray(), whole.toarray())
    assert not (fold.rest.multiply(fold.held)).nnz
    degree, held = np.diff(whole.indptr), np.diff(fold.held.indptr)
    assert (np.abs(held - 0.2 * degree) < 1).all() or (degree - held >= 1).all()
    assert (np.diff(fold.rest.indptr)[degree > 0] >= 1).all()
    assert held.sum() == pytest.approx(0.2 * degree.sum(), rel=0.05)
    again, other = hold_out(whole, 0.2, seed=3), hold_out(whole, 0.2, seed=4)
    assert (again.held != fold.held).nnz == 0
    assert (other.held != fold.held).nnz > 0


def test_held_out_pairs_are_gone_from_the_data(tiny):
    fold = hold_out(tiny.dataset.train, 0.2, seed=0)
    rest = without(tiny.dataset, fold)
    np.testing.assert_array_equal(rest.train.toarray(), fold.rest.toarray())
    np.testing.assert_array_equal(rest.valid.toarray(), tiny.dataset.valid.toarray())
    assert len(rest.users) == len(tiny.dataset.users) - fold.held.nnz
    assert rest.times is None
    # What belongs to an interaction goes with it.
    numbered = dataclasses.replace(tiny.dataset, times=np.arange(tiny.dataset.users.size))
    rest = without(numbered, fold)
    for name in ("users", "items", "parts"):
        np.testing.assert_array_equal(getattr(numbered, name)[rest.times], getattr(rest, name))


def test_candidates_are_the_best_of_each_signal_and_what_was_held_out(tiny):
    fold = hold_out(tiny.dataset.train, 0.2, seed=0)
    rng = np.random.default_rng(0)
    n_users, n_items = fold.rest.shape
    base = rng.standard_normal((n_users, n_items)).astype(np.float32)
    cues = rng.standard_normal((2, n_users, n_items)).astype(np.float32)
    found = collect_candidates(
        lambda users: (base[users], cues[:, users]),
        fold, top=7, random=5, compress=True, seed=0, max_users=10_000,
    )  # fmt: skip
    seen, held = fold.rest.toarray() > 0, fold.held.toarray() > 0
    scaled = standardised(cues, compress=True)
    for user in np.flatnonzero(held.any(1)):
        row = int(found.place[user])
        there = found.there[row].numpy()
        items = found.items[row].numpy()[there]
        assert not seen[user, items].any()
        wanted = set(np.flatnonzero(held[user]))
        for scores in (base, *cues):
            wanted |= set(np.argsort(-np.where(seen[user], -np.inf, scores[user]))[:7])
        assert wanted <= set(items)
        np.testing.assert_array_equal(found.held[row].numpy()[there], held[user, items])
        np.testing.assert_allclose(found.cues[row].numpy()[there], scaled[:, user, items].T, rtol=1e-5)
    assert (found.place[torch.from_numpy(~held.any(1))] == -1).all()


def test_the_router_sees_how_alike_a_history_is(tiny):
    data = tiny.dataset
    ones = SparseOperator(csr_array(np.eye(data.n_items, dtype=np.float32)))
    found = router_inputs(data.train, data.modalities, {"behaviour": ones})
    names = user_input_names(list(data.modalities))
    assert found.users.shape == (data.n_users, len(names))
    raw = []
    for user in range(data.n_users):
        own = data.train.indices[data.train.indptr[user] : data.train.indptr[user + 1]]
        raw.append(np.log1p(len(own)))
    column = found.users[:, names.index("log n")].double().numpy()
    expected = (np.array(raw) - np.mean(raw)) / np.std(raw)
    np.testing.assert_allclose(column, np.clip(expected, -3, 3), atol=1e-4)
    text = data.modalities["text"]
    rows = text.features.astype(np.float64) * text.present[:, None]
    rows[text.present] /= np.linalg.norm(rows[text.present], axis=1, keepdims=True)
    rows[text.present] -= rows[text.present].mean(0)
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    rows = np.divide(rows, lengths, out=np.zeros_like(rows), where=lengths > 0)
    coherence = []
    for user in range(data.n_users):
        own = data.train.indices[data.train.indptr[user] : data.train.indptr[user + 1]]
        own = rows[own[text.present[own]]]
        n = len(own)
        coherence.append(((own @ own.T).sum() - n) / (n * (n - 1)) if n > 1 else 0.0)
    expected = np.clip((np.array(coherence) - np.mean(coherence)) / np.std(coherence), -3, 3)
    column = found.users[:, names.index("text coherence")].double().numpy()
    np.testing.assert_allclose(column, expected, atol=1e-3)
    np.testing.assert_array_equal(found.items[:, 4].numpy(), data.modalities["image"].present)
    np.testing.assert_array_equal(found.items[:, :4].sum(1).numpy(), np.ones(data.n_items))


def test_the_menu_takes_what_adds_most_on_held_out_pairs(tiny):
    """An operator that knows the held-out pairs has to win over any that does not."""
    data = tiny.dataset
    fold = hold_out(data.train, 0.2, seed=0)

    class Oracle(magnet.Config):
        """Knows the answers, or nothing."""

        knows: bool = True

    def prepare(train, modalities, config):
        pairs = fold.held if config.knows else csr_array(fold.held.shape, dtype=np.float32)
        return SparseOperator(csr_array((fold.rest.T @ pairs).astype(np.float32)))

    from magnet.models.signals import register_signal

    register_signal("oracle", Oracle, prepare, replace=True)
    menu = [{"kind": "oracle", "knows": False}, {"kind": "oracle"}, {"kind": "filter"}]
    rng = np.random.default_rng(0)
    base = rng.standard_normal(fold.rest.shape).astype(np.float32)
    choice, _, gains = choose(menu, fold, data.modalities, lambda users: base[users], compress=True, seed=0)
    assert choice == {"kind": "oracle"}
    assert gains[1] == max(gains) > gains[0]


@pytest.fixture(scope="module")
def run(tiny):
    return fitted(tiny.dataset)


def test_all_stages_are_candidates_and_the_best_is_delivered(run):
    facts = run.contents.facts
    assert set(facts["best"]) == {"backbone", "global", "coverage", "specialisation"}
    best = {stage: value["recall@20"] for stage, value in facts["best"].items()}
    assert best[facts["delivered"]] == max(best.values())
    stages = list(dict.fromkeys(e["stage"] for e in run.contents.events))
    assert stages == ["backbone", "fold", "global", "coverage", "specialisation"]
    assert not any("valid" in e for e in run.contents.events if e["stage"] == "fold")
    assert set(facts["signals"]) == {"behaviour", "image", "text"}


def test_the_fold_is_trained_for_as_many_steps_as_the_best_backbone(run, tiny):
    events = run.contents.events
    best = run.contents.facts["best"]["backbone"]["epoch"] + 1
    fold = sum(e["stage"] == "fold" for e in events)
    per_epoch = [-(-nnz // 512) for nnz in (tiny.dataset.train.nnz, 0.875 * tiny.dataset.train.nnz)]
    assert fold == pytest.approx(best * per_epoch[0] / per_epoch[1], abs=1)


def test_the_same_seed_gives_the_same_bits(run, tiny):
    again = fitted(tiny.dataset)
    users = np.arange(tiny.dataset.n_users, dtype=np.int32)
    a, b = (m.contents.state for m in (run, again))
    assert type(a) is type(b)
    rows = [m.score(tiny.dataset.user_ids[:9], tiny.dataset.item_ids) for m in (run, again)]
    np.testing.assert_array_equal(*rows)
    assert len(users) == a.shape[0]


def test_a_run_is_kept_and_explains_itself(tiny, tmp_path):
    model = fitted(tiny.dataset, mixing={**QUICK["mixing"], "width": 0.3})
    state = model.contents.state
    if isinstance(state, DotState):
        pytest.skip("validation chose the backbone alone")
    model.save(tmp_path / "run")
    again = magnet.load(tmp_path / "run")
    users, items = tiny.dataset.user_ids[:5], tiny.dataset.item_ids
    np.testing.assert_array_equal(again.score(users, items), model.score(users, items))
    for user in users:
        top = again.recommend([user], 3)["item_id"].to_list()
        for item in top:
            found = again.explain(user, item)
            of_cues = found.backbone + sum(cue.contribution for cue in found.cues)
            of_experts = found.backbone + sum(expert.contribution for expert in found.experts)
            assert of_cues == pytest.approx(found.score, abs=1e-5)
            assert of_experts == pytest.approx(found.score, abs=1e-4)
            for cue in found.cues:
                if cue.history:
                    assert sum(part.contribution for part in cue.history) == pytest.approx(
                        cue.contribution, abs=1e-6
                    )
            assert "because of" in found.text()
            assert found.to_json()["cues"]
    turned = again.recommend(users, 5, weights={"text": 3.0, "image": 0.0})
    assert not turned.equals(again.recommend(users, 5))


def test_only_a_mixture_over_signals_is_turned_by_hand(tiny):
    model = magnet.Popularity().fit(tiny.dataset, progress=False)
    with pytest.raises(magnet.errors.ConfigError, match=r"turn the cues of a mixture over signals"):
        model.recommend(tiny.dataset.user_ids[:1], 3, weights={"text": 1})


@pytest.mark.parametrize("router", ["user", "item", "global", "shuffled", "uniform"])
def test_every_router_trains(tiny, router):
    model = fitted(tiny.dataset, router={"kind": router})
    stages = set(model.contents.facts["best"])
    assert "global" in stages
    assert ("coverage" in stages) == (router != "global")


def test_resuming_in_the_mixture_gives_the_same_bits(tiny):
    """Stopped after any epoch of any phase, training goes on to the same weights."""
    entry = find_model("magnet")
    config = entry.config.build(QUICK)

    def evaluate(state):
        from magnet.evaluate import evaluate as measure

        return measure(state, tiny.dataset, "valid").metrics

    whole: list = []
    task = entry.task(tiny.dataset, config, seed=1)
    train(task, tiny.dataset, config.train, seed=1, evaluate=evaluate, keep=lambda n, s: whole.append((n, s)))
    end = task.module.state_dict()
    lasts = [i for i, (name, _) in enumerate(whole) if name == "last"]
    for cut in (lasts[1], lasts[len(lasts) // 2], lasts[-2]):
        best = {n.removeprefix("best-"): s for n, s in whole[: cut + 1] if n.startswith("best-")}
        other = entry.task(tiny.dataset, config, seed=1)
        train(other, tiny.dataset, config.train, seed=1, evaluate=evaluate, resume=(whole[cut][1], best))
        for name, tensor in other.module.state_dict().items():
            assert torch.equal(tensor, end[name]), (cut, name)


def test_items_and_users_without_a_cue_switch_its_experts_off(run):
    state = run.contents.state
    if not isinstance(state, BlendState):
        pytest.skip("validation chose the backbone alone")
    names = state.experts
    at = names.index("dominant/image")
    lacking = ~state.cues["image"].targets
    off = torch.isinf(state.item_logits[:, at]).numpy()
    np.testing.assert_array_equal(off, lacking)


@pytest.mark.filterwarnings("ignore:content neighbours share no more users")  # rightly so, in ten rows
def test_a_shop_of_ten_rows_is_left_to_its_backbone():
    """Nothing held out there has anything to be ranked above, and that is no error."""
    train = {0: {0, 1}, 1: {0, 2}, 2: {0, 1, 2}}
    shop = make_dataset(train=train, valid={0: {3}, 1: {3}, 2: {4}}, test={}, n_users=3, n_items=5)
    looks = np.random.default_rng(0).standard_normal((5, 2)).astype(np.float32)
    shop = replace(shop, modalities={"looks": Modality("looks", looks, np.ones(5, bool))})
    stages = set()
    for seed in range(6):
        model = fitted(shop, seed=seed, mixing={**QUICK["mixing"], "share": 0.3})
        assert model.recommend(["u0"], 1)["item_id"].len() == 1
        stages |= set(model.contents.facts["best"])
    assert "backbone" in stages
    with pytest.raises(magnet.errors.DataError, match="too few training pairs to hold any out"):
        fitted(shop, mixing={**QUICK["mixing"], "share": 0.01, "cross_fit": "none"})


def test_both_stages_end_however_long_an_epoch_is(tiny):
    """Of many held-out pairs a few steps are no epoch; the trigger and the ramp are told in epochs."""
    mixing = {**QUICK["mixing"], "steps": 1, "batch_size": 16}
    model = fitted(tiny.dataset, mixing=mixing, controller={"switch_at": 2, "cap": 3, "ramp": 2})
    stages = [event["stage"] for event in model.contents.events]
    assert [stages.count(stage) for stage in ("coverage", "specialisation")] == [2, 3]
    assert model.contents.events[-1]["top_k"] == 3


def test_signals_alone_need_no_backbone(tiny):
    settings = {"mixing": {**QUICK["mixing"], "cross_fit": "none"}, "controller": {"switch_at": 2, "ramp": 2}}
    model = fitted(tiny.dataset, **settings)
    facts, state = model.contents.facts, model.contents.state
    assert set(facts["best"]) == {"global", "coverage", "specialisation"}
    assert isinstance(state, BlendState)
    assert not state.users.any()
    found = model.explain(tiny.dataset.user_ids[0], tiny.dataset.item_ids[0])
    assert found.backbone == 0
    assert sum(cue.contribution for cue in found.cues) == pytest.approx(found.score, abs=1e-5)
    again = fitted(tiny.dataset, **settings)
    for name, tensor in state.to_tensors()[0].items():
        assert torch.equal(tensor, again.contents.state.to_tensors()[0][name])


def test_data_with_one_modality(tiny):
    data = replace(tiny.dataset, modalities={"text": tiny.dataset.modalities["text"]})
    model = fitted(data)
    assert set(model.contents.facts["signals"]) == {"behaviour", "text"}
