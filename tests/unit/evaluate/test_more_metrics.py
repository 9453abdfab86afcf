"""Every metric against counting by hand, and the usual ones against trec_eval."""

from __future__ import annotations

import dataclasses
import math
import sys

import numpy as np
import pytest
import pytrec_eval
import torch
from scipy.sparse import csr_array

import magnet
from magnet.data.records import Modality
from magnet.errors import ConfigError, DataError
from magnet.evaluate import METRICS, aggregate, evaluate
from magnet.evaluate.groups import popularity_bands
from magnet.evaluate.metrics import ranking_metrics
from magnet.evaluate.places import places
from magnet.evaluate.rank import rank, score
from magnet.states import DotState, ItemItemState, popularity_state
from oracles.evaluation import auc_by_pairs, beyond_by_hand, more_metrics_of_user
from support.evaluation_data import make_dataset

N_USERS, N_ITEMS = 30, 25
KS = (1, 3, 10)


def drawn(seed=0):
    """Parts in which some users have no history and others hardly anything left, as sets by user."""
    random = np.random.default_rng(seed)
    owner = random.choice(4, p=[0.35, 0.1, 0.15, 0.4], size=(N_USERS, N_ITEMS))
    owner[:3][owner[:3] == 0] = 3
    owner[:, 20:][owner[:, 20:] == 0] = 3  # cold items
    owner[3:, :4][owner[3:, :4] == 3] = 0  # and popular ones
    owner[3] = 1
    owner[3, :3], owner[3, 4], owner[3, 9] = 0, 2, 2  # all was seen: no pair of a relevant and another item
    return {
        name: {user: set(np.flatnonzero(owner[user] == number).tolist()) for user in range(N_USERS)}
        for number, name in enumerate(("train", "valid", "test"))
    }


@pytest.fixture(scope="module")
def parts():
    return drawn()


@pytest.fixture(scope="module")
def data(parts):
    random = np.random.default_rng(5)
    d = make_dataset(**parts, n_users=N_USERS, n_items=N_ITEMS)
    modalities = {}
    for name, width, lacking in (("image", 7, 6), ("text", 4, 20)):
        rows = random.standard_normal((N_ITEMS, width)).astype(np.float32)
        present = np.ones(N_ITEMS, bool)
        present[random.choice(N_ITEMS, lacking, replace=False)] = False
        rows[~present] = 0
        modalities[name] = Modality(name, rows, present)
    return dataclasses.replace(d, modalities=modalities)


@pytest.fixture(scope="module")
def state():
    random = np.random.default_rng(3)
    # Small whole numbers: exact in float32 whatever the order of the sum, and with many ties.
    users, items = (random.integers(-2, 3, size=(n, 3)).astype(np.float32) for n in (N_USERS, N_ITEMS))
    items[7] = np.nan
    return DotState(torch.from_numpy(users), torch.from_numpy(items))


def by_hand(state, data, parts, part="test"):
    """Full rankings under ``strict``: those items that can be ranked in order, and all unseen ones, by user."""
    degree = np.bincount(data.train.indices, minlength=N_ITEMS)
    orders = {}
    for user in range(N_USERS):
        if not parts[part][user]:
            continue
        seen = parts["train"][user] | (parts["valid"][user] if part == "test" else set())
        scores = state.users[user].numpy() @ state.items.numpy().T if parts["train"][user] else degree
        unseen = set(range(N_ITEMS)) - seen
        ranked = [item for item in unseen if not math.isnan(scores[item])]
        orders[user] = (sorted(ranked, key=lambda item: (-scores[item], item)), unseen)
    return orders


def test_the_usual_ones_are_those_of_trec_eval(data, state, parts):
    """An independent implementation: the C code of trec_eval."""
    found = evaluate(state, data, "test", ks=KS, metrics=["recall", "ndcg", "precision", "hit", "map", "mrr"])
    orders = by_hand(state, data, parts)
    qrels = {f"u{user}": {f"i{item}": 1 for item in parts["test"][user]} for user in orders}
    run = {f"u{u}": {f"i{i}": float(-p) for p, i in enumerate(ranked)} for u, (ranked, _) in orders.items()}
    cuts = ",".join(map(str, KS))
    theirs = {"recall": "recall", "ndcg": "ndcg_cut", "precision": "P", "hit": "success", "map": "map_cut"}
    judge = pytrec_eval.RelevanceEvaluator(qrels, {f"{name}.{cuts}" for name in theirs.values()})
    values = judge.evaluate(run)
    n = np.array([len(parts["test"][user]) for user in found.users])
    for k in KS:
        for ours, name in theirs.items():
            expected = np.array([values[f"u{user}"][f"{name}_{k}"] for user in found.users])
            if ours == "map":  # trec_eval divides by all relevant items, also where k places cannot hold them
                expected = expected * n / np.minimum(k, n)
            np.testing.assert_allclose(found.per_user[f"{ours}@{k}"], expected, rtol=1e-12)
        # trec_eval cuts no reciprocal rank, but the run.
        cut = {user: dict(sorted(items.items(), key=lambda one: -one[1])[:k]) for user, items in run.items()}
        first = pytrec_eval.RelevanceEvaluator(qrels, {"recip_rank"}).evaluate(cut)
        expected = [first[f"u{user}"]["recip_rank"] for user in found.users]
        np.testing.assert_allclose(found.per_user[f"mrr@{k}"], expected, rtol=1e-12)
        assert found.metrics[f"mrr@{k}"] == pytest.approx(np.mean(expected), rel=1e-12)


def test_map_and_mrr_by_their_definitions(data, state, parts):
    found = evaluate(state, data, "valid", ks=KS, metrics=["map", "mrr"])
    orders = by_hand(state, data, parts, "valid")
    for k in KS:
        for row, user in enumerate(found.users):
            for name, value in more_metrics_of_user(orders[user][0], parts["valid"][user], k).items():
                assert found.per_user[name][row] == pytest.approx(value, rel=1e-14)
    # Three relevant items, two places, both hit: nothing better could be done.
    perfect = ranking_metrics(np.array([[2, 0]]), csr_array(np.array([[1, 1, 1, 0]])), [1, 2], ["map"])
    assert [float(values[0]) for values in perfect.values()] == [1.0, 1.0]


def test_auc_counts_pairs_of_the_full_ranking_once_for_all_cut_offs(data, state, parts, monkeypatch):
    found = evaluate(state, data, "test", ks=KS, metrics=["auc", "recall"])
    assert list(found.metrics) == ["auc", "recall@1", "recall@3", "recall@10"]
    orders = by_hand(state, data, parts)
    expected = [auc_by_pairs(orders[user], parts["test"][user]) for user in found.users]
    np.testing.assert_allclose(found.per_user["auc"], expected, rtol=1e-14)
    assert np.isnan(found.per_user["auc"]).sum() == 1
    assert found.metrics["auc"] == pytest.approx(np.nanmean(expected))
    assert "  uncut: auc 0." in repr(found)
    # A state whose rows of scores are asked for, in other blocks.
    dense = ItemItemState(
        csr_array(np.eye(N_USERS, N_ITEMS, dtype=np.float32)),
        np.random.default_rng(0).integers(-2, 3, (N_ITEMS, N_ITEMS)).astype(np.float32),
    )
    users = np.arange(N_USERS, dtype=np.int32)
    whole = rank(dense, users, data.train, N_ITEMS).items
    wanted = csr_array(data.test + data.valid)
    where = [np.flatnonzero(whole[row] == item)[0] for row, item in zip(*wanted.nonzero(), strict=True)]
    assert places(dense, users, data.train, wanted).tolist() == where
    monkeypatch.setattr(sys.modules["magnet.evaluate.places"], "_BLOCK", 3 * N_ITEMS)
    assert places(dense, users, data.train, wanted).tolist() == where
    again = evaluate(state, data, "test", ks=1, metrics="auc")
    np.testing.assert_array_equal(again.per_user["auc"], found.per_user["auc"])


@pytest.mark.parametrize("scale", [1.0, 1e-30, 3e18])
@pytest.mark.parametrize("odd", [None, np.nan, np.inf])
def test_places_are_those_of_the_full_ranking_to_the_bit(scale, odd):
    """Also where scores are equal, nearly equal, overflow, vanish or are no numbers."""
    random = np.random.default_rng(2)
    # So wide that products of matrices sum in another order than the ranking does.
    users, items = (random.standard_normal((n, 1500)).astype(np.float32) for n in (60, 80))
    items[20:40] = items[:20]  # equal
    items[40:60] = np.nextafter(items[:20], np.float32(9))  # nearly
    items[60:64, 1:] = 0
    users[:3] = 0
    # At the largest scale item 70 passes the end of float32 on the way and comes back: infinite in one order only.
    users[10] = items[70] = items[71] = 0
    users[10, [0, 1000, 1001]] = 1
    items[70, [0, 1000, 1001]] = 30, 10, -10
    items[71, 0] = 35
    with np.errstate(over="ignore"):
        users, items = users * np.float32(scale), items * np.float32(scale)
    if odd is not None:
        items[5, 3] = users[7, 0] = odd
    dots = DotState(torch.from_numpy(users), torch.from_numpy(items))
    taken = random.random((60, 80))
    taken[10, 70], taken[10, 71] = 0.5, 1.0
    seen, wanted = (csr_array((m).astype(np.float32)) for m in (taken < 0.2, taken > 0.9))
    assert odd is not None or scale != 3e18 or score(dots, [10, 10], [70, 71]).max() == np.inf
    everyone = np.arange(60, dtype=np.int32)
    full = rank(dots, everyone, seen, 80).items
    where = [list(full[u]).index(i) if i in full[u] else -1 for u, i in zip(*wanted.nonzero(), strict=True)]
    assert places(dots, everyone, seen, wanted).tolist() == where


def test_an_item_that_cannot_be_ranked_loses_every_pair():
    one = make_dataset(train={0: {0}}, valid={}, test={0: {1, 2}}, n_users=1, n_items=5)
    state = DotState(torch.ones(1, 1), torch.tensor([[0.0], [-torch.inf], [2.0], [1.0], [torch.nan]]))
    assert evaluate(state, one, "test", ks=1, metrics="auc").metrics == {"auc": 0.5}


@pytest.mark.parametrize("part", ["valid", "test"])
def test_what_lists_are_like_by_hand(data, state, parts, part):
    names = ["novelty", "tail", "diversity", "calibration", "coverage", "gini"]
    found = evaluate(state, data, part, ks=KS, metrics=names)
    orders = by_hand(state, data, parts, part)
    content = {name: modality.features.tolist() for name, modality in data.modalities.items()}
    lists = {int(user): orders[user][0] for user in found.users}
    for k in KS:
        expected = beyond_by_hand(lists, parts["train"], N_USERS, N_ITEMS, content, k)
        for name in names[:4]:
            values = np.array(expected[name])
            np.testing.assert_allclose(found.per_user[f"{name}@{k}"], values, rtol=1e-5, atol=1e-6)
            if not np.isnan(values).all():
                assert found.metrics[f"{name}@{k}"] == pytest.approx(np.nanmean(values), rel=1e-5)
        for name in names[4:]:
            assert found.metrics[f"{name}@{k}"] == pytest.approx(expected[name], rel=1e-12)
            assert f"{name}@{k}" not in found.per_user
    assert list(found.metrics) == [f"{name}@{k}" for name in names for k in KS]
    assert np.isnan(found.per_user["diversity@1"]).all()
    assert math.isnan(found.metrics["diversity@1"])
    assert np.isnan(found.per_user["calibration@10"]).sum() == 3  # users without history


def test_the_ends_of_the_scales():
    whole = Modality("looks", np.repeat([[3.0, 4.0]], 8, 0).astype(np.float32), np.ones(8, bool))
    d = make_dataset(
        train={u: {0, 1} if u < 2 else {u} for u in range(4)},
        valid={u: {7} for u in range(4)},
        test={},
        n_users=4,
        n_items=8,
    )
    d = dataclasses.replace(d, modalities={"looks": whole})
    popular = evaluate(popularity_state(np.arange(8), 4), d, "valid", ks=2, metrics=list(METRICS.own))
    assert popular.metrics["coverage@2"] == 0.25
    assert popular.metrics["gini@2"] == pytest.approx(0.75)  # two of eight items have it all
    assert popular.metrics["diversity@2"] == pytest.approx(0, abs=1e-6)
    assert popular.metrics["novelty@2"] == 2.0  # nobody took 6 or 7: as if one of four users had
    assert popular.metrics["tail@2"] == 1.0
    assert popular.metrics["auc"] == 1.0


def test_bands_hold_a_fifth_three_fifths_and_a_fifth_of_what_was_taken():
    assert popularity_bands(np.array([1, 10, 5, 1, 3, 0])).tolist() == [2, 0, 1, 2, 1, 2]
    assert popularity_bands(np.array([2, 2, 2, 2, 2])).tolist() == [0, 1, 1, 1, 2]
    assert popularity_bands(np.array([7])).tolist() == [0]


def test_a_metric_of_all_lists_of_ones_own(data, state):
    @aggregate
    def distinct(r, k):
        return len(np.unique(r.items[:, :k]))

    found = evaluate(state, data, "test", ks=[2, 1], metrics=[distinct, "hit"])
    assert list(found.metrics) == ["distinct@2", "distinct@1", "hit@2", "hit@1"]
    assert list(found.per_user) == ["hit@2", "hit@1"]
    assert found.metrics["distinct@1"] <= found.metrics["distinct@2"]
    with pytest.raises(
        DataError, match=r"'wrong' is of all lists together and must return one number; got int64"
    ):
        evaluate(state, data, "test", ks=2, metrics=magnet.evaluate.aggregate(wrong))
    with pytest.raises(ConfigError, match="'coverage@1': of all lists together"):
        ranking_metrics(np.array([[0]]), csr_array(np.eye(1, 2)), [1], ["coverage"])


def wrong(r, k):
    return r.items[:, 0].astype(np.int64)


@pytest.mark.parametrize("name", ["novelty", "auc", "calibration"])
def test_rankings_alone_lack_what_some_metrics_read(name):
    with pytest.raises(DataError, match="these rankings came without"):
        ranking_metrics(np.array([[0]]), csr_array(np.eye(1, 2)), [1], [name])


def test_diversity_needs_content_and_names_are_helped(state):
    bare = make_dataset(**drawn(), n_users=N_USERS, n_items=N_ITEMS)
    with pytest.raises(DataError, match="the data have no modality"):
        evaluate(state, bare, "test", ks=2, metrics="diversity")
    with pytest.raises(ConfigError, match="no metric 'coverag'; did you mean 'coverage'"):
        evaluate(state, bare, "test", metrics=["recall", "coverag"])
    with pytest.raises(ConfigError, match="expected metrics, names or functions, got None"):
        evaluate(state, bare, "test", metrics=None)
    with pytest.raises(ConfigError, match=r"a metric is a name or a function .* got 5"):
        evaluate(state, bare, "test", metrics=["recall", 5])


def test_all_of_magnets_own_metrics_are_found_by_name():
    own = "recall ndcg precision hit map mrr auc novelty diversity tail calibration coverage gini"
    assert METRICS.own == tuple(own.split())
    assert all(callable(METRICS.find(name)) for name in METRICS.own)
    with pytest.raises(ConfigError, match="'gini' is Magnet's own"):
        magnet.register_metric(wrong, name="gini")
