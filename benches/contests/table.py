"""The table, as Markdown for people and as JSON for programs."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from contests.race import Row


def markdown(facts: dict[str, str], rows: list[Row]) -> str:
    """Facts in one paragraph, then one line per rival; a ratio above 1 means that Magnet is faster."""
    lines = [
        ", ".join(f"{name} {value}" for name, value in facts.items()) + ".",
        "",
        "Ratio: median time of the rival over Magnet's, in brackets the smallest and largest of one round.",
        "",
        "| part | case | rival | Magnet | rival's | ratio | must / stretch | reached | note |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        ratio = "" if row.ratio is None else f"**{row.ratio:.2f}** ({row.low:.2f} to {row.high:.2f})"
        targets = "" if row.must is None else f"{row.must:g} / {row.stretch:g}"
        times = (_seconds(row.magnet), _seconds(row.other))
        cells = (row.section, row.case, row.rival, *times, ratio, targets, row.verdict, row.note)
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def document(facts: dict[str, str], rows: list[Row]) -> str:
    """The same as JSON, unrounded."""
    return json.dumps({"machine": facts, "rows": [asdict(row) | {"verdict": row.verdict} for row in rows]})


def _seconds(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value * 1e3:.2f} ms" if value < 0.1 else f"{value:.3g} s"
