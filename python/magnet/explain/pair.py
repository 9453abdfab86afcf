"""Why a user gets an item: the score taken apart, and the items of the history that are most like it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from magnet.errors import DataError
from magnet.evaluate.rank import score
from magnet.explain.experts import ExpertInfo, experts_of
from magnet.explain.nearest import (
    NearItem,
    history_of,
    item_name,
    json_id,
    nearest_items,
    title_of,
)
from magnet.states import BlendState, ItemItemState

if TYPE_CHECKING:
    from collections.abc import Hashable
    from pathlib import Path

    from numpy.typing import NDArray

    from magnet.blend import BlendParts
    from magnet.run.contents import RunContents

__all__ = ["CueShare", "ExpertShare", "HistoryShare", "PairExplanation", "explain_pair", "reason"]


@dataclass(frozen=True)
class ExpertShare:
    """What one expert adds to a score.

    Attributes:
        name: Of the expert.
        role: ``dominant``, ``balanced``, ``complementary``, or another the expert was registered with.
        value: s_e, what the expert itself says.
        dense: p_e, what the router gives it before the top k.
        weight: The same after the top k; what is used.
        contribution: λ · weight · value.
        cue_weights: How much of each cue the expert mixes, where every cue exists; empty if not known.
    """

    name: str
    role: str
    value: float
    dense: float
    weight: float
    contribution: float
    cue_weights: dict[str, float]


@dataclass(frozen=True)
class HistoryShare:
    """What one item of the history adds to the score of an item–item model."""

    item: int
    item_id: Hashable
    title: str | None
    contribution: float

    @property
    def name(self) -> str:
        """The title, or else the id."""
        return item_name(self.title, self.item_id)


@dataclass(frozen=True)
class CueShare:
    """What one cue adds to the score of a mixture over signals, and which items of the history said so.

    Attributes:
        name: Of the cue.
        value: ŝ_c, its standardised score of the pair.
        weight: w_c, what all experts together make of it for this pair.
        contribution: weight · value.
        history: The contribution shared out over the items of the history, in proportion to what each adds to the
            cue's own score, the strongest first. Empty where the history says nothing of the item.
    """

    name: str
    value: float
    weight: float
    contribution: float
    history: list[HistoryShare]


@dataclass(frozen=True)
class PairExplanation:
    """One score taken apart: ``backbone`` and the contributions of ``experts`` and ``history`` sum to it.

    So do ``backbone`` and the contributions of ``cues``, where the experts mix signals: it is the same sum, ordered by
    what was said instead of by who weighed it.

    Attributes:
        model: Registered name of the model.
        user_id: The user's own key.
        item_id: The same for the item.
        title: Of the item, None if the data have none.
        score: What the ranking sorts by.
        backbone: ``⟨z_u, z_i⟩``; 0 for an item–item model, which has none.
        mixture_weight: λ, None for a model without a mixture.
        experts: A part for each expert.
        history: A part for each item of the history that adds something, the strongest first; for an
            item–item model.
        cues: A part for each cue of a mixture over signals.
        nearest: The user's training items nearest to the item, by modality, at most three each.
        has_it: The part of the data in which the user has the item already, ``train`` or ``valid``, or None.
        n_history: Training items of the user.
        n_users: Users who have the item in training.
        reason: All of it in one line.
    """

    model: str
    user_id: Hashable
    item_id: Hashable
    title: str | None
    score: float
    backbone: float
    mixture_weight: float | None
    experts: list[ExpertShare]
    history: list[HistoryShare]
    nearest: dict[str, list[NearItem]]
    has_it: str | None
    n_history: int
    n_users: int
    reason: str = ""
    cues: list[CueShare] = field(default_factory=list)

    @property
    def item_name(self) -> str:
        """The item's title, or else its id."""
        return item_name(self.title, self.item_id)

    def text(self) -> str:
        """A readable page."""
        from magnet.explain.pair_text import pair_text

        return pair_text(self)

    def to_json(self) -> dict[str, Any]:
        """JSON-compatible data; ids that JSON cannot hold become text."""
        experts = [
            {
                "name": part.name,
                "role": part.role,
                "score": part.value,
                "weight_dense": part.dense,
                "weight": part.weight,
                "contribution": part.contribution,
                "cue_weights": part.cue_weights,
            }
            for part in self.experts
        ]
        history = [
            {"item_id": json_id(part.item_id), "title": part.title, "contribution": part.contribution}
            for part in self.history
        ]
        cues = [
            {
                "name": cue.name,
                "score": cue.value,
                "weight": cue.weight,
                "contribution": cue.contribution,
                "history": [
                    {"item_id": json_id(part.item_id), "title": part.title, "contribution": part.contribution}
                    for part in cue.history
                ],
            }
            for cue in self.cues
        ]
        return {
            "model": self.model,
            "user_id": json_id(self.user_id),
            "item_id": json_id(self.item_id),
            "title": self.title,
            "score": self.score,
            "backbone": self.backbone,
            "mixture_weight": self.mixture_weight,
            "experts": experts,
            "history": history,
            "cues": cues,
            "nearest": {name: [near.to_json() for near in items] for name, items in self.nearest.items()},
            "has_it": self.has_it,
            "n_history": self.n_history,
            "n_users": self.n_users,
            "reason": self.reason,
        }

    def plot(self, path: str | Path) -> None:
        """Draw the contributions as bars into a file (.png, .svg or .pdf).

        Raises:
            MissingExtraError: If matplotlib is not installed.
            DataError: If the file's ending is another.
            MagnetError: If the file cannot be written.
        """
        from magnet.explain.plot_pair import plot_pair

        plot_pair(self, path)


def explain_pair(contents: RunContents, user: int, item: int, *, model: str) -> PairExplanation:
    """Take the score of a user and an item apart.

    Args:
        contents: What a finished run knows.
        user: User index.
        item: Item index.
        model: Registered name of the model.

    Raises:
        DataError: If an index is out of range.
    """
    n_users, n_items = contents.train.shape
    for name, index, size in (("user", user, n_users), ("item", item, n_items)):
        if not 0 <= index < size:
            raise DataError(f"{name} must lie inside 0..{size}, got {index}")
    state = contents.state
    total = float(score(state, [user], [item])[0])
    backbone, weight = total, None
    experts: list[ExpertShare] = []
    history: list[HistoryShare] = []
    cues: list[CueShare] = []
    if isinstance(state, BlendState):
        parts = state.parts(user, item)
        backbone, weight = parts.base, state.weight
        said = (state.roles.double().numpy() @ parts.cues.astype(np.float64)).tolist()
        infos = experts_of(contents.facts, state.experts)
        columns = zip(infos, said, parts.dense.tolist(), parts.kept.tolist(), strict=True)
        experts = [_expert(info, s, p, w, state.weight) for info, s, p, w in columns]
        cues = _cues(contents, state, parts, user)
    elif isinstance(state, ItemItemState):
        backbone = 0.0
        history = _history(contents, state, user, item)
    explained = PairExplanation(
        model=model,
        user_id=contents.user_ids[user],
        item_id=contents.item_ids[item],
        title=title_of(contents, item),
        score=total,
        backbone=backbone,
        mixture_weight=weight,
        experts=experts,
        history=history,
        cues=cues,
        nearest=nearest_items(contents, user, item),
        has_it=_owned(contents, user, item),
        n_history=len(history_of(contents, user)),
        n_users=int((contents.train.indices == item).sum()),
    )
    return replace(explained, reason=_reason(explained, contents.facts.get("graph_weights", {})))


def reason(contents: RunContents, user: int, item: int) -> str:
    """Say in one line why a user gets an item.

    Args:
        contents: What a finished run knows.
        user: User index.
        item: Item index.

    Returns:
        Such as ``because of 'A' and 'B'; 62 % text, 30 % behaviour, +1.20 beside the backbone's +2.31``.

    Raises:
        DataError: If an index is out of range.
    """
    return explain_pair(contents, user, item, model="").reason


def _expert(info: ExpertInfo, value: float, dense: float, weight: float, scale: float) -> ExpertShare:
    # An unused expert adds 0, not -0 or the NaN of a zero weight on an infinite value.
    contribution = scale * weight * value if weight else 0.0
    return ExpertShare(info.name, info.role, value, dense, weight, contribution, dict(info.cue_weights))


def _cues(contents: RunContents, state: BlendState, parts: BlendParts, user: int) -> list[CueShare]:
    row = slice(state.history.indptr[user], state.history.indptr[user + 1])
    taken = state.history.indices[row]
    shares = []
    for number, name in enumerate(state.cues):
        value, weight = float(parts.cues[number]), float(parts.weights[number])
        added, total = parts.by_history[number], float(parts.by_history[number].sum())
        of_items = added * (weight * value / total) if total else np.zeros(len(added))
        shares.append(CueShare(name, value, weight, weight * value, _shares(contents, taken, of_items)))
    return shares


def _history(contents: RunContents, state: ItemItemState, user: int, item: int) -> list[HistoryShare]:
    row = slice(state.history.indptr[user], state.history.indptr[user + 1])
    items = state.history.indices[row]
    added = state.history.data[row].astype(np.float64) * state.operator.column(item)[items]
    return _shares(contents, items, added)


def _shares(
    contents: RunContents, items: NDArray[np.integer[Any]], added: NDArray[np.float64]
) -> list[HistoryShare]:
    """What each item added, the strongest first; items that added nothing are left out."""
    order = np.lexsort((items, -np.abs(added)))
    return [
        HistoryShare(
            int(items[at]), contents.item_ids[items[at]], title_of(contents, items[at]), float(added[at])
        )
        for at in order
        if added[at] != 0
    ]


def _reason_of_cues(pair: PairExplanation) -> str:
    """Such as ``because of 'A' and 'B'; 62 % text, 30 % behaviour, +1.20 beside the backbone's +2.31``."""
    added = {cue.name: cue.contribution for cue in pair.cues if cue.contribution > 0}
    net = sum(cue.contribution for cue in pair.cues)
    if net <= 0:
        return f"the backbone gives {pair.backbone:+.2f}, the cues together {net:+.2f}"
    by_item: dict[str, float] = {}
    for cue in pair.cues:
        for part in cue.history:
            by_item[part.name] = by_item.get(part.name, 0.0) + part.contribution
    best = [name for name, value in sorted(by_item.items(), key=lambda of: -of[1]) if value > 0][:2]
    because = "because of " + " and ".join(f"'{name}'" for name in best) + "; " if best else ""
    total = sum(added.values())
    ordered = sorted(added.items(), key=lambda of: -of[1])
    shares = ", ".join(f"{value / total:.0%} {name}" for name, value in ordered if value / total >= 0.05)
    return f"{because}{shares}, {net:+.2f} beside the backbone's {pair.backbone:+.2f}"


def _owned(contents: RunContents, user: int, item: int) -> str | None:
    for name, part in (("train", contents.train), ("valid", contents.valid)):
        if item in part.indices[part.indptr[user] : part.indptr[user + 1]]:
            return name
    return None


def _reason(pair: PairExplanation, graph_weights: dict[str, float]) -> str:
    taken = "1 user has it" if pair.n_users == 1 else f"{pair.n_users} users have it"
    if pair.n_history == 0:
        return f"popular: {taken}; this user has no history"
    if pair.cues:
        return _reason_of_cues(pair)
    said = []
    if pair.history:
        best_item = max(pair.history, key=lambda part: part.contribution)
        if best_item.contribution > 0:
            said.append(f"because of '{best_item.name}' ({best_item.contribution:+.2f})")
    # Content is no cause where the model does not look at it, so likeness in content never stands alone.
    said = said or [taken]
    # Cosines of two modalities cannot be compared, so the modality is the one whose graph weighs most. A cosine of zero
    # or less is no likeness.
    near = {name: items[0] for name, items in pair.nearest.items() if items and items[0].cosine > 0}
    if near:
        modality = max(near, key=lambda m: (graph_weights.get(m, 0.0), near[m].cosine))
        said.append(f"closest in {modality} to '{near[modality].name}' ({near[modality].cosine:.2f})")
    return "; ".join(said)
