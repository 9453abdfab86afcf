"""What differences between models are worth: intervals over users, Holm, the smallest visible effect, seeds."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import stats

from magnet.errors import DataError
from magnet.seeds import numpy_generator

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray

__all__ = [
    "DRAWS",
    "LEVEL",
    "POWER",
    "Difference",
    "holm",
    "mean_and_deviation",
    "paired_differences",
    "resampled_means",
    "seeds_test",
    "smallest_effect",
]

DRAWS = 10_000
"""Resamples of the users."""

LEVEL = 0.95
"""Of the intervals; tests are made at one minus it."""

POWER = 0.8
"""Chance with which the smallest visible effect would be found."""

_BLOCK = 200  # resamples at once: 200 counts for each user lie in memory


@dataclass(frozen=True)
class Difference:
    """The mean over users of one model's values minus another's.

    Attributes:
        n_users: Users it is a mean over.
        mean: In units of the metric.
        low: End of its interval at :data:`LEVEL`.
        high: The other end.
        base: The mean of the other model.
        relative: ``mean / base``; NaN where ``base`` is 0.
        relative_low: End of its interval.
        relative_high: The other end.
        p: Chance of a difference at least as far from zero if there were none, over users; at least
            ``1 / (DRAWS + 1)``.
        detectable: The smallest true difference that would be found with a chance of :data:`POWER`.
    """

    n_users: int
    mean: float
    low: float
    high: float
    base: float
    relative: float
    relative_low: float
    relative_high: float
    p: float
    detectable: float


def mean_and_deviation(values: Sequence[float]) -> tuple[float, float | None]:
    """Mean over seeds, and the standard deviation with n - 1; None of a single value.

    Example:
        >>> mean_and_deviation([1.0, 3.0]), mean_and_deviation([2.0])
        ((2.0, 1.4142135623730951), (2.0, None))
    """
    found = np.asarray(values, dtype=np.float64)
    return float(found.mean()), float(found.std(ddof=1)) if len(found) > 1 else None


def resampled_means(values: ArrayLike, *, draws: int = DRAWS, seed: int = 0) -> NDArray[np.float64]:
    """Means over users drawn with replacement, as many as there are, again and again.

    Every column sees the same draws: that is what pairs them.

    Args:
        values: One row for each user, ``(n, m)``, no NaN.
        draws: Resamples.
        seed: Of the draws.

    Returns:
        ``(draws, m)``, float64.

    Raises:
        DataError: If there is no user, or a value is NaN.
    """
    table = np.asarray(values, dtype=np.float64)
    n = len(table)
    if table.ndim != 2 or not n or not np.isfinite(table).all():
        raise DataError(
            f"a bootstrap takes finite values of at least one user, (n, m); got shape {table.shape}"
        )
    random = numpy_generator(seed, "bootstrap")
    out = np.empty((draws, table.shape[1]))
    for start in range(0, draws, _BLOCK):
        stop = min(start + _BLOCK, draws)
        chosen = random.integers(n, size=(stop - start, n))
        chosen += np.arange(stop - start)[:, None] * n  # each resample counts in a row of its own
        counts = np.bincount(chosen.ravel(), minlength=(stop - start) * n).reshape(-1, n)
        out[start:stop] = counts.astype(np.float64) @ table / n
    return out


def paired_differences(
    values: ArrayLike, pairs: Sequence[tuple[int, int]], *, draws: int = DRAWS, seed: int = 0
) -> list[Difference]:
    r"""Compare models that have the same users, by a paired bootstrap over users.

    Intervals are percentiles of the resampled differences :math:`d^*`; the two-sided p-value moves them to a mean of
    zero, :math:`p = (1 + \#\{|d^* - d| \ge |d|\}) / (\mathrm{draws} + 1)` (Efron & Tibshirani, *An Introduction to the
    Bootstrap*, 1993, chapters 13 and 16). The interval of the relative difference is that of the ratio, so that the
    other model's mean varies along.

    Args:
        values: Of m models, a row for each user, ``(n, m)``; averages over seeds where there are several.
        pairs: Columns of the one and of the other.
        draws: Resamples, the same for all pairs.
        seed: Of the draws.

    Returns:
        The one minus the other, for each pair.

    Raises:
        DataError: If there are no users, or a value is NaN.
    """
    table = np.asarray(values, dtype=np.float64)
    if not pairs:
        return []
    ones, others = (list(side) for side in zip(*pairs, strict=True))
    each = table[:, ones] - table[:, others]  # (n, pairs)
    means = resampled_means(np.column_stack([each, table]), draws=draws, seed=seed)
    return [
        _difference(each[:, place], table[:, other], means[:, place], means[:, len(pairs) + other])
        for place, other in enumerate(others)
    ]


def _difference(
    each: NDArray[np.float64],
    base: NDArray[np.float64],
    drawn: NDArray[np.float64],
    drawn_base: NDArray[np.float64],
) -> Difference:
    tails = [(1 - LEVEL) / 2, (1 + LEVEL) / 2]
    mean, mean_base = float(each.mean()), float(base.mean())
    low, high = (float(end) for end in np.quantile(drawn, tails))
    relative = relative_low = relative_high = math.nan
    if mean_base and drawn_base.all():
        relative = mean / mean_base
        relative_low, relative_high = (float(end) for end in np.quantile(drawn / drawn_base, tails))
    # Sums in another order differ in their last digits, and equal models would then be found different.
    margin = abs(mean) - 1e-12 * max(1.0, abs(mean_base))
    as_far = int(np.count_nonzero(np.abs(drawn - mean) >= margin))
    return Difference(
        n_users=len(each),
        mean=mean,
        low=low,
        high=high,
        base=mean_base,
        relative=relative,
        relative_low=relative_low,
        relative_high=relative_high,
        p=(1 + as_far) / (len(drawn) + 1),
        detectable=smallest_effect(each),
    )


def smallest_effect(differences: ArrayLike, *, level: float = LEVEL, power: float = POWER) -> float:
    r"""The smallest true mean difference that a two-sided test over these users would find with a chance of ``power``.

    :math:`(z_{(1 + \mathrm{level}) / 2} + z_{\mathrm{power}}) \, s / \sqrt n`, with *s* the standard deviation of the
    users' differences; NaN of a single user.

    Args:
        differences: Of each user, ``(n,)``.
        level: One minus the level of the test.
        power: Chance of finding it.
    """
    each = np.asarray(differences, dtype=np.float64)
    if len(each) < 2:
        return math.nan
    quantiles = float(stats.norm.ppf((1 + level) / 2) + stats.norm.ppf(power))
    return quantiles * float(each.std(ddof=1)) / math.sqrt(len(each))


def holm(p_values: Sequence[float]) -> list[float]:
    """Adjust the p-values of a family so that the chance of any false finding stays below the level.

    Step-down (Holm, *Scandinavian Journal of Statistics* 1979): the smallest of m is multiplied by m, the next by
    m - 1 and so on, none below the one before it.

    Args:
        p_values: Of the family, in any order.

    Returns:
        The adjusted ones in the same order.

    Example:
        >>> holm([0.01, 0.04, 0.03])
        [0.03, 0.06, 0.06]
    """
    adjusted = [0.0] * len(p_values)
    largest = 0.0
    for rank, position in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        largest = max(largest, min(1.0, (len(p_values) - rank) * p_values[position]))
        adjusted[position] = largest
    return adjusted


def seeds_test(values: Sequence[float], base: Sequence[float]) -> float | None:
    """The p-value of a two-sided paired t-test over seeds: would other seeds have turned the difference round?

    Args:
        values: A model's metric for each seed.
        base: The other model's for the same seeds.

    Returns:
        None where it cannot be tested: of a single seed, or where seeds change nothing.

    Raises:
        DataError: If the numbers of seeds differ.
    """
    if len(values) != len(base):
        raise DataError(
            f"a test over seeds needs the same seeds of both models, got {len(values)} and {len(base)}"
        )
    differences = np.subtract(values, base)
    if len(differences) < 2 or np.ptp(differences) <= 1e-12:
        return None
    return float(stats.ttest_rel(values, base).pvalue)
