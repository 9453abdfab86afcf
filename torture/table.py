"""What was tried, how often, and what went wrong: the table that is printed and the JSON beside it."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any

__all__ = ["Place", "Table"]


@dataclass
class Place:
    """One kind of trial.

    Attributes:
        part: The part of the torture it belongs to.
        name: What was done where.
        tried: How often.
        ended: How often it ended in each permitted way.
        misses: What was found wrong, a line each.
    """

    part: str
    name: str
    tried: int = 0
    ended: dict[str, int] = field(default_factory=dict)
    misses: list[str] = field(default_factory=list)

    def count(self, way: str) -> None:
        """One more trial that ended as it may."""
        self.tried += 1
        self.ended[way] = self.ended.get(way, 0) + 1

    def miss(self, what: str) -> None:
        """One more trial that ended as it must not."""
        self.tried += 1
        self.misses.append(what)
        print(f"  MISS {self.part}, {self.name}: {what}", flush=True)


class Table:
    """All places, in the order in which they were tried."""

    def __init__(self) -> None:
        self.places: dict[tuple[str, str], Place] = {}
        self.seconds: dict[str, float] = {}
        self._started = time.monotonic()

    def place(self, part: str, name: str) -> Place:
        """The place of that name, made the first time."""
        return self.places.setdefault((part, name), Place(part, name))

    def over(self, part: str) -> None:
        """Note how long a part took since the one before."""
        now = time.monotonic()
        self.seconds[part], self._started = now - self._started, now
        tried = sum(place.tried for place in self.places.values() if place.part == part)
        print(f"{part}: {tried} trials, {self.seconds[part]:.0f} s", flush=True)

    @property
    def misses(self) -> int:
        """Over all places."""
        return sum(len(place.misses) for place in self.places.values())

    def text(self) -> str:
        """As a table of Markdown."""
        lines = ["| part | place | trials | misses | ended |", "|---|---|---:|---:|---|"]
        for place in self.places.values():
            ended = ", ".join(f"{way} {n:,}" for way, n in sorted(place.ended.items()))
            lines.append(f"| {place.part} | {place.name} | {place.tried:,} | {len(place.misses)} | {ended} |")
        total = sum(place.tried for place in self.places.values())
        took = ", ".join(f"{part} {seconds:.0f} s" for part, seconds in self.seconds.items())
        return "\n".join([*lines, "", f"{total:,} trials, {self.misses} misses ({took})"])

    def to_json(self) -> dict[str, Any]:
        """JSON-ready data."""
        return {"seconds": self.seconds, "places": [vars(place) for place in self.places.values()]}
