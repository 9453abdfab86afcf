from __future__ import annotations

import numpy as np
import pytest

from magnet.errors import DataError
from magnet.synthetic.generator import CUES, GROUPS, generate


@pytest.fixture(scope="module")
def demo():
    return generate("demo", seed=1)


def test_equal_seeds_give_equal_data(tiny):
    again, other = generate("tiny", seed=0), generate("tiny", seed=1)
    assert again.dataset.content_hash == tiny.dataset.content_hash
    assert (again.truth.groups == tiny.truth.groups).all()
    assert other.dataset.content_hash != tiny.dataset.content_hash


def test_sizes(tiny, demo):
    assert (tiny.dataset.n_users, tiny.dataset.n_items) == (240, 160)
    assert (demo.dataset.n_users, demo.dataset.n_items) == (3000, 1500)
    assert {name: modality.width for name, modality in demo.dataset.modalities.items()} == {
        "image": 64,
        "text": 96,
    }


def test_a_tenth_of_the_rows_is_missing_in_each_modality(demo):
    image, text = demo.dataset.modalities.values()
    assert image.n_missing == text.n_missing == 150
    both = np.count_nonzero(~image.present & ~text.present)
    assert 3 < both < 30  # 15 expected: independent of each other
    assert (image.features[~image.present] == 0).all()


def test_histories_follow_a_power_law(demo):
    counts = np.bincount(demo.dataset.users)
    assert counts.min() == 4
    assert counts.max() <= 60
    lengths = np.arange(4, 61)
    shares = lengths**-2.0 / (lengths**-2.0).sum()
    for low, high in ((4, 4), (5, 9), (10, 19), (20, 60)):
        expected = shares[(lengths >= low) & (lengths <= high)].sum()
        found = ((counts >= low) & (counts <= high)).mean()
        assert abs(found - expected) < 5 * np.sqrt(expected * (1 - expected) / counts.size)


def test_groups_are_of_one_size(demo):
    assert list(GROUPS) == ["behaviour", "image", "text", "image+text"]
    assert np.bincount(demo.truth.groups).tolist() == [750] * 4


def test_latents_are_standardised_and_independent_between_cues(demo):
    latents = demo.truth.latents  # (3, I, 8)
    assert latents.shape == (3, 1500, 8)
    assert np.allclose(latents.mean(axis=1), 0, atol=1e-12)
    assert np.allclose(latents.std(axis=1), 1)
    for first, second in ((0, 1), (0, 2), (1, 2)):
        assert np.abs(latents[first].T @ latents[second] / 1500).max() < 5 / np.sqrt(1500)


@pytest.mark.parametrize(("difficulty", "ratio"), [("easy", 4.0), ("standard", 1.0), ("hard", 0.25)])
def test_features_have_the_stated_signal_to_noise_ratio(difficulty, ratio):
    made = generate("demo", seed=2, difficulty=difficulty)
    for name, modality in made.dataset.modalities.items():
        latents = made.truth.latents[CUES.index(name)][modality.present]
        features = modality.features[modality.present].astype(np.float64)
        weights, residual, _, _ = np.linalg.lstsq(latents, features, rcond=None)
        signal = (latents @ weights).var(axis=0).mean()
        noise = residual.sum() / (features.shape[0] - latents.shape[1]) / features.shape[1]
        assert abs(signal / noise / ratio - 1) < 0.08


def test_features_show_nothing_of_behaviour_or_of_each_other(demo):
    for name, modality in demo.dataset.modalities.items():
        features = modality.features[modality.present].astype(np.float64)
        features = np.concatenate([features, np.ones((features.shape[0], 1))], axis=1)
        for cue, other in enumerate(CUES):
            latents = demo.truth.latents[cue][modality.present]
            residual = latents - features @ np.linalg.lstsq(features, latents, rcond=None)[0]
            explained = 1 - residual.var() / latents.var()
            width = features.shape[1] / features.shape[0]  # what regression on noise explains
            assert (explained > 0.7) if other == name else abs(explained - width) < 0.05


def test_utilities_are_the_stated_formula(tiny):
    truth = tiny.truth
    for group, cues in enumerate(GROUPS.values()):
        user = int(np.flatnonzero(truth.groups == group)[0])
        taste = sum(truth.latents[cue] @ truth.tastes[user, cue] for cue in cues) / np.sqrt(len(cues))
        expected = truth.kappa * taste + truth.popularity
        assert np.allclose(truth.utilities([user])[0], expected)
        assert np.allclose(truth.utilities([user], group)[0], expected)
        other = (group + 1) % len(GROUPS)
        assert not np.allclose(truth.utilities([user], other)[0], expected)
    assert np.isclose(truth.popularity.max(), 0)
    assert np.allclose(np.sort(truth.popularity)[::-1], -np.log(np.arange(1, 161)))


def test_choices_follow_the_softmax_of_true_utility(demo):
    """The share of users whose choices include an item, binned by its probability of being drawn first."""
    data, truth = demo.dataset, demo.truth
    users = np.flatnonzero(np.bincount(data.users) == 4)
    utilities = truth.utilities(users)
    log_shares = utilities - np.logaddexp.reduce(utilities, axis=1)[:, None]
    # Sampling without replacement, simulated with noise of its own.
    noisy = utilities + np.random.default_rng(5).gumbel(size=utilities.shape)
    drawn = np.argsort(-noisy, axis=1)[:, :4]
    simulated = np.take_along_axis(log_shares, drawn, axis=1).mean()
    row = {user: place for place, user in enumerate(users)}
    actual = np.mean([log_shares[row[u], i] for u, i in zip(data.users, data.items, strict=True) if u in row])
    assert abs(actual - simulated) < 0.1  # standard error about 0.02; random items are at about -20
    assert log_shares.mean() < simulated - 3


def test_split_follows_the_rule_and_pairs_are_unique(demo):
    data = demo.dataset
    assert len(set(zip(data.users.tolist(), data.items.tolist(), strict=True))) == data.users.size
    counts = np.bincount(data.users)
    expected = np.where(counts < 10, 1, counts // 5 - counts // 10)
    assert (np.diff(data.test.indptr) == expected).all()


def test_ids_tell_nothing(demo):
    assert demo.dataset.user_ids[:2] == ["u0000", "u0001"]
    half = demo.truth.groups[:1500]
    assert np.bincount(half).min() > 300  # groups do not follow the order of users


def test_unknown_names():
    with pytest.raises(DataError, match="size 'tyni'; did you mean 'tiny'"):
        generate("tyni")
    with pytest.raises(DataError, match="difficulty 'esay'; did you mean 'easy'"):
        generate("tiny", difficulty="esay")
