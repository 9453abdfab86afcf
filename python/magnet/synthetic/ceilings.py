"""How well generated data could be done: the best possible, chance, and cheap rivals that need no model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from magnet.errors import DataError
from magnet.synthetic.evidence import hidden_taste_evidence, known_taste_evidence
from magnet.synthetic.generator import CUES, GROUPS

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from magnet.synthetic.generator import Synthetic, Truth

__all__ = [
    "Recovery",
    "best_cue",
    "ceiling_recall",
    "ceiling_recovery",
    "chance",
    "planted",
    "recovery",
]

_USERS_PER_BLOCK = 512


@dataclass(frozen=True)
class Recovery:
    """How often the cue that drives a user was named.

    Attributes:
        overall: Share of all users.
        by_group: Share of the users of each group.
    """

    overall: float
    by_group: dict[str, float]


def planted(truth: Truth) -> NDArray[np.bool_]:
    """Which cues drive each user, ``(U, 3)``: one, or image and text."""
    table = np.array([[cue in cues for cue in range(len(CUES))] for cues in GROUPS.values()])
    return table[truth.groups]


def recovery(truth: Truth, cues: ArrayLike) -> Recovery:
    """Compare named cues with the planted ones.

    Of a user who is driven by image and text alike, either is right.

    Args:
        truth: What the generator planted.
        cues: Position in :data:`magnet.synthetic.generator.CUES` for each user, ``(U,)``; -1 where nothing was
            named, which is wrong.

    Raises:
        DataError: If there is not one cue for each user, or one is unknown.
    """
    named = np.asarray(cues)
    if named.shape != truth.groups.shape or named.min() < -1 or named.max() >= len(CUES):
        raise DataError(
            f"expected a cue in [-1, {len(CUES)}) for each of {truth.groups.size} users, "
            f"got shape {named.shape} with values from {named.min()} to {named.max()}"
        )
    right = np.take_along_axis(planted(truth), np.maximum(named, 0)[:, None], axis=1)[:, 0] & (named >= 0)
    by_group = {name: float(right[truth.groups == group].mean()) for group, name in enumerate(GROUPS)}
    return Recovery(float(right.mean()), by_group)


def chance(truth: Truth) -> float:
    """Recovery of the best answer that does not look at the user: the same cue for everyone.

    With four groups of one size it is 1/2 (image or text are right for two groups each); drawing cues at
    random gives 5/12.
    """
    return float(planted(truth).mean(axis=0).max())


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
    return recovery(synthetic.truth, best_cue(evidence(synthetic.truth, synthetic.dataset.train)))


def ceiling_recall(
    synthetic: Synthetic,
    part: Literal["valid", "test"] = "test",
    *,
    k: int = 20,
    protocol: Literal["strict", "mmrec"] = "strict",
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
