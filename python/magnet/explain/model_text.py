"""The explanation of a model as a page of text."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from magnet.evaluate.metrics import metric_title
from magnet.tables import render, table

if TYPE_CHECKING:
    from rich.table import Table

    from magnet.explain.model import ModelExplanation

__all__ = ["model_text"]

# About how many epochs are listed; the JSON and the plot have all.
_EPOCHS = 12


def model_text(explained: ModelExplanation) -> str:
    """A readable page about a model."""
    e = explained
    parts: list[str | Table] = [
        f"{e.model}: {e.n_users:,} users, {e.n_items:,} items, {e.n_train:,} training interactions"
    ]
    if e.mixture_weight is not None:
        parts.append(
            f"{len(e.experts)} experts, {e.top_experts} kept for a pair; their mixture counts "
            f"{e.mixture_weight:g} times; router: {e.router or 'not known'}"
        )
    parts += ["", *(f"- {finding}" for finding in e.findings)]
    if e.use:
        parts += [
            "",
            "Use of experts on held-out pairs: mean weight after the top k, in percent",
            "",
            _use(e),
        ]
        parts += [
            "load: share of the places in the pairs' top three; u, i: users, items by training interactions"
        ]
    if e.graph_weights:
        rows = [[name, _number(e.lifts.get(name), 2), f"{w:.3f}"] for name, w in e.graph_weights.items()]
        parts += ["", table(["content graph", "lift", "weight"], rows)]
    if e.training.events:
        parts += ["", _epochs(e)]
    return render(parts)


def _use(e: ModelExplanation) -> Table:
    prefix = {"all": "", "users": "u ", "items": "i "}
    head = ["expert", "load", *(prefix[use.kind] + use.name for use in e.use)]
    rows = [["pairs", "", *(f"{use.routing.n_pairs:,}" for use in e.use)]]
    for position, expert in enumerate(e.experts):
        shares = [_percent(use.routing.weights[position], use.routing.n_pairs) for use in e.use]
        load = _percent(e.use[0].routing.loads[position], e.use[0].routing.n_pairs)
        rows.append([expert.name, load, *shares])
    rows += [
        [f"all {role}", "", *(_percent(use.roles[role], use.routing.n_pairs) for use in e.use)]
        for role in e.use[0].roles
    ]
    for name in ("pair_entropy", "marginal_entropy", "load_entropy", "mutual_information"):
        values = [_number(getattr(use.routing, name) if use.routing.n_pairs else None, 3) for use in e.use]
        rows.append([name.replace("_", " "), "", *values])
    return table(head, rows)


def _epochs(e: ModelExplanation) -> Table:
    events = e.training.events
    chosen = {0, len(events) - 1, *range(0, len(events), max(1, len(events) // _EPOCHS))}
    marked = {stage.best_epoch for stage in e.training.stages} | {e.training.fired_at}
    chosen |= {position for position, record in enumerate(events) if record["epoch"] in marked}
    curves = {"H pair": "pair_entropy", "H marginal": "marginal_entropy", "H loads": "load_entropy"}
    curves = curves if e.training.routed else {}
    metric = metric_title(e.training.metric).replace("Recall", "R")
    head = ["epoch", "stage", "loss", f"valid {metric}", *curves, *(["experts"] if curves else []), ""]
    rows = []
    for position in sorted(chosen):
        record = events[position]
        notes = [f"best of {s.name}" for s in e.training.stages if s.best_epoch == record["epoch"]]
        if record["epoch"] == e.training.fired_at:
            notes.append(f"trigger: {e.training.fired_by}")
        rows.append(
            [
                str(record["epoch"]),
                record["stage"],
                _number(record.get("terms", {}).get("loss"), 4),
                _number(record.get("valid", {}).get(e.training.metric), 4),
                *(_number(record.get(key), 3) for key in curves.values()),
                *([str(record.get("top_k", ""))] if curves else []),
                ", ".join(notes),
            ]
        )
    return table(head, rows, left=2)


def _number(value: Any, digits: int) -> str:
    return "" if value is None else f"{value:.{digits}f}"


def _percent(share: float, pairs: int) -> str:
    return f"{100 * share:.1f}" if pairs else ""
