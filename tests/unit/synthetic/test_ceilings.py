from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest
from scipy.special import log_softmax, logsumexp

from magnet.errors import DataError
from magnet.evaluate import evaluate
from magnet.synthetic.ceilings import best_cue, ceiling_recall, ceiling_recovery, ceiling_state
from magnet.synthetic.evidence import choice_log_likelihood, hidden_taste_evidence
from magnet.synthetic.generator import GROUPS, generate
from magnet.synthetic.probe import coherence, linear_probe_recovery
from magnet.synthetic.recovery import chance


@pytest.mark.parametrize("scale", [0.1, 1.0, 5.0, 12.0])
def test_likelihood_is_the_sum_over_all_orders(scale):
    utilities = np.random.default_rng(0).normal(size=9) * scale
    weights = np.exp(utilities)
    for chosen in ([3], [0, 8], [5, 1, 4], [2, 6, 7, 0, 1], [8, 7, 6, 5, 4, 3, 2, 1]):
        total = 0.0
        for order in itertools.permutations(chosen):
            left, probability = weights.sum(), 1.0
            for item in order:
                probability *= weights[item] / left
                left -= weights[item]
            total += probability
        assert np.isclose(
            choice_log_likelihood(utilities, np.array(chosen)), np.log(total), rtol=1e-6, atol=1e-6
        )


def test_best_cue_weighs_the_pair_into_both():
    posterior = np.array([[0.40, 0.20, 0.15, 0.25], [0.50, 0.20, 0.20, 0.10], [0.1, 0.1, 0.5, 0.3]])
    assert best_cue(np.log(posterior)).tolist() == [1, 0, 2]


def test_ceiling_of_recall_by_hand(tiny):
    data, truth = tiny.dataset, tiny.truth
    for part, protocol, seen in (
        ("test", "strict", data.train_valid),
        ("test", "mmrec", data.train),
        ("valid", "strict", data.train),
    ):
        recalls = []
        for user in range(data.n_users):
            wanted = set(np.flatnonzero(data.part(part).toarray()[user]))
            masked = set(np.flatnonzero(seen.toarray()[user]))
            utilities = truth.utilities([user])[0]
            best = [i for i in sorted(range(160), key=lambda i: (-utilities[i], i)) if i not in masked][:10]
            if wanted:
                recalls.append(len(wanted & set(best)) / len(wanted))
        assert np.isclose(ceiling_recall(tiny, part, k=10, protocol=protocol), np.mean(recalls))


@pytest.mark.parametrize("protocol", ["strict", "mmrec"])
def test_the_ceiling_is_that_of_ranking_by_true_utility(tiny, protocol):
    found = evaluate(ceiling_state(tiny.truth), tiny.dataset, "test", protocol=protocol)
    expected = ceiling_recall(tiny, "test", protocol=protocol)
    assert found.metrics["recall@20"] == pytest.approx(expected, abs=1e-12)


def test_ceiling_of_recall_has_room_above_popularity():
    made = generate("demo", seed=3)
    assert 0.6 < ceiling_recall(made) < 0.9


def test_k_must_fit(tiny):
    for k in (0, 161):
        with pytest.raises(DataError, match=f"number of items, 160, got {k}"):
            ceiling_recall(tiny, k=k)


def test_ceilings_of_recovery_are_ordered(tiny):
    hidden, known = ceiling_recovery(tiny), ceiling_recovery(tiny, tastes="known")
    probe = linear_probe_recovery(tiny)
    assert chance(tiny.truth.groups) + 0.1 < probe.share <= hidden.share < known.share
    assert known.share > 0.98
    assert 0.92 < hidden.share < 0.99
    assert set(hidden.by_group) == set(GROUPS)


def test_hidden_taste_evidence_agrees_with_monte_carlo(tiny):
    """Laplace against the plain average over many tastes drawn from the prior."""
    truth, train = tiny.truth, tiny.dataset.train
    users = np.flatnonzero(np.diff(train.indptr) == 3)[:3]
    evidence = hidden_taste_evidence(truth, train)[users]
    tastes = np.random.default_rng(0).standard_normal((20_000, 8)) / np.sqrt(8)
    for group in (0, 1, 2):
        utilities = truth.kappa * tastes @ truth.latents[group].T + truth.popularity
        log_shares = log_softmax(utilities, axis=1)
        for place, user in enumerate(users):
            items = train.indices[train.indptr[user] : train.indptr[user + 1]]
            likelihoods = log_shares[:, items].sum(axis=1)
            average = logsumexp(likelihoods) - np.log(likelihoods.size)
            # The evidence leaves out the popularity of the chosen items, which is the same for every group.
            assert abs(evidence[place, group] + truth.popularity[items].sum() - average) < 0.5


def test_coherence_is_the_mean_over_pairs(tiny):
    data = tiny.dataset
    image = data.modalities["image"]
    units = image.features / np.maximum(np.linalg.norm(image.features, axis=1, keepdims=True), 1e-30)
    degrees = data.train.sum(axis=0) * image.present
    draws = degrees / degrees.sum()
    expected = draws @ (units @ units.T) @ draws
    found = coherence(data)
    assert found.shape == (240, 3)
    for user in (0, 17, 239):
        items = [i for i in np.flatnonzero(data.train.toarray()[user]) if image.present[i]]
        cosines = [units[i] @ units[j] for i, j in itertools.combinations(items, 2)]
        assert np.isclose(found[user, 1], np.mean(cosines) - expected if cosines else 0.0, atol=1e-6)


def test_the_probe_is_deterministic_and_falls_to_chance_without_a_signal(tiny):
    assert linear_probe_recovery(tiny).to_json() == linear_probe_recovery(tiny).to_json()
    shuffled = np.random.default_rng(0).permutation(tiny.truth.groups)
    blind = replace(tiny, truth=replace(tiny.truth, groups=shuffled))
    assert abs(linear_probe_recovery(blind).share - chance(tiny.truth.groups)) < 0.1
    with pytest.raises(DataError, match="folds must lie between 2 and the number of users, 240, got 1"):
        linear_probe_recovery(tiny, folds=1)
