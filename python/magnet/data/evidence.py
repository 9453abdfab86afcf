"""How probable the items a user chose are, if one cue or another drove the choice."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from magnet.data.synthetic import GROUPS, LATENT_WIDTH

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from scipy.sparse import csr_array

    from magnet.data.synthetic import Truth

__all__ = ["choice_log_likelihood", "hidden_taste_evidence", "known_taste_evidence"]

_USERS_PER_BLOCK = 512
_NEWTON_STEPS = 12
_LONGEST_STEP = 1.0  # tastes have length 1


def choice_log_likelihood(utilities: NDArray[np.float64], chosen: NDArray[np.integer]) -> float:
    """Log-probability that Gumbel noise lifts exactly this set of items above all others.

    With w_i = exp(u_i) / Σ over the others of exp(u_j), the probability is ∫ exp(-s) Π_i (1 - exp(-w_i s)) ds
    over s > 0: the sum of the Plackett–Luce probabilities over all orders of the set. It is integrated over
    log s by the trapezoidal rule, which is exact to rounding for a smooth integrand that vanishes at both
    ends.

    Args:
        utilities: Of every item, ``(I,)``.
        chosen: The set, ``(n,)``, unique, fewer than all items.
    """
    rest = np.ones(utilities.size, dtype=bool)
    rest[chosen] = False
    others = float(np.logaddexp.reduce(utilities[rest]))
    log_s = np.linspace(-25.0, 7.5, 326)  # (S,)
    exponents = np.exp(utilities[chosen][:, None] - others + log_s)  # (n, S)
    # log(1 - exp(-x)), in the form that is exact for small and for large x
    log_above = np.log(-np.expm1(-exponents)).sum(axis=0)
    integral = np.logaddexp.reduce(log_above - np.exp(log_s) + log_s)
    return float(integral + np.log(log_s[1] - log_s[0]))


def known_taste_evidence(truth: Truth, train: csr_array) -> NDArray[np.float64]:
    """Log-likelihood of each user's items under each group, with the user's true taste for that group's cues.

    Args:
        truth: What the generator planted.
        train: The chosen items, ``(U, I)``.

    Returns:
        ``(U, 4)``.
    """
    n_users = truth.groups.size
    evidence = np.zeros((n_users, len(GROUPS)))
    for first in range(0, n_users, _USERS_PER_BLOCK):
        users = np.arange(first, min(first + _USERS_PER_BLOCK, n_users))
        for group in range(len(GROUPS)):
            utilities = truth.utilities(users, group)  # (B, I)
            for row, user in enumerate(users):
                items = train.indices[train.indptr[user] : train.indptr[user + 1]]
                evidence[user, group] = choice_log_likelihood(utilities[row], items)
    return evidence


def hidden_taste_evidence(truth: Truth, train: csr_array) -> NDArray[np.float64]:
    """Log-evidence of each group, given each user's items, with the taste integrated out.

    The integral over the taste is Laplace's approximation at its most probable value, found by Newton's
    method (the integrand is log-concave). Two simplifications keep it so: items count as drawn with
    replacement, and a taste as normal with variance 1/8 in each of its 8 coordinates instead of uniform on
    the unit sphere.

    Args:
        truth: What the generator planted; tastes and groups are not looked at.
        train: The chosen items, ``(U, I)``.

    Returns:
        ``(U, 4)``, up to a constant for each user.
    """
    n_users = truth.groups.size
    evidence = np.zeros((n_users, len(GROUPS)))
    for group, cues in enumerate(GROUPS.values()):
        # An item's utility is popularity + ⟨taste, directions⟩, the tastes of several cues side by side.
        directions = (
            truth.kappa / np.sqrt(len(cues)) * np.concatenate([truth.latents[cue] for cue in cues], axis=1)
        )
        for first in range(0, n_users, _USERS_PER_BLOCK):
            block = slice(first, min(first + _USERS_PER_BLOCK, n_users))
            evidence[block, group] = _laplace(directions, truth.popularity, train[block])
    return evidence


def _laplace(
    directions: NDArray[np.float64], popularity: NDArray[np.float64], train: csr_array
) -> NDArray[np.float64]:
    n_items, width = directions.shape
    counts = np.diff(train.indptr).astype(np.float64)  # (B,)
    chosen = train @ directions  # (B, D), sums over the chosen items
    products = (directions[:, :, None] * directions[:, None, :]).reshape(n_items, width * width)
    precision = float(LATENT_WIDTH) * np.eye(width)
    tastes = np.zeros_like(chosen)
    for step in range(_NEWTON_STEPS + 1):
        utilities = tastes @ directions.T + popularity  # (B, I)
        highest = utilities.max(axis=1, keepdims=True)
        shares = np.exp(utilities - highest)
        totals = shares.sum(axis=1, keepdims=True)
        shares /= totals
        mean = shares @ directions  # (B, D)
        second = (shares @ products).reshape(-1, width, width)
        curvature = counts[:, None, None] * (second - mean[:, :, None] * mean[:, None, :]) + precision
        if step == _NEWTON_STEPS:
            break
        slope = chosen - counts[:, None] * mean - tastes @ precision
        change = np.linalg.solve(curvature, slope[:, :, None])[:, :, 0]
        length = np.linalg.norm(change, axis=1, keepdims=True)
        tastes += change * np.minimum(1.0, _LONGEST_STEP / np.maximum(length, _LONGEST_STEP))
    fit = (chosen * tastes).sum(axis=1) - counts * (highest + np.log(totals))[:, 0]
    prior = 0.5 * width * np.log(LATENT_WIDTH) - 0.5 * LATENT_WIDTH * (tastes**2).sum(axis=1)
    volume = 0.5 * np.linalg.slogdet(curvature)[1]
    evidence: NDArray[np.float64] = fit + prior - volume
    return evidence
