"""A comparison as tables: for a terminal, and as Markdown."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from magnet.evaluate.groups import HEAD
from magnet.evaluate.metrics import TARGET, metric_title
from magnet.study.cells import Cells, markdown_table, number, percent, signed, spread
from magnet.study.progress import duration
from magnet.study.report_recovery import recovery_table
from magnet.study.scoring import METRICS
from magnet.study.statistics import DRAWS, LEVEL, POWER
from magnet.tables import render, table

if TYPE_CHECKING:
    from rich.table import Table

    from magnet.study.comparison import Comparison, Gap, Row

__all__ = ["heading", "markdown", "results", "text"]

_WIDTH = 160  # of the widest line of a table


def text(found: Comparison) -> str:
    """Tables for a terminal; differences of parts without their intervals."""
    parts: list[str | Table] = []
    for data in found.data:
        parts += [heading(found, data), ""]
        for cells in _tables(found, data, intervals=False):
            parts += [table(cells.head, cells.rows, left=cells.left, title=cells.title), ""]
    parts += _notes(found)
    commands = _commands(found)
    if commands:
        parts += ["", "To make a row again:"]
        parts += [f"  {labels}:\n    {command}" for labels, command in commands]
    return render(parts, width=_WIDTH)


def markdown(found: Comparison) -> str:
    """Tables with all intervals, and the command of each row."""
    lines = []
    for data in found.data:
        lines += [f"## {heading(found, data)}", ""]
        for cells in _tables(found, data, intervals=True):
            lines += [markdown_table(cells)]
    lines += [f"{note}\n" for note in _notes(found)]
    commands = _commands(found)
    if commands:
        lines += ["To make a row again:", "", "```bash"]
        for labels, command in commands:
            lines += [f"# {labels}", command]
        lines += ["```", ""]
    return "\n".join(lines)


def heading(found: Comparison, data: str) -> str:
    """Data, part and protocol in one line."""
    facts = found.data[data]
    rows = [row for row in found.rows if row.data == data]
    users = rows[0].n_users[found.part]
    modalities = ", ".join(facts["modalities"]) or "no modality"
    column = "split" if facts["source"] is None else facts["source"]["split"]
    split = "" if column == "split" else f", split {column}"
    return (
        f"{data}: {facts['n_users']:,} users x {facts['n_items']:,} items, {facts['n_interactions']:,} interactions, "
        f"{modalities}{split}; {found.part} part of {users:,} users, protocol {found.protocol}"
    )


def _tables(found: Comparison, data: str, *, intervals: bool) -> list[Cells]:
    gaps = dict.fromkeys(gap.against for gap in found.gaps if gap.data == data)
    slices = dict.fromkeys(gap.against for gap in found.slices if gap.data == data)
    planted = recovery_table(found, data)
    return [
        results(found, data),
        *([] if planted is None else [planted]),
        *(_differences(found, data, against) for against in gaps),
        *(_slices(found, data, against, intervals=intervals) for against in slices),
    ]


def results(found: Comparison, data: str) -> Cells:
    """A line for each row: means over seeds, what it took, what validation chose."""
    rows = [row for row in found.rows if row.data == data]
    titles = [metric_title(metric) for metric in METRICS]
    other = [part for part in rows[0].metrics if part != found.part]
    head = ["", "seeds", *titles, *(f"{_word(part)} {titles[0]}" for part in other)]
    chosen = any(row.delivered for row in rows)
    head += ["time", "memory", *(["delivered"] if chosen else [])]
    routed = any(row.information for row in rows)
    head += ["information"] if routed else []
    lines = []
    for row in rows:
        line = [row.label, str(len(row.seeds))]
        line += [spread(row.metrics[found.part][metric]) for metric in METRICS]
        line += [spread(row.metrics[part][METRICS[0]]) for part in other]
        line += [
            duration(sum(row.seconds) / len(row.seconds)) if row.seconds else "",
            f"{max(row.memory) / 2**30:.2f} GiB" if row.memory else "",
            *([_counted(row)] if chosen else []),
            *([spread(row.information) if row.information else ""] if routed else []),
        ]
        lines.append(line)
    return Cells(
        f"{_word(found.part).capitalize()} part; means over seeds, ± standard deviation", head, lines
    )


def _word(part: str) -> str:
    return {"valid": "validation"}.get(part, part)


def _counted(row: Row) -> str:
    counts = {name: row.delivered.count(name) for name in dict.fromkeys(row.delivered)}
    return ", ".join(name if count == 1 else f"{name} {count} x" for name, count in counts.items())


def _differences(found: Comparison, data: str, against: str) -> Cells:
    level = f"[{LEVEL:.0%}]"
    head = ["", "", f"difference {level}", f"relative {level}", "p", "p (Holm)", "p (seeds)", "visible from"]
    lines = []
    for gap in found.gaps:
        if (gap.data, gap.against) != (data, against):
            continue
        d = gap.found
        relative = f"{percent(d.relative)} [{percent(d.relative_low)}, {percent(d.relative_high)}]"
        lines.append(
            [
                gap.row,
                metric_title(gap.metric),
                _interval(gap),
                "" if math.isnan(d.relative) else relative,
                number(d.p),
                "" if gap.p_holm is None else number(gap.p_holm),
                "" if gap.p_seeds is None else number(gap.p_seeds),
                number(d.detectable),
            ]
        )
    return Cells(f"Differences to {against}", head, lines, left=2)


def _slices(found: Comparison, data: str, against: str, *, intervals: bool) -> Cells:
    gaps = [gap for gap in found.slices if gap.data == data and gap.against == against]
    groups = list(dict.fromkeys(gap.group for gap in gaps))
    by_place = {(gap.row, gap.group): gap for gap in gaps}
    first = {gap.group: gap.found for gap in reversed(gaps)}
    lines = [
        ["users", *(f"{first[group].n_users:,}" for group in groups)],
        [against, *(number(first[group].base) for group in groups)],
    ]
    for label in dict.fromkeys(gap.row for gap in gaps):
        here = [by_place.get((label, group)) for group in groups]
        lines.append(
            [label, *("" if gap is None else _interval(gap) if intervals else _starred(gap) for gap in here)]
        )
    title = f"{metric_title(TARGET)} of parts: {against}, and differences to it"
    return Cells(title if intervals else f"{title} (*: zero is outside the interval)", ["", *groups], lines)


def _interval(gap: Gap) -> str:
    d = gap.found
    return f"{signed(d.mean)} [{signed(d.low)}, {signed(d.high)}]"


def _starred(gap: Gap) -> str:
    d = gap.found
    return f"{signed(d.mean)}{'*' if d.low > 0 or d.high < 0 else ' '}"


def _notes(found: Comparison) -> list[str]:
    family = sum(gap.metric == TARGET for gap in found.gaps)
    if not family:
        return []
    return [
        f"Each user's values are averaged over seeds. Intervals are percentiles of {DRAWS:,} resamples of the users, "
        "the same for all models; p is of the same bootstrap with its mean moved to zero, and Holm's method adjusts it "
        f"to the {family} difference{'s' if family > 1 else ''} of its metric. p (seeds) is of a paired t-test of the "
        f"means of seeds. Visible from: a true difference of this size is found by {POWER:.0%} of such experiments. "
        f"Parts are looked at without adjustment: users by their training items; head items, the {HEAD:.0%} with the "
        "most training interactions, and the others, tail items; cold items without any. Information: mutual "
        "information of the routing and the pairs, net of missing cues."
    ]


def _commands(found: Comparison) -> list[tuple[str, str]]:
    """What makes rows again: the labels of rows of one command, and the command."""
    labels: dict[str, list[str]] = {}
    several = len(found.data) > 1
    for row in found.rows:
        if row.command is not None:
            label = f"{row.label} on {row.data}" if several else row.label
            labels.setdefault(row.command, []).append(label)
    return [(", ".join(some), command) for command, some in labels.items()]
