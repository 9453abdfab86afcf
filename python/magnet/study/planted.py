"""Generated data have a truth: does what a model answers rest on the cue that was planted?

*Recovery* is the share of users for whom the planted cue is named. Ways to name it:

- raw: by occlusion, the cue whose absence changes the scores of the user's test items most;
- scaled: the same, each cue's change divided by its mean over users, because cues do not add equally much;
- mass: the cue that weighs most for the user's test items, over its mean weight;
- mass, history: the same for the pairs of the history, which needs no test items.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from magnet.evaluate import evaluate
from magnet.evaluate.metrics import TARGET
from magnet.evaluate.rank import score
from magnet.explain.routing import route_pairs
from magnet.states import BlendState
from magnet.synthetic.ceilings import ceiling_recall, ceiling_recovery
from magnet.synthetic.generator import CUES, GROUPS, Synthetic, driver_table
from magnet.synthetic.occlusion import name_cues
from magnet.synthetic.probe import linear_probe_recovery
from magnet.synthetic.recovery import chance, recovery
from magnet.synthetic.write import TRUTH_FILE, read_truth

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from magnet.data import Dataset
    from magnet.states import State

__all__ = ["oracle", "planted", "recovered", "yardsticks"]


def planted(dataset: Dataset) -> Synthetic | None:
    """The data with the truth that lies beside them; None for data that were not generated, or changed since.

    Raises:
        DataError: If the file of the truth is damaged.
    """
    if dataset.source is None or not (Path(dataset.source.path) / TRUTH_FILE).is_file():
        return None
    truth = read_truth(dataset.source.path)
    same = len(truth.groups) == dataset.n_users and len(truth.popularity) == dataset.n_items
    return Synthetic(dataset, truth) if same else None


def yardsticks(made: Synthetic) -> dict[str, Any]:
    """What recovery and Recall@20 are measured by, JSON-compatible.

    Chance (the best cue for everybody), a linear probe that is taught with the truth about other users, the most
    probable driver under the true model, and the Recall@20 of ranking by the truth under each protocol.
    """
    return {
        "difficulty": made.truth.difficulty,
        "chance": chance(made.truth.groups),
        "linear probe": linear_probe_recovery(made).share,
        "ceiling": ceiling_recovery(made).share,
        TARGET: {
            protocol: ceiling_recall(made, "test", protocol=protocol) for protocol in ("strict", "mmrec")
        },
    }


def recovered(state: State, made: Synthetic) -> dict[str, Any] | None:
    """Recovery of one answer, by way of naming; ``scaled, GROUP`` among the users of each group.

    None for a state whose cues are not those of the generator, such as a backbone alone.
    """
    if not isinstance(state, BlendState) or tuple(state.cues) != tuple(CUES):
        return None
    groups = made.truth.groups
    test, train = (_pairs(part) for part in (made.dataset.test, made.dataset.train))
    found = name_cues(lambda cue: score(state if cue is None else state.turned({cue: 0.0}), *test), test[0])
    ways = {
        "raw": (found.users, found.named),
        "scaled": (found.users, _largest(found.effects)),
        "mass": _by_weight(state, *test),
        "mass, history": _by_weight(state, *train),
    }
    out: dict[str, Any] = {}
    for way, (users, named) in ways.items():
        got = recovery(groups[users], named)
        out[way] = got.share
        if way == "scaled":
            out |= {f"scaled, {group}": share for group, share in got.by_group.items()}
    return out


def oracle(state: State, made: Synthetic, *, protocol: str) -> dict[str, float] | None:
    """The same model with a router that knows the truth: each user has the dominant experts of the planted cues alone.

    Returns:
        Its Recall@20 on the test part, and what :func:`recovered` says; None where that says nothing, or an expert of
        that role is missing.
    """
    if not isinstance(state, BlendState) or tuple(state.cues) != tuple(CUES):
        return None
    names = [f"dominant/{cue}" for cue in CUES]
    if not set(names) <= set(state.experts):
        return None
    drives = driver_table(GROUPS, len(CUES))[made.truth.groups]  # (U, C)
    allowed = np.zeros((len(drives), len(state.experts)), bool)
    for cue, name in enumerate(names):
        allowed[:, state.experts.index(name)] = drives[:, cue]
    logits = torch.from_numpy(np.where(allowed, 0.0, -np.inf).astype(np.float32))
    knowing = replace(
        state,
        user_logits=logits,
        item_logits=torch.where(state.item_logits.isinf(), state.item_logits, 0.0),
        top_experts=len(state.experts),
    )
    said = recovered(knowing, made)
    assert said is not None
    return {
        TARGET: evaluate(knowing, made.dataset, "test", protocol=protocol, ks=[20]).metrics[TARGET],
        **said,
    }


def _pairs(part: Any) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    rows = part.tocoo()
    return rows.row.astype(np.int32), rows.col.astype(np.int32)


def _by_weight(
    state: BlendState, users: NDArray[np.int32], items: NDArray[np.int32]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The users who have pairs, and the cue that weighs most in theirs."""
    weights = state.weight * (route_pairs(state, users, items).weights @ state.roles.double().numpy())
    there, at, counts = np.unique(users, return_inverse=True, return_counts=True)
    sums = np.zeros((len(there), weights.shape[1]))
    np.add.at(sums, at, weights)
    return there.astype(np.int64), _largest(sums / counts[:, None])


def _largest(values: ArrayLike) -> NDArray[np.int64]:
    """For each row the column that is largest over its mean."""
    size = np.abs(values)
    named: NDArray[np.int64] = np.argmax(size / np.maximum(size.mean(0), 1e-12), axis=1)
    return named
