"""How well generated data could be done by a model that knows how they were made."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np
import torch

from magnet.errors import DataError
from magnet.states import DotState
from magnet.synthetic.evidence import hidden_taste_evidence, known_taste_evidence
from magnet.synthetic.generator import CUES, GROUPS, driver_weights
from magnet.synthetic.recovery import recovery

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from magnet.choices import HeldOut, Protocol
    from magnet.synthetic.generator import Synthetic, Truth
    from magnet.synthetic.recovery import Recovery

__all__ = ["best_cue", "ceiling_recall", "ceiling_recovery", "ceiling_state"]

_USERS_PER_BLOCK = 512


def best_cue(log_evidence: NDArray[np.float64]) -> NDArray[np.intp]:
    """The cue that is right with the highest probability, given the evidence for each group.

    Args:
        log_evidence: Of each user and group, ``(U, 4)``, up to a constant for each user.

    Returns:
        Position in :data:`magnet.synthetic.generator.CUES`, ``(U,)``; the first of equals.
    """
    posterior = np.exp(
        log_evidence - log_evidence.max(axis=1, keepdims=True)
    )  # (U, G), groups are of one size
    cues = np.zeros((posterior.shape[0], len(CUES)))
    for group, members in enumerate(GROUPS.values()):
        cues[:, list(members)] += posterior[:, [group]]
    best: NDArray[np.intp] = cues.argmax(axis=1)
    return best


def ceiling_recovery(synthetic: Synthetic, *, tastes: Literal["hidden", "known"] = "hidden") -> Recovery:
    """Recovery of the most probable driver given the user's training items under the true model.

    Latents, popularity and κ are known, and groups are equally likely beforehand. ``"hidden"`` is what a
    model could reach that had learnt the items perfectly: tastes are integrated out, see
    :func:`magnet.synthetic.evidence.hidden_taste_evidence` for the two approximations. ``"known"`` is an oracle
    who also knows the user's taste for every cue, and so sees almost every driver; held-out items count as
    not chosen.

    Args:
        synthetic: Generated data.
        tastes: What is known of the users.
    """
    evidence = hidden_taste_evidence if tastes == "hidden" else known_taste_evidence
    return recovery(synthetic.truth.groups, best_cue(evidence(synthetic.truth, synthetic.dataset.train)))


def ceiling_recall(
    synthetic: Synthetic,
    part: HeldOut = "test",
    *,
    k: int = 20,
    protocol: Protocol = "strict",
) -> float:
    """Recall@k of ranking by true utility, without the noise: what a perfect model reaches on average.

    Args:
        synthetic: Generated data.
        part: Whose interactions are looked for.
        k: Length of the lists.
        protocol: ``"strict"`` masks training items, and validation items at test; ``"mmrec"`` training items
            only.

    Returns:
        Mean over the users who have items in this part.

    Raises:
        DataError: If ``k`` is below 1 or above the number of items, or there is no such part.
    """
    data = synthetic.dataset
    if not 1 <= k <= data.n_items:
        raise DataError(f"k must lie between 1 and the number of items, {data.n_items}, got {k}")
    relevant = data.part(part)
    seen = data.train_valid if part == "test" and protocol == "strict" else data.train
    users = np.flatnonzero(np.diff(relevant.indptr))
    recalls = []
    for first in range(0, users.size, _USERS_PER_BLOCK):
        block = users[first : first + _USERS_PER_BLOCK]
        utilities = synthetic.truth.utilities(block)  # (B, I)
        utilities[seen[block].toarray() > 0] = -np.inf
        best = np.argsort(-utilities, axis=1, kind="stable")[:, :k]
        wanted = relevant[block].toarray() > 0
        recalls.append(np.take_along_axis(wanted, best, axis=1).sum(axis=1) / wanted.sum(axis=1))
    return float(np.concatenate(recalls).mean())


def ceiling_state(truth: Truth) -> DotState:
    """A state that ranks by true utility, a product of tastes and latents: the best that can be known."""
    weights = truth.kappa * driver_weights()[truth.groups]  # (U, C)
    n_users, n_items = len(truth.groups), len(truth.popularity)
    users = (weights[:, :, None] * truth.tastes).reshape(n_users, -1)
    items = truth.latents.transpose(1, 0, 2).reshape(n_items, -1)
    users = np.hstack([users, np.ones((n_users, 1))])
    items = np.hstack([items, truth.popularity[:, None]])
    return DotState(*(torch.from_numpy(side.astype(np.float32)) for side in (users, items)))
