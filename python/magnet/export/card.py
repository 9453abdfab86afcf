"""A page about a fitted model: what it is, what it was trained on, what it reached, and where it ends."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np

from magnet.config import changed
from magnet.evaluate.metrics import metric_title
from magnet.models.registry import find_model
from magnet.states import BlendState, DotState, ItemItemState, NeighbourState

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from magnet.run.contents import RunContents, RunDescription
    from magnet.states import State

__all__ = ["card_text"]

_DELIVERED = {
    "training": "the weights of the epoch that validation preferred",
    "backbone": "the backbone alone: validation preferred it to every mixture",
    "global": "constants: one weight for each cue, the same for every pair of user and item",
    "coverage": "the first stage of routing, in which all experts are used",
    "specialisation": "the second stage of routing, in which a pair uses a few experts",
}
_MASKS = {
    "strict": "training items are not ranked, nor, at test, validation items; users without history are answered by "
    "popularity",
    "mmrec": "training items are not ranked; users without history are left out",
}


def card_text(contents: RunContents, description: RunDescription, *, title: str | None = None) -> str:
    """The page, in Markdown.

    Args:
        contents: What the model knows.
        description: What was trained on what.
        title: Of the page; the model's name if not given.
    """
    parts = [
        f"# {title or description.model}",
        f"A recommender of the model `{description.model}`, made with Magnet {description.versions.get('magnet')}. "
        f"It scores by {_scores_by(contents.state)}.",
        "## What it is for",
        "Ranking the items of one catalogue for the users of one service, both those of the training data below. It "
        "answers which items a user may take next. It was measured for that and for nothing else: not for other "
        "catalogues, not for decisions about people, and not as a statement of what users think.",
        "## Settings",
        _settings(description),
        "## Data",
        "\n".join(f"- {line}" for line in _data(contents, description)),
        "## Results",
        _results(contents.metrics),
        "## Limits",
        "\n".join(f"- {line}" for line in _limits(contents)),
        "## Versions",
        ", ".join(f"{name} {version}" for name, version in description.versions.items()),
    ]
    return "\n\n".join(parts) + "\n"


def _scores_by(state: State) -> str:
    if isinstance(state, DotState):
        return f"inner products of vectors of width {state.items.shape[1]}"
    if isinstance(state, ItemItemState):
        return "what the items of a user's history say of every item"
    if isinstance(state, NeighbourState):
        return "votes of similar users"
    if isinstance(state, BlendState):
        return (
            f"a trained backbone and the signals {', '.join(state.cues)}, mixed for each user and item by "
            f"{len(state.experts)} experts, of which {state.top_experts} are kept"
        )
    return f"a `{type(state).__name__}`"


def _settings(description: RunDescription) -> str:
    default = find_model(description.model).config.build().resolved()
    different = list(_flat(changed(description.config, default)))
    seed = f"Seed {description.seed}. "
    if not different:
        return f"{seed}All settings are the defaults."
    rows = [f"| `{key}` | `{json.dumps(value, ensure_ascii=False)}` |" for key, value in different]
    head = f"{seed}These differ from the defaults (`magnet config {description.model}` lists all):"
    return "\n".join([head, "", "| setting | value |", "|---|---|", *rows])


def _flat(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in values.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def _data(contents: RunContents, description: RunDescription) -> list[str]:
    n_users, n_items = contents.train.shape
    said = [
        f"{n_users:,} users, {n_items:,} items",
        f"{contents.train.nnz:,} training interactions, {contents.valid.nnz:,} for validation; those of the test part, "
        "if there are any, are not kept in the run",
        f"content hash `{description.content_hash}`",
    ]
    source = description.source or {}
    if source:
        seed = f", drawn with seed {source['seed']}" if source.get("seed") else ""
        said.append(f"split: `{source.get('split')}`{seed}")
    else:
        said.append("the data came from memory, so that the split is not known here")
    kept = [f"{name} (missing for {_missing(rows):,} items)" for name, rows in contents.content.items()]
    said.append(f"content of items: {', '.join(kept) or 'none'}")
    return said


def _missing(rows: Any) -> int:
    return int((~rows.bool().any(1)).sum())


def _results(metrics: Mapping[str, Any]) -> str:
    found = {name: one for name, one in metrics.items() if one.get("metrics")}
    if not found:
        return (
            "Nothing was measured: the model was fitted without a validation part, or refitted on everything. What its "
            "settings reach is in the run that they come from."
        )
    names = list(dict.fromkeys(name for one in found.values() for name in one["metrics"]))
    rows = ["| metric | " + " | ".join(found) + " |", "|---|" + "---|" * len(found)]
    for name in names:
        values = [one["metrics"].get(name) for one in found.values()]
        cells = ["" if value is None else f"{value:.4f}" for value in values]
        rows.append(f"| {metric_title(name)} | " + " | ".join(cells) + " |")
    users = [f"{one.get('n_users', 0):,} users for {name}" for name, one in found.items()]
    protocols = {name.partition("/")[2] for name in found}
    masks = [f"`{name}`: {_MASKS[name]}." for name in _MASKS if name in protocols]
    notes = [
        "The whole catalogue is ranked for every user; averages over users: " + ", ".join(users) + ".",
        *masks,
    ]
    if not any(name.startswith("test/") for name in found):
        notes.append(
            "There is no result on the test part: settings were chosen on validation, which flatters."
        )
    return "\n".join(rows) + "\n\n" + " ".join(notes)


def _limits(contents: RunContents) -> list[str]:
    cold_users = int((np.diff(contents.train.indptr) == 0).sum())
    cold_items = int((contents.popularity == 0).sum())
    said = []
    if delivered := contents.facts.get("delivered"):
        said.append(f"What was delivered is {_DELIVERED.get(str(delivered), f'`{delivered}`')}.")
    if contents.facts.get("schedule"):
        said.append(
            "This is a refit on all parts for as many epochs as validation chose; nothing measures it."
        )
    said += [
        f"Users without a training interaction ({cold_users:,} here) and users that are not in the data are answered "
        "by popularity at best.",
        f"Items that are not in the data are never recommended; {cold_items:,} items have no training interaction.",
        "Users and items are known by the ids of the training data alone, in their type and spelling.",
        "It learnt from what users took, which depends on what they were shown.",
    ]
    return said
