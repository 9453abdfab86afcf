"""A comparison as a LaTeX table."""

from __future__ import annotations

from typing import TYPE_CHECKING

from magnet.evaluate.metrics import TARGET, metric_title
from magnet.study.cells import number
from magnet.study.report import heading
from magnet.study.scoring import METRICS
from magnet.study.statistics import LEVEL, mean_and_deviation

if TYPE_CHECKING:
    from magnet.study.comparison import Comparison, Row

__all__ = ["latex"]

_ESCAPES = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    **{sign: f"\\{sign}" for sign in "&%$#_{}"},
}


def latex(found: Comparison) -> str:
    """One ``tabular`` for each data set; needs ``booktabs``.

    The best mean of each metric is bold. A dagger marks rows whose difference in Recall@20 is significant at one minus
    the level of the intervals after Holm's adjustment.
    """
    return "\n".join(_tabular(found, data) for data in found.data)


def _tabular(found: Comparison, data: str) -> str:
    rows = [row for row in found.rows if row.data == data]
    best = {
        metric: max(mean_and_deviation(row.metrics[found.part][metric])[0] for row in rows)
        for metric in METRICS
    }
    titles = " & ".join(metric_title(metric) for metric in METRICS)
    lines = [
        f"% {heading(found, data)}",
        r"\begin{tabular}{l" + "r" * len(METRICS) + "}",
        r"\toprule",
        f"Model & {titles} \\\\",
        r"\midrule",
    ]
    for row in rows:
        cells = [_cell(row.metrics[found.part][metric], best[metric]) for metric in METRICS]
        if _significant(found, row):
            cells[METRICS.index(TARGET)] += r"$^\dagger$"
        lines.append(f"{_escaped(row.label)} & {' & '.join(cells)} \\\\")
    return "\n".join([*lines, r"\bottomrule", r"\end{tabular}", ""])


def _cell(values: list[float], best: float) -> str:
    mean, deviation = mean_and_deviation(values)
    shown = rf"\textbf{{{number(mean)}}}" if mean == best else number(mean)
    return shown if deviation is None else rf"{shown} {{\scriptsize $\pm$ {number(deviation)}}}"


def _significant(found: Comparison, row: Row) -> bool:
    gap = found.gap(row.label, data=row.data)
    return gap is not None and gap.p_holm is not None and gap.p_holm <= 1 - LEVEL


def _escaped(text: str) -> str:
    return "".join(_ESCAPES.get(letter, letter) for letter in text)
