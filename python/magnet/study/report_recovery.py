"""Recovery of the planted cue as a table, for generated data."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from magnet.evaluate.metrics import TARGET
from magnet.study.cells import Cells, number, spread

if TYPE_CHECKING:
    from magnet.study.comparison import Comparison

__all__ = ["recovery_table"]


def recovery_table(found: Comparison, data: str) -> Cells | None:
    """A line for each answer that was measured, and the yardsticks; None where there is no truth."""
    truth = found.data[data].get("truth")
    rows = [row for row in found.rows if row.data == data and row.recovery]
    if truth is None or not rows:
        return None
    ways = list(dict.fromkeys(way for row in rows for one in row.recovery for way in one))
    lines = [
        [row.label, spread(row.metrics[found.part][TARGET]), *(_mean(row.recovery, way) for way in ways)]
        for row in rows
    ]
    # What it would take to know the truth is much the same for all of them.
    knowing = next((row for row in rows if row.oracle), None)
    if knowing is not None:
        lines.append([f"oracle of {knowing.label}", *(_mean(knowing.oracle, way) for way in (TARGET, *ways))])
    for name in ("chance", "linear probe", "ceiling"):
        recall = number(truth[TARGET][found.protocol]) if name == "ceiling" else ""
        lines.append([name, recall, number(truth[name]), *[""] * (len(ways) - 1)])
    title = f"Users whose planted cue is named, {truth['difficulty']} data: by occlusion (raw, scaled) and by weight"
    return Cells(title, ["", "Recall@20", *ways], lines)


def _mean(values: list[dict[str, float]], key: str) -> str:
    known = [one[key] for one in values if key in one]
    return number(float(np.mean(known))) if known else ""
