"""The experts of a trained mixture as they are told: name, role, cue weights."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["Template", "roles_of", "templates_of"]


class Template(NamedTuple):
    """One expert."""

    name: str
    role: str
    cue_weights: Mapping[str, float]


def templates_of(facts: Mapping[str, Any], experts: Sequence[str]) -> list[Template]:
    """Look the experts up in a run's facts.

    One that the facts do not know takes its role from its name, which is ``role/cues`` for generated experts.

    Args:
        facts: Of the run; ``experts`` holds a mapping for each.
        experts: Their names, in the order of the state.
    """
    known = {told["name"]: told for told in facts.get("experts", [])}
    return [
        Template(
            name,
            known.get(name, {}).get("role") or name.split("/")[0],
            known.get(name, {}).get("cue_weights", {}),
        )
        for name in experts
    ]


def roles_of(templates: Sequence[Template]) -> list[str]:
    """The distinct roles, in the order of their first expert."""
    return list(dict.fromkeys(template.role for template in templates))
