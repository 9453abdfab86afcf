"""How probable the items a user chose are, if one cue or another drove the choice."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from magnet.synthetic.generator import GROUPS, LATENT_WIDTH

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from scipy.sparse import csr_array

    from magnet.synthetic.generator import Truth

__all__ = ["choice_log_likelihood", "hidden_taste_evidence", "known_taste_evidence"]

_USERS_PER_BLOCK = 128
_NEWTON_STEPS = 50  # a few are enough
_TOLERANCE = 1e-4  # of a taste's coordinates; smaller steps hardly change the evidence


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
        # The tastes of several cues are concatenated to one vector.
        latents = np.concatenate([truth.latents[cue] for cue in cues], axis=1)
        choice = _Choice.of(truth.kappa / np.sqrt(len(cues)) * latents, truth.popularity)
        for first in range(0, n_users, _USERS_PER_BLOCK):
            block = slice(first, min(first + _USERS_PER_BLOCK, n_users))
            evidence[block, group] = _laplace(choice, train[block])
    return evidence


@dataclass(frozen=True, eq=False)
class _Choice:
    """Softmax of popularity + directions @ taste over the items, and a normal prior of the taste."""

    directions: NDArray[np.float64]  # (I, D)
    popularity: NDArray[np.float64]  # (I,)
    pairs: tuple[NDArray[np.intp], NDArray[np.intp]]  # of coordinates, the upper triangle of D × D
    products: NDArray[np.float64]  # (I, D (D + 1) / 2), of an item's direction with itself

    @classmethod
    def of(cls, directions: NDArray[np.float64], popularity: NDArray[np.float64]) -> _Choice:
        pairs = np.triu_indices(directions.shape[1])
        return cls(directions, popularity, pairs, directions[:, pairs[0]] * directions[:, pairs[1]])

    def log_joint(
        self, tastes: NDArray[np.float64], counts: NDArray[np.float64], chosen: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """Log of likelihood times prior, ``(B,)``, without what no taste or group changes."""
        utilities = tastes @ self.directions.T + self.popularity  # (B, I)
        highest = utilities.max(axis=1)
        totals = highest + np.log(np.exp(utilities - highest[:, None]).sum(axis=1))
        prior = -0.5 * LATENT_WIDTH * (tastes**2).sum(axis=1)
        value: NDArray[np.float64] = (chosen * tastes).sum(axis=1) - counts * totals + prior
        return value

    def derivatives(
        self, tastes: NDArray[np.float64], counts: NDArray[np.float64], chosen: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Gradient ``(B, D)`` and negative Hessian ``(B, D, D)`` of :meth:`log_joint`."""
        utilities = tastes @ self.directions.T + self.popularity  # (B, I)
        shares = np.exp(utilities - utilities.max(axis=1, keepdims=True))
        shares /= shares.sum(axis=1, keepdims=True)
        mean = shares @ self.directions  # (B, D)
        second = np.empty((len(tastes), mean.shape[1], mean.shape[1]))
        second[:, self.pairs[0], self.pairs[1]] = second[:, self.pairs[1], self.pairs[0]] = (
            shares @ self.products
        )
        spread = second - mean[:, :, None] * mean[:, None, :]
        curvature = counts[:, None, None] * spread + LATENT_WIDTH * np.eye(mean.shape[1])
        return chosen - counts[:, None] * mean - LATENT_WIDTH * tastes, curvature


def _laplace(choice: _Choice, train: csr_array) -> NDArray[np.float64]:
    """Log-evidence of each row of ``train``, ``(B,)``."""
    counts = np.diff(train.indptr).astype(np.float64)  # (B,)
    chosen = train @ choice.directions  # (B, D), sums over the chosen items
    tastes = np.zeros_like(chosen)
    value = choice.log_joint(tastes, counts, chosen)
    active = np.arange(counts.size)
    for _ in range(_NEWTON_STEPS):
        slope, curvature = choice.derivatives(tastes[active], counts[active], chosen[active])
        change = np.linalg.solve(curvature, slope[:, :, None])[:, :, 0]
        reached = tastes[active] + change
        risen = choice.log_joint(reached, counts[active], chosen[active])
        # A full step may go far beyond the maximum: halve it for each user until the value rises.
        falls = np.flatnonzero(risen < value[active] - _TOLERANCE)
        while falls.size:
            change[falls] /= 2
            users = active[falls]
            reached[falls] = tastes[users] + change[falls]
            risen[falls] = choice.log_joint(reached[falls], counts[users], chosen[users])
            falls = falls[risen[falls] < value[users] - _TOLERANCE]
        tastes[active], value[active] = reached, risen
        active = active[np.abs(change).max(axis=1) > _TOLERANCE]
        if not active.size:
            break
    _, curvature = choice.derivatives(tastes, counts, chosen)
    volume = 0.5 * np.linalg.slogdet(curvature)[1]
    evidence: NDArray[np.float64] = value + 0.5 * tastes.shape[1] * np.log(LATENT_WIDTH) - volume
    return evidence
