"""What a case is: something to read, and what has to come of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Case", "Reads", "case", "named"]


class Reads(NamedTuple):
    """It is right to read: as many interactions, users and items."""

    interactions: int
    users: int
    items: int


class Case(NamedTuple):
    """One line of a table.

    Attributes:
        name: What is odd.
        given: Bytes, a text, or a function that makes it.
        expected: A part of the error's message, :class:`Reads`, or another result as the kind of case has it.
        where: The file's name, or what else the kind of case needs to know.
    """

    name: str
    given: Any
    expected: Any
    where: Any = None


def case(name: str, given: bytes | str | Callable[..., Any], expected: Any, where: Any = None) -> Case:
    """One line of a table."""
    return Case(name, given, expected, where)


def named(**tables: list[Case]) -> list[tuple[str, Case]]:
    """All cases, each with the kind that says how it is read."""
    return [(kind, one) for kind, table in tables.items() for one in table]
