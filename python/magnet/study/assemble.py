"""Puts the records of a comparison's runs together: rows over seeds, and the differences between them."""

from __future__ import annotations

import functools
from collections import defaultdict
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import polars as pl

from magnet.errors import MagnetError
from magnet.evaluate.groups import user_groups
from magnet.evaluate.metrics import TARGET
from magnet.study.commands import row_command
from magnet.study.comparison import Comparison, Gap, Row
from magnet.study.contenders import DELIVERED
from magnet.study.scoring import METRICS
from magnet.study.slices import column_groups, group_column
from magnet.study.statistics import holm, paired_differences, seeds_test

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from numpy.typing import NDArray

    from magnet.data import DataSource
    from magnet.study.contenders import Contender
    from magnet.study.described import Described
    from magnet.study.store import Record

__all__ = ["Run", "assembled"]


class Run(Protocol):
    """What is known of a run beside its record; a :class:`magnet.study.plan.Experiment` is one."""

    @property
    def contender(self) -> Contender:
        """The model."""

    @property
    def source(self) -> DataSource | None:
        """Of the data as the model saw them."""

    @property
    def data(self) -> str:
        """Name of the data in tables."""

    @property
    def seed(self) -> int:
        """Of the training."""

    @property
    def protocol(self) -> str:
        """``strict`` or ``mmrec``."""

    @property
    def parts(self) -> tuple[str, ...]:
        """Which are scored."""

    @property
    def key(self) -> str:
        """Its name in a store."""


def assembled(
    experiments: Sequence[Run],
    records: Mapping[str, Record],
    datasets: Mapping[str, Described],
    *,
    protocol: str,
    reference: str,
    pairs: Iterable[tuple[str, str]] = (),
) -> Comparison:
    """Put records together.

    Like is compared with like: an answer of a model with the same answer of the reference, where it has one, and
    candidates of the reference with what it delivered.

    Args:
        experiments: All runs of the comparison.
        records: Theirs, by key.
        datasets: What is known of each, by name.
        protocol: Of all of them.
        reference: Name of the model that the others are compared with.
        pairs: Labels of rows to be compared beside that, the one and the other.
    """
    part = experiments[0].parts[-1]
    rows = _rows(experiments, records, part)
    asked = list(pairs)
    gaps: list[Gap] = []
    slices: list[Gap] = []
    for data, described in datasets.items():
        here = {row.label: row for row in rows if row.data == data}
        matched = [(row, here[other]) for row in here.values() if (other := _other(row, here, reference))]
        matched += [(here[one], here[other]) for one, other in asked if one in here and other in here]
        # Two names of the same answer have nothing to be compared in.
        matched = [(row, other) for row, other in matched if row.made_by != other.made_by]
        for metric in METRICS:
            gaps += [
                replace(gap, p_seeds=_over_seeds(row, other, part, metric))
                for (row, other), gap in zip(matched, _gaps(matched, metric, metric), strict=True)
            ]
        slices += _sliced(matched, described)
    return Comparison(
        protocol=protocol,
        part=part,
        reference=reference,
        rows=rows,
        gaps=_adjusted(gaps),
        slices=slices,
        data={name: described.facts for name, described in datasets.items()},
    )


def _rows(experiments: Sequence[Run], records: Mapping[str, Record], part: str) -> list[Row]:
    runs: dict[tuple[str, str], list[Run]] = defaultdict(list)
    for one in experiments:
        runs[one.data, one.contender.name].append(one)
    read = functools.cache(lambda key: records[key].values())
    rows = []
    for (data, name), same in runs.items():
        contender = same[0].contender
        for answer in contender.answers:
            have = [one for one in same if answer in records[one.key].facts["answers"]]
            if have:
                rows.append(_row(data, name, contender, answer, have, records, part, read))
    return rows


def _row(
    data: str,
    name: str,
    contender: Contender,
    answer: str,
    runs: list[Run],
    records: Mapping[str, Record],
    part: str,
    read: Any,
) -> Row:
    facts = [records[one.key].facts for one in runs]
    states = [one["answers"][answer] for one in facts]
    scores = [one["scores"][state] for one, state in zip(facts, states, strict=True)]
    frames = [read(one.key).filter(state=state, part=part) for one, state in zip(runs, states, strict=True)]
    users = frames[0]["user"]
    if any(not frame["user"].equals(users) for frame in frames):
        raise MagnetError(f"{name} on {data}: the runs in the store have other users; remove them")
    columns = [column for column in frames[0].columns if column not in ("state", "part", "user")]
    averaged = {
        column: np.mean([frame[column].cast(pl.Float64).to_numpy() for frame in frames], 0)
        for column in columns
    }
    seeds = [one.seed for one in runs]
    own = answer == DELIVERED
    return Row(
        data=data,
        name=name,
        answer=answer,
        seeds=seeds,
        metrics={p: {m: [s[p][m] for s in scores] for m in METRICS} for p in scores[0]},
        n_users={p: scores[0][p]["n_users"] for p in scores[0]},
        seconds=[one["cost"]["seconds"] for one in facts] if own else [],
        memory=[one["cost"]["memory"] for one in facts if one["cost"]["memory"]] if own else [],
        delivered=[one["delivered"] for one in facts if len(one.get("best", {})) > 1] if own else [],
        information=[one["information"] for one in facts if "information" in one] if own else [],
        recovery=[one["recovery"][state] for one, state in _known(facts, states, "recovery")],
        oracle=[one["oracle"][state] for one, state in _known(facts, states, "oracle")],
        command=row_command(contender, answer, runs[0].source, seeds, runs[0].protocol),
        made_by=[(one.key, state) for one, state in zip(runs, states, strict=True)],
        values=pl.DataFrame({"user": users, **averaged}),
    )


def _known(
    facts: Sequence[Mapping[str, Any]], states: Sequence[str], what: str
) -> list[tuple[Mapping[str, Any], str]]:
    """The runs that have measured something of the state that a row stands for."""
    return [(one, state) for one, state in zip(facts, states, strict=True) if state in one.get(what, {})]


def _other(row: Row, rows: Mapping[str, Row], reference: str) -> str | None:
    """The label of what a row is compared with; None of the reference's own delivered answer."""
    if row.name == reference:
        return reference if row.answer != DELIVERED and reference in rows else None
    like = reference if row.answer == DELIVERED else f"{reference}: {row.answer}"
    return next((label for label in (like, reference) if label in rows), None)


def _gaps(
    matched: Sequence[tuple[Row, Row]],
    metric: str,
    column: str,
    group: str = "",
    members: NDArray[np.bool_] | None = None,
) -> list[Gap]:
    """The difference of each pair of rows, over the members among the users who have a value."""
    if not matched:
        return []
    rows = {row.label: row for pair in matched for row in pair}
    users = matched[0][0].values["user"]
    for row in rows.values():
        if not row.values["user"].equals(users):
            raise MagnetError(f"{row.data}: {row.label} was scored on other users than {matched[0][0].label}")
    table = np.column_stack([row.values[column].to_numpy() for row in rows.values()])
    kept = ~np.isnan(table).any(1)
    if members is not None:
        kept &= members
    if not kept.any():
        return []
    place = {label: position for position, label in enumerate(rows)}
    found = paired_differences(
        table[kept], [(place[row.label], place[other.label]) for row, other in matched]
    )
    return [
        Gap(row.data, row.label, other.label, metric, group, difference)
        for (row, other), difference in zip(matched, found, strict=True)
    ]


def _sliced(matched: Sequence[tuple[Row, Row]], described: Described) -> list[Gap]:
    """By degree of the users, and by groups of items."""
    if not matched:
        return []
    users = matched[0][0].values["user"].to_numpy()
    gaps = []
    for name, members in user_groups(described.history).items():
        gaps += _gaps(matched, TARGET, TARGET, f"users {name}", members[users])
    seen = sorted((row.values.columns for pair in matched for row in pair), key=lambda columns: -len(columns))
    for name in column_groups(dict.fromkeys(column for columns in seen for column in columns)):
        column = group_column(name)
        # A model that does not see a modality has no group of its missing rows.
        able = [pair for pair in matched if all(column in row.values.columns for row in pair)]
        gaps += _gaps(able, TARGET, column, name if " " in name else f"{name} items")
    return gaps


def _over_seeds(row: Row, other: Row, part: str, metric: str) -> float | None:
    one = dict(zip(row.seeds, row.metrics[part][metric], strict=True))
    two = dict(zip(other.seeds, other.metrics[part][metric], strict=True))
    if len(one) == 1 or len(two) == 1:
        # A model that draws nothing has the same value for every seed of the other.
        many = one if len(two) == 1 else two
        one, two = (
            values if len(values) > 1 else dict.fromkeys(many, next(iter(values.values())))
            for values in (one, two)
        )
    shared = [seed for seed in one if seed in two]
    return seeds_test([one[seed] for seed in shared], [two[seed] for seed in shared])


def _adjusted(gaps: Sequence[Gap]) -> list[Gap]:
    out = list(gaps)
    for metric in METRICS:
        places = [place for place, gap in enumerate(gaps) if gap.metric == metric]
        for place, p in zip(places, holm([gaps[place].found.p for place in places]), strict=True):
            out[place] = replace(gaps[place], p_holm=p)
    return out
