from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from magnet.data import Dataset
from magnet.errors import DataError
from magnet.evaluate import evaluate
from magnet.models.popularity import PopularityConfig, fit_popularity
from magnet.models.signals.ease import EASEConfig, prepare_ease
from magnet.states import DotState, ItemItemState
from oracles.evaluation import evaluate_by_hand
from support.evaluation_data import make_dataset

# User 3 has no training interaction, user 4 nothing held out, user 5 nothing at all.
PARTS = {
    "train": {0: {0, 1}, 1: {1, 2}, 2: {1, 3, 4}, 4: {2}},
    "valid": {0: {2}, 1: {0}, 3: {1, 5}},
    "test": {0: {3, 4}, 1: {6}, 2: {0}, 3: {2}},
}


def small():
    return make_dataset(**PARTS, n_users=6, n_items=7)


def random_state(n_users, n_items, seed=0):
    random = np.random.default_rng(seed)
    # Small whole numbers: exact in float32 whatever the order of the sum, and with many ties.
    users, items = (random.integers(-2, 3, size=(n, 3)).astype(np.float32) for n in (n_users, n_items))
    return DotState(users=torch.from_numpy(users), items=torch.from_numpy(items)), users @ items.T


@pytest.mark.parametrize("part", ["valid", "test"])
@pytest.mark.parametrize("protocol", ["strict", "mmrec"])
def test_equals_evaluation_by_hand(part, protocol):
    random = np.random.default_rng(1)
    for seed in range(5):
        n_users, n_items = 25, 12
        owner = random.choice(4, p=[0.4, 0.15, 0.15, 0.3], size=(n_users, n_items))
        owner[:3][owner[:3] == 0] = 3  # three users without a training interaction
        names = ("train", "valid", "test")
        parts = {
            name: {user: set(np.flatnonzero(owner[user] == number).tolist()) for user in range(n_users)}
            for number, name in enumerate(names)
        }
        state, scores = random_state(n_users, n_items, seed)
        dataset = make_dataset(**parts, n_users=n_users, n_items=n_items)
        found = evaluate(state, dataset, part, protocol=protocol, ks=(1, 3, 12))
        expected, popular = evaluate_by_hand(scores, parts, part, protocol, (1, 3, 12))

        assert found.metrics.keys() == found.per_user.keys() == expected.keys()
        for name, values in expected.items():
            assert found.users.tolist() == sorted(values)
            wanted = [values[user] for user in sorted(values)]
            np.testing.assert_allclose(found.per_user[name], wanted, rtol=1e-14)
            assert found.metrics[name] == pytest.approx(np.mean(wanted), rel=1e-14)
        assert (found.n_users, found.n_popular) == (len(wanted), len(popular))
        assert found.n_users + found.n_left_out == n_users
        assert (len(popular) > 0) == (protocol == "strict")


def test_who_counts_and_who_is_left_out():
    state, _ = random_state(6, 7)
    strict = evaluate(state, small(), "test", ks=(2,))
    assert strict.users.tolist() == [0, 1, 2, 3]
    assert strict.users.dtype == np.int32
    assert (strict.n_users, strict.n_left_out, strict.n_popular) == (4, 2, 1)
    mmrec = evaluate(state, small(), "test", protocol="mmrec", ks=(2,))
    assert mmrec.users.tolist() == [0, 1, 2]
    assert (mmrec.n_users, mmrec.n_left_out, mmrec.n_popular) == (3, 3, 0)


def test_strict_masks_validation_items_at_test_and_mmrec_does_not():
    # Everyone's best item is 2, which user 0 took for validation; the next is the test item 3.
    items = torch.tensor([[0.0], [0], [9], [8], [1], [0], [0]])
    state = DotState(users=torch.ones(6, 1), items=items)
    strict = evaluate(state, small(), "test", ks=(1,))
    mmrec = evaluate(state, small(), "test", protocol="mmrec", ks=(1,))
    assert strict.per_user["hit@1"][0] == 1
    assert mmrec.per_user["hit@1"][0] == 0
    assert evaluate(state, small(), "valid", ks=(1,)).per_user["hit@1"][0] == 1


def test_popularity_answers_who_has_no_history():
    # Training degrees are 1, 3, 2, 1, 1, 0, 0. The model would offer item 6 first, popularity items 1 and 2;
    # at test item 1 is masked, because user 3 took it for validation.
    items = torch.arange(7.0)[:, None]
    state = DotState(users=torch.ones(6, 1), items=items)
    valid = evaluate(state, small(), "valid", ks=(1, 2))
    assert valid.per_user["recall@1"][valid.users == 3] == 0.5
    assert valid.per_user["recall@2"][valid.users == 3] == 0.5
    test = evaluate(state, small(), "test", ks=(1,))
    assert test.per_user["hit@1"][test.users == 3] == 1


def test_a_user_who_has_seen_almost_everything_has_misses_at_the_end():
    dataset = make_dataset(train={0: {0, 1, 2}}, valid={0: {3}}, test={}, n_users=1, n_items=4)
    state = DotState(users=torch.ones(1, 1), items=torch.zeros(4, 1))
    found = evaluate(state, dataset, "valid", ks=(1, 4))
    assert found.metrics["hit@1"] == 1
    assert found.metrics["precision@4"] == 0.25


def test_json_is_the_document_of_the_command_line():
    state, _ = random_state(6, 7)
    found = evaluate(state, small(), "test", protocol="mmrec", ks=(2, 5))
    document = json.loads(json.dumps(found.to_json("popularity")))
    names = [f"{metric}@{k}" for metric in ("recall", "ndcg", "precision", "hit") for k in (2, 5)]
    assert list(document) == ["model", "part", "protocol", "n_users", "metrics"]
    assert {key: document[key] for key in list(document)[:4]} == {
        "model": "popularity",
        "part": "test",
        "protocol": "mmrec",
        "n_users": 3,
    }
    assert list(document["metrics"]) == names
    assert document["metrics"] == found.metrics  # not one digit lost


@pytest.mark.parametrize(
    ("part", "options", "message"),
    [
        ("tset", {}, "part 'tset' cannot be evaluated; did you mean 'test'?"),
        ("train", {}, "part 'train' cannot be evaluated"),
        ("test", {"protocol": "mrec"}, "protocol 'mrec' cannot be evaluated; did you mean 'mmrec'?"),
        ("test", {"ks": (0, 5)}, "at least 1, got"),
        ("test", {"ks": ()}, "at least 1, got"),
    ],
)
def test_refuses(part, options, message):
    state, _ = random_state(6, 7)
    with pytest.raises(DataError) as caught:
        evaluate(state, small(), part, **{"ks": (5,)} | options)
    assert message in str(caught.value)


def test_a_cut_off_beyond_the_catalogue_counts_the_ranks_that_there_are():
    state, _ = random_state(6, 7)
    found = evaluate(state, small(), "test", ks=(7, 50))
    assert found.metrics["recall@50"] == found.metrics["recall@7"]
    assert found.metrics["precision@50"] == pytest.approx(found.metrics["precision@7"] * 7 / 50)


def test_a_part_with_nobody_to_evaluate_is_refused():
    state, _ = random_state(2, 3)
    empty = make_dataset(train={0: {0}}, valid={}, test={0: {1}}, n_users=2, n_items=3)
    with pytest.raises(DataError, match="small: part 'valid' has no interactions"):
        evaluate(state, empty, "valid", ks=(1,))
    cold = make_dataset(train={0: {0}}, valid={1: {1}}, test={}, n_users=2, n_items=3)
    with pytest.raises(DataError, match="protocol 'strict' answers such users by popularity"):
        evaluate(state, cold, "valid", protocol="mmrec", ks=(1,))


@pytest.mark.parametrize(
    ("folder", "split", "regularization", "recall", "ndcg"),
    [
        ("lfm2k", "split", 100.0, 0.3955, 0.2711),
        ("tiktok", "split", 50.0, 0.0885, 0.0399),
        ("baby", "split_diffmm", 200.0, 0.0822, 0.0387),
        ("baby", "split_diffmm", None, 0.0463, 0.0194),
    ],
)
def test_reference_figures(real_data, folder, split, regularization, recall, ndcg):
    dataset = Dataset.from_folder(real_data / folder, split=split, modalities=[])
    if regularization is None:
        state = fit_popularity(dataset, PopularityConfig())
    else:
        state = ItemItemState(
            dataset.train, prepare_ease(dataset.train, {}, EASEConfig(regularization=regularization))
        )
    found = evaluate(state, dataset, "test", protocol="mmrec")
    assert found.metrics["recall@20"] == pytest.approx(recall, abs=2e-4)
    assert found.metrics["ndcg@20"] == pytest.approx(ndcg, abs=2e-4)
