"""Roles of experts over scores: which experts a role makes, and how much each takes of every cue."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor

from magnet.registry import Registry

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = [
    "ROLES",
    "Cues",
    "Expert",
    "Role",
    "dominance_share",
    "each_cue",
    "each_pair",
    "expert_weights",
    "experts_over",
    "explained_by_others",
    "register_role",
]

# The share of its own cue in a dominant expert is learnt inside these bounds, so that the role cannot be undone.
DOMINANT_FROM, DOMINANT_TO = 0.6, 0.95

Groups = list[tuple[int, ...]]  # the positions of the cues that define each expert


class Cues(NamedTuple):
    """What a role may use to weigh C cues."""

    shares: Tensor  # (C,), what a dominant expert takes of its own cue, inside [.6, .95]
    explained: Tensor  # (C, C), row c: how the other cues' scores predict that of cue c; zero diagonal


@dataclass(frozen=True)
class Role:
    """One role.

    Attributes:
        groups: From the number of cues to the cues that define each of its experts.
        weights: From one such group and the cues to what the expert takes of each cue's score, ``(C,)``.
    """

    groups: Callable[[int], Groups]
    weights: Callable[[tuple[int, ...], Cues], Tensor]


ROLES: Registry[Role] = Registry("role of experts")


def each_cue(n_cues: int) -> Groups:
    """An expert for each cue."""
    return [(cue,) for cue in range(n_cues)]


def each_pair(n_cues: int) -> Groups:
    """An expert for each pair of cues."""
    return list(combinations(range(n_cues), 2))


def register_role(
    name: str,
    weights: Callable[[tuple[int, ...], Cues], Tensor],
    *,
    groups: Callable[[int], Groups] = each_cue,
    replace: bool = False,
) -> None:
    """Add a role, so that ``experts.roles`` may name it.

    Args:
        name: How the role is asked for; its experts are called ``name/cues``.
        weights: ``weights(group, cues)`` returns what an expert takes of each cue's standardised score, ``(C,)``.
        groups: From the number of cues to the cues that define each expert; an expert is off for a pair that lacks
            one of them.
        replace: Whether a role of that name may be replaced, as when a notebook's cell runs again.

    Raises:
        ConfigError: If the name is taken.
    """
    ROLES.add(name, Role(groups, weights), module=weights.__module__, replace=replace)


class Expert(NamedTuple):
    """One expert."""

    name: str
    role: str
    group: tuple[int, ...]  # the cues that define it


def experts_over(cues: Sequence[str], roles: Sequence[str]) -> list[Expert]:
    """The experts of some roles over named cues, role by role.

    Example:
        >>> [expert.name for expert in experts_over(["behaviour", "text"], ["dominant", "balanced", "null"])]
        ['dominant/behaviour', 'dominant/text', 'balanced/behaviour+text', 'null']
    """
    made = []
    for role in roles:
        for group in ROLES.find(role).groups(len(cues)):
            of = "+".join(cues[cue] for cue in group)
            made.append(Expert(f"{role}/{of}" if of else role, role, group))
    return made


def expert_weights(experts: Sequence[Expert], cues: Cues) -> Tensor:
    """What each expert takes of each cue, ``(E, C)``."""
    return torch.stack([ROLES.find(expert.role).weights(expert.group, cues) for expert in experts])


def _dominant(group: tuple[int, ...], cues: Cues) -> Tensor:
    """Mostly its own cue, the rest the mean of the others."""
    n_cues = len(cues.shares)
    own = torch.zeros(n_cues)
    own[group[0]] = 1
    if n_cues == 1:
        return own
    share = cues.shares[group[0]]
    return own * share + (1 - own) * (1 - share) / (n_cues - 1)


def _balanced(group: tuple[int, ...], cues: Cues) -> Tensor:
    """Its cues alike."""
    weights = torch.zeros(len(cues.shares))
    weights[list(group)] = 1 / len(group)
    return weights


def _complementary(group: tuple[int, ...], cues: Cues) -> Tensor:
    """What its cue says beyond what the others' scores predict of it."""
    own = torch.zeros(len(cues.shares))
    own[group[0]] = 1
    return own - cues.explained[group[0]]


def _null(group: tuple[int, ...], cues: Cues) -> Tensor:
    """Nothing: the backbone is left alone."""
    return torch.zeros(len(cues.shares))


register_role("dominant", _dominant)
register_role("balanced", _balanced, groups=each_pair)
register_role("complementary", _complementary, groups=lambda n_cues: each_cue(n_cues) if n_cues > 1 else [])
register_role("null", _null, groups=lambda n_cues: [()])


def dominance_share(dominance: Tensor) -> Tensor:
    """What a dominant expert takes of its own cue, ``(C,)``, from a learnt number for each cue, 0 at the start."""
    return DOMINANT_FROM + (DOMINANT_TO - DOMINANT_FROM) * torch.sigmoid(dominance)


def explained_by_others(scores: Tensor, *, ridge: float = 0.01) -> Tensor:
    """How the scores of the other cues predict that of each cue: least squares over pairs.

    Args:
        scores: Of each cue for n pairs, ``(n, C)``.
        ridge: Added to the mean square of a score.

    Returns:
        ``(C, C)``, zero diagonal; zero throughout where there are no pairs.
    """
    n_pairs, n_cues = scores.shape
    out = torch.zeros(n_cues, n_cues)
    if n_pairs == 0 or n_cues < 2:
        return out
    centred = scores.double() - scores.double().mean(0)
    gram = centred.T @ centred / n_pairs
    for cue in range(n_cues):
        others = [other for other in range(n_cues) if other != cue]
        among = gram[others][:, others]
        scale = ridge * among.diagonal().mean().clamp(min=1e-12)
        among = among + scale * torch.eye(len(others), dtype=among.dtype)
        out[cue, others] = torch.linalg.solve(among, gram[others, cue]).float()
    return out
