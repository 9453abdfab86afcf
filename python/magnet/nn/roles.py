"""Roles of experts: which experts a role makes, and what each of them takes of the cues. One row of a table each."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor

from magnet.registry import Registry

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["ROLES", "Mix", "Patterns", "Role", "each_cue", "each_pair", "register_role"]

# The share of its own cue in a dominant expert is learnt inside these bounds, so that the role cannot be undone.
DOMINANT_FROM, DOMINANT_TO = 0.6, 0.95

Groups = list[tuple[int, ...]]  # the positions of the cues that define each expert


class Patterns(NamedTuple):
    """Cues as a role sees them, for P patterns of cues that exist.

    Each cue is a unit vector, so that a sum of cues tells its own weights.
    """

    cues: Tensor  # (C, P, C), the unit vector of each cue, zero where it is missing
    present: Tensor  # (C, P), bool
    others: Tensor  # (C, P, C), the mean of each cue's others
    has_others: Tensor  # (C, P), bool
    dominance: Tensor  # (C,), a learnt number for each cue, 0 at the start


class Mix(NamedTuple):
    """What the G experts of a role take of the cues."""

    taken: Tensor  # (G, P, C), the weight of each cue
    explained: Tensor  # (G, P, C), the weight of what each cue explains of the others
    on: Tensor  # (G, P), bool: whether the expert takes part


@dataclass(frozen=True)
class Role:
    """One role.

    Attributes:
        groups: From the number of cues to the cues that define each expert.
        mix: What these experts take of the cues, in the same order.
        weights: From an expert's group, the number of cues and its share of dominance to what it takes of each cue
            where every cue exists; where it is None, ``mix`` is asked.
    """

    groups: Callable[[int], Groups]
    mix: Callable[[Patterns, Groups], Mix]
    weights: Callable[[tuple[int, ...], int, float], list[float]] | None = None


ROLES: Registry[Role] = Registry("role of experts")


def each_cue(n_cues: int) -> Groups:
    """An expert for each cue."""
    return [(cue,) for cue in range(n_cues)]


def each_pair(n_cues: int) -> Groups:
    """An expert for each pair of cues."""
    return list(combinations(range(n_cues), 2))


def register_role(
    name: str,
    mix: Callable[[Patterns, Groups], Mix],
    *,
    groups: Callable[[int], Groups] = each_cue,
    weights: Callable[[tuple[int, ...], int, float], list[float]] | None = None,
    replace: bool = False,
) -> None:
    """Add a role, so that ``experts.roles`` may name it.

    Args:
        name: How the role is asked for; its experts are called ``name/cues``.
        mix: ``mix(patterns, groups)`` returns the :class:`Mix` of the role's experts. Every pattern of cues that exist
            is asked for at once; a cue that is missing is zero in ``patterns.cues`` and ``patterns.others``.
        groups: From the number of cues to the cues that define each expert; :func:`each_cue` or :func:`each_pair`, or
            your own.
        weights: What an expert takes of each cue, to be told to people; ``mix`` is asked where it is not given.
        replace: Whether a role of that name may be replaced, as when a notebook's cell runs again.

    Raises:
        ConfigError: If the name is taken.
    """
    ROLES.add(name, Role(groups, mix, weights), module=mix.__module__, replace=replace)


def dominance_share(dominance: Tensor) -> Tensor:
    """What a dominant expert takes of its own cue, ``(C,)``."""
    return DOMINANT_FROM + (DOMINANT_TO - DOMINANT_FROM) * torch.sigmoid(dominance)


def _dominant(p: Patterns, groups: Groups) -> Mix:
    """Mostly its own cue, the rest the mean of the others."""
    own = torch.where(p.has_others, dominance_share(p.dominance)[:, None], 1.0)[..., None]  # (C, P, 1)
    return Mix(torch.lerp(p.others, p.cues, own), torch.zeros_like(p.cues), p.present)


def _balanced(p: Patterns, groups: Groups) -> Mix:
    """Two cues alike."""
    n_cues = len(p.cues)
    a, b = torch.triu_indices(n_cues, n_cues, 1, device=p.cues.device)  # in the groups' order
    return Mix(0.5 * (p.cues[a] + p.cues[b]), torch.zeros_like(p.cues)[a], p.present[a] & p.present[b])


def _complementary(p: Patterns, groups: Groups) -> Mix:
    """What the others say beyond what its own cue explains of them."""
    unit = torch.eye(len(p.cues), device=p.cues.device)
    return Mix(p.others, torch.zeros_like(p.cues) - unit[:, None], p.present & p.has_others)


def _own_and_rest(own: Callable[[float], float]) -> Callable[[tuple[int, ...], int, float], list[float]]:
    def weights(group: tuple[int, ...], n_cues: int, share: float) -> list[float]:
        mine, n_others = own(share), n_cues - len(group)
        rest = (1 - mine) / n_others if n_others else 0.0
        return [mine if cue in group else rest for cue in range(n_cues)]

    return weights


def _halves(group: tuple[int, ...], n_cues: int, share: float) -> list[float]:
    return [0.5 if cue in group else 0.0 for cue in range(n_cues)]


register_role("dominant", _dominant, weights=_own_and_rest(lambda share: share))
register_role("balanced", _balanced, groups=each_pair, weights=_halves)
# Its own cue has the weight 0: what it could say of the others is taken out of them.
register_role("complementary", _complementary, weights=_own_and_rest(lambda share: 0.0))
