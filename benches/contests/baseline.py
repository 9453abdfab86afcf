"""The last accepted ratios per kind of machine, and what has become slower since."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from contests.race import Row

TOLERANCE = 0.2


def compare(rows: list[Row], accepted: dict[str, float]) -> list[str]:
    """One sentence for each ratio that fell by more than a fifth. Rows without an accepted ratio are new.

    A ratio to a rival in the same run, not a time: another machine or a busy one slows both.
    """
    return [
        f"{row.key}: {row.ratio:.2f} x, accepted was {accepted[row.key]:.2f} x"
        for row in rows
        if row.ratio is not None and row.key in accepted and row.ratio < (1 - TOLERANCE) * accepted[row.key]
    ]


def missing(rows: list[Row], accepted: dict[str, float], sections: list[str]) -> list[str]:
    """Accepted comparisons of these sections that this run did not make, such as for want of a package."""
    made = {row.key for row in rows if row.ratio is not None}
    return [key for key in accepted if key.partition(" | ")[0] in sections and key not in made]


def load(path: Path, kind: str) -> dict[str, float]:
    """The accepted ratios of a kind of machine; none where there is no such file or kind."""
    if not path.exists():
        return {}
    ratios: dict[str, float] = json.loads(path.read_text()).get(kind, {})
    return ratios


def accept(path: Path, kind: str, rows: list[Row]) -> None:
    """Writes the ratios of this run over those of the same comparisons; all others stay."""
    everything = json.loads(path.read_text()) if path.exists() else {}
    new = {row.key: round(row.ratio, 3) for row in rows if row.ratio is not None}
    everything[kind] = dict(sorted((everything.get(kind, {}) | new).items()))
    path.write_text(json.dumps(dict(sorted(everything.items())), indent=1, ensure_ascii=False) + "\n")
