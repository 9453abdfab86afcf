"""The experts of a trained mixture as explanations show them: name, role, cue weights."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["ExpertInfo", "experts_of", "roles_of"]


class ExpertInfo(NamedTuple):
    """One expert."""

    name: str
    role: str
    cue_weights: Mapping[str, float]


def experts_of(facts: Mapping[str, Any], experts: Sequence[str]) -> list[ExpertInfo]:
    """Look the experts up in a run's facts.

    One that the facts do not know takes its role from its name, which is ``role/cues`` for generated experts.

    Args:
        facts: Of the run; ``experts`` holds a mapping for each.
        experts: Their names, in the order of the state.
    """
    known = {expert["name"]: expert for expert in facts.get("experts", [])}
    return [
        ExpertInfo(
            name,
            known.get(name, {}).get("role") or name.split("/")[0],
            known.get(name, {}).get("cue_weights", {}),
        )
        for name in experts
    ]


def roles_of(experts: Sequence[ExpertInfo]) -> list[str]:
    """The distinct roles, in the order of their first expert."""
    return list(dict.fromkeys(expert.role for expert in experts))
