"""A comparison as a picture: results over seeds, and differences with their intervals."""

from __future__ import annotations

from typing import TYPE_CHECKING

from magnet.evaluate.metrics import TARGET, metric_title
from magnet.explain.figures import GREY, INK, new_figure, save
from magnet.study.statistics import LEVEL, mean_and_deviation

if TYPE_CHECKING:
    from pathlib import Path

    from matplotlib.axes import Axes

    from magnet.study.comparison import Comparison, Gap, Row

__all__ = ["plot"]

_WIDTH, _LINE, _REST = 10.0, 0.3, 1.6  # inches; of a line and of what stands around the lines
_SHORT, _LETTER = 24, 0.07  # letters of a label that have room; inches of every further one
_BLUE, _ORANGE = "#0072B2", "#D55E00"


def plot(found: Comparison, path: str | Path) -> None:
    """Draw a comparison.

    For each data set on the left the metric that validation chooses by, of each seed and their mean; on the right the
    differences, in percent of what a row is compared with. Differences whose interval leaves out zero are coloured.
    """
    rows = {data: [row for row in found.rows if row.data == data] for data in found.data}
    heights = [_LINE * len(some) + _REST for some in rows.values()]
    longest = max((len(row.label) for row in found.rows), default=0)
    figure = new_figure(_WIDTH + _LETTER * max(0, longest - _SHORT), sum(heights))
    axes = figure.subplots(len(rows), 2, squeeze=False, height_ratios=heights, width_ratios=[1.0, 1.15])
    for (data, some), (left, right) in zip(rows.items(), axes, strict=True):
        of_target = [gap for gap in found.gaps if gap.data == data and gap.metric == TARGET]
        gaps = {gap.row: gap for gap in reversed(of_target)}  # the first of a row
        _results(left, some, found.part)
        _differences(right, some, gaps, found.reference)
        n_users = some[0].n_users[found.part]
        left.set_title(
            f"{data}: {found.part} part, {n_users:,} users, {found.protocol}",
            loc="left",
            fontsize=11,
            fontweight="bold",
        )
    save(figure, path)


def _results(axis: Axes, rows: list[Row], part: str) -> None:
    for place, row in enumerate(rows):
        values = row.metrics[part][TARGET]
        mean, _ = mean_and_deviation(values)
        if len(values) > 1:
            axis.plot(values, [place] * len(values), "o", color=GREY, markersize=3.5, alpha=0.7)
        axis.plot([mean], [place], "D", color=_BLUE, markersize=6, zorder=3)
        axis.annotate(
            f"{mean:.4f}".removeprefix("0"),
            (mean, place),
            xytext=(0, 5),
            textcoords="offset points",
            ha="center",
            va="bottom",
            fontsize=8,
            color=INK,
        )
    axis.set_yticks(range(len(rows)), [row.label for row in rows], fontsize=9)
    several = any(len(row.seeds) > 1 for row in rows)
    axis.set_xlabel(f"{metric_title(TARGET)}" + (", seeds and mean" if several else ""), fontsize=9)
    axis.margins(x=0.12)
    _dress(axis, len(rows))


def _differences(axis: Axes, rows: list[Row], gaps: dict[str, Gap], reference: str) -> None:
    axis.axvline(0, color=INK, linewidth=1)
    for place, row in enumerate(rows):
        gap = gaps.get(row.label)
        if gap is None or not gap.found.base:
            continue
        found = gap.found
        clear = found.low > 0 or found.high < 0
        colour = (_BLUE if found.mean > 0 else _ORANGE) if clear else GREY
        ends = [[100 * (found.relative - found.relative_low)], [100 * (found.relative_high - found.relative)]]
        axis.errorbar(
            [100 * found.relative], [place], xerr=ends, fmt="o", color=colour, capsize=3, markersize=5
        )
        if gap.against == reference:
            continue
        axis.annotate(
            f"to {gap.against}",
            (1.0, place),
            xycoords=("axes fraction", "data"),
            xytext=(4, 0),
            textcoords="offset points",
            va="center",
            fontsize=8,
            color=GREY,
        )
    axis.set_yticks(range(len(rows)), [""] * len(rows))
    axis.set_xlabel(f"difference to {reference} in %\n{LEVEL:.0%} intervals; grey: zero inside", fontsize=9)
    _dress(axis, len(rows))


def _dress(axis: Axes, n_rows: int) -> None:
    axis.set_ylim(n_rows - 0.4, -0.8)
    axis.grid(axis="y", color="#eeeeee", zorder=0)
    axis.set_axisbelow(True)
    axis.spines[["top", "right", "left"]].set_visible(False)
    axis.tick_params(axis="y", length=0)
