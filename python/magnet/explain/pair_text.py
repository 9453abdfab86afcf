"""The explanation of a pair as a page of text."""

from __future__ import annotations

from typing import TYPE_CHECKING

from magnet.explain.nearest import item_name
from magnet.tables import render, table

if TYPE_CHECKING:
    from rich.table import Table

    from magnet.explain.pair import PairExplanation

__all__ = ["pair_text"]

# How many items of the history are listed; the contributions of the others are added up.
_LISTED = 8
# How many of them are named for a cue.
_NAMED = 2


def pair_text(pair: PairExplanation) -> str:
    """A readable page about one pair."""
    name = pair.item_name
    called = "" if name == str(pair.item_id) else f" '{name}'"
    parts: list[str | Table] = [f"{pair.model}: user {pair.user_id!r}, item {pair.item_id!r}{called}"]
    parts.append(f"score {pair.score:+.4f}")
    if pair.has_it is not None:
        where = {"train": "training", "valid": "validation"}[pair.has_it]
        parts.append(f"The user has this item already, in the {where} part.")
    if pair.n_history == 0:
        parts.append(
            "The user has no training interactions: recommend answers with popular items, not by this score."
        )
    if pair.experts:
        parts += [
            "",
            _experts(pair),
            f"The mixture counts {pair.mixture_weight:g} times; a weight of 0 is an unused expert.",
        ]
    if pair.cues:
        parts += ["", _cues(pair)]
    if pair.history:
        parts += ["", _history(pair)]
    if pair.nearest:
        parts += ["", _nearest(pair)]
        silent = [name for name, items in pair.nearest.items() if not items]
        if silent and pair.n_history:
            parts.append(f"Nothing to compare in {', '.join(silent)}: a feature row is missing.")
    parts += ["", f"In short: {pair.reason}"]
    return render(parts)


def _experts(pair: PairExplanation) -> Table:
    rows = [["backbone", "", "", "", "", f"{pair.backbone:+.4f}"]]
    rows += [
        [
            part.name,
            " ".join(f"{cue} {share:.2f}" for cue, share in part.cue_weights.items()),
            f"{part.value:+.3f}",
            f"{part.dense:.3f}",
            f"{part.weight:.3f}",
            f"{part.contribution:+.4f}",
        ]
        for part in pair.experts
    ]
    total = pair.backbone + sum(part.contribution for part in pair.experts)
    rows.append(["sum", "", "", "", "", f"{total:+.4f}"])
    head = ["part", "cues it mixes", "says", "router", "after top k", "contribution"]
    return table(head, rows, left=2)


def _cues(pair: PairExplanation) -> Table:
    rows = [
        [
            cue.name,
            f"{cue.value:+.3f}",
            f"{cue.weight:+.3f}",
            f"{cue.contribution:+.4f}",
            ", ".join(f"{part.name} {part.contribution:+.2f}" for part in cue.history[:_NAMED]) or "nothing",
        ]
        for cue in pair.cues
    ]
    head = ["cue", "says", "weight", "contribution", "because of"]
    return table(head, rows, left=1)


def _history(pair: PairExplanation) -> Table:
    rows = [
        [part.name, item_name(None, part.item_id), f"{part.contribution:+.4f}"]
        for part in pair.history[:_LISTED]
    ]
    rest = pair.history[_LISTED:]
    if rest:
        rows.append([f"{len(rest)} others", "", f"{sum(part.contribution for part in rest):+.4f}"])
    return table(["item of the history", "id", "contribution"], rows, left=2)


def _nearest(pair: PairExplanation) -> Table:
    rows = [
        [modality, near.name, item_name(None, near.item_id), f"{near.cosine:.3f}"]
        for modality, items in pair.nearest.items()
        for near in items
    ]
    return table(["nearest in", "item of the history", "id", "cosine"], rows, left=3)
