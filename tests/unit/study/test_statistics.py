"""Statistics of differences, against scipy, definitions and simulation."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from magnet.errors import DataError
from magnet.seeds import numpy_generator
from magnet.study import statistics
from magnet.study.statistics import (
    holm,
    mean_and_deviation,
    paired_differences,
    resampled_means,
    seeds_test,
    smallest_effect,
)
from oracles import statistics as oracle


@pytest.fixture(scope="module")
def values():
    """Recall-like values of 300 users under two models: many zeros, and a small gain."""
    random = np.random.default_rng(5)
    base = random.choice([0, 0, 0, 0.5, 1.0], 300)
    gain = np.where(random.random(300) < 0.12, random.choice([-0.5, 0.5, 1.0], 300), 0.0)
    return np.clip(base + gain, 0, 1), base


def test_resamples_are_the_means_of_drawn_users(values):
    one, other = values
    ours = resampled_means(np.column_stack([one, other]), draws=430, seed=3)
    slow = oracle.bootstrap(one, other, draws=430, random=numpy_generator(3, "bootstrap"))
    np.testing.assert_allclose(ours, slow, atol=1e-12)


def test_a_difference_is_what_the_definitions_say(values):
    one, other = values
    (found,) = paired_differences(np.column_stack([one, other]), [(0, 1)], draws=999, seed=1)
    means = oracle.bootstrap(one, other, draws=999, random=numpy_generator(1, "bootstrap"))
    drawn = means[:, 0] - means[:, 1]
    gain = one.mean() - other.mean()
    assert found.n_users == 300
    assert found.mean == pytest.approx(gain, abs=1e-12)
    assert found.base == pytest.approx(other.mean(), abs=1e-12)
    assert (found.low, found.high) == pytest.approx(tuple(np.quantile(drawn, [0.025, 0.975])), abs=1e-12)
    assert found.relative == pytest.approx(gain / other.mean(), abs=1e-12)
    ratio = np.quantile(drawn / means[:, 1], [0.025, 0.975])
    assert (found.relative_low, found.relative_high) == pytest.approx(tuple(ratio), abs=1e-12)
    assert found.p == (1 + np.count_nonzero(np.abs(drawn - gain) >= abs(gain) - 1e-12)) / 1000


def test_intervals_and_p_values_are_those_of_scipy(values):
    one, other = values
    (found,) = paired_differences(np.column_stack([one, other]), [(0, 1)])
    theirs = stats.bootstrap(
        (one - other,), np.mean, n_resamples=10_000, method="percentile", rng=np.random.default_rng(0)
    ).confidence_interval
    # Two streams of 10,000 draws: an end of the interval has a standard error near .0003 here.
    width = theirs.high - theirs.low
    assert found.low == pytest.approx(theirs.low, abs=0.05 * width)
    assert found.high == pytest.approx(theirs.high, abs=0.05 * width)
    assert found.p == pytest.approx(stats.ttest_rel(one, other).pvalue, rel=0.5, abs=0.01)


def test_intervals_cover_the_truth_as_often_as_they_say():
    random = np.random.default_rng(2)
    covered = rejected = 0
    for _ in range(300):
        base = random.random(60)
        table = np.column_stack([base + random.normal(0.0, 0.2, 60), base])
        (found,) = paired_differences(table, [(0, 1)], draws=400, seed=int(random.integers(1 << 30)))
        covered += found.low <= 0.0 <= found.high
        rejected += found.p <= 0.05
    # 285 of 300 expected, with a standard deviation of 3.8; the percentile interval of 60 users is a little short.
    assert 270 <= covered <= 297
    assert 3 <= rejected <= 30


def test_models_that_are_equal_differ_by_nothing(values):
    one, _ = values
    (found,) = paired_differences(np.column_stack([one, one]), [(0, 1)], draws=200)
    assert (found.mean, found.low, found.high, found.p, found.detectable) == (0.0, 0.0, 0.0, 1.0, 0.0)


def test_models_are_compared_on_the_same_draws(values):
    one, other = values
    alone = paired_differences(np.column_stack([one, other]), [(0, 1)], draws=300)
    table = np.column_stack([other, 1 - one, one])
    together = paired_differences(table, [(1, 0), (2, 0), (0, 2)], draws=300)
    # The order of sums within a matrix product may change a last digit.
    assert together[1].low == pytest.approx(alone[0].low, abs=1e-12)
    assert together[1].p == alone[0].p
    assert together[2].low == pytest.approx(-alone[0].high, abs=1e-12)
    assert paired_differences(table, []) == []


def test_a_base_of_zero_has_no_relative_difference():
    (found,) = paired_differences(np.array([[1.0, 0.0], [0.0, 0.0]]), [(0, 1)], draws=50)
    assert found.mean == 0.5
    assert math.isnan(found.relative)
    assert math.isnan(found.relative_low)


def test_what_cannot_be_resampled_is_refused():
    with pytest.raises(DataError, match="finite values of at least one user"):
        resampled_means(np.empty((0, 1)))
    with pytest.raises(DataError, match="finite values"):
        paired_differences(np.array([[math.nan, 0.0]]), [(0, 1)])


@pytest.mark.parametrize("size", [1, 2, 5, 8])
def test_holm_is_closed_testing(size):
    random = np.random.default_rng(size)
    for scale in (1.0, 0.1, 0.01):
        p_values = (scale * random.random(size)).round(3).tolist()
        assert holm(p_values) == pytest.approx(oracle.holm(p_values), abs=1e-15)
    assert holm([]) == []
    assert holm([0.02, 0.02, 0.02]) == pytest.approx([0.06, 0.06, 0.06])


def test_the_smallest_effect_is_found_four_times_out_of_five():
    random = np.random.default_rng(7)
    sample = random.normal(0.0, 0.3, 400)
    effect = smallest_effect(sample)
    found = sum(
        stats.ttest_1samp(random.normal(effect, sample.std(ddof=1), 400), 0).pvalue <= 0.05
        for _ in range(2000)
    )
    # Its standard deviation is .009.
    assert 0.77 <= found / 2000 <= 0.83
    assert math.isnan(smallest_effect([0.3]))


def test_the_test_over_seeds_is_students():
    one, other = [0.11, 0.12, 0.10, 0.13], [0.10, 0.115, 0.102, 0.118]
    d = np.subtract(one, other)
    t = d.mean() / (d.std(ddof=1) / 2)
    assert seeds_test(one, other) == pytest.approx(2 * stats.t.sf(abs(t), 3), rel=1e-9)
    assert seeds_test([0.1], [0.2]) is None
    # Seeds that change neither model say nothing of other seeds.
    assert seeds_test([0.1, 0.1], [0.2, 0.2]) is None
    # A closed form stands against each seed of the other.
    assert seeds_test([0.1, 0.2, 0.15], [0.1] * 3) == pytest.approx(
        stats.ttest_1samp([0.1, 0.2, 0.15], 0.1).pvalue
    )
    with pytest.raises(DataError, match="the same seeds of both models, got 1 and 2"):
        seeds_test([0.1], [0.1, 0.2])


def test_mean_and_deviation_over_seeds():
    assert mean_and_deviation([0.1, 0.3, 0.2]) == pytest.approx((0.2, 0.1))
    assert mean_and_deviation([0.4]) == (0.4, None)


def test_the_constants_are_those_of_the_protocol():
    assert (statistics.DRAWS, statistics.LEVEL, statistics.POWER) == (10_000, 0.95, 0.8)
