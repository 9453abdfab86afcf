"""People whom the model has not seen: what it would say of them, from their histories and without training."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from magnet.errors import MagnetError
from magnet.models.mixing.inputs import described_users
from magnet.models.user_knn import user_neighbours
from magnet.states import BlendState, DotState, ItemItemState, NeighbourState

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray
    from scipy.sparse import csr_array

    from magnet.run.contents import RunContents
    from magnet.states import State

__all__ = ["folded_vectors", "state_of_histories"]

# Of the mean square of the inputs: keeps the linear map of folding in solvable where items are fewer than dimensions.
_RIDGE = 1e-4


def state_of_histories(
    contents: RunContents, histories: csr_array, settings: Mapping[str, Any], *, state: State | None = None
) -> State:
    """The model's state for people who are only known by what they took.

    Item–item operators and the votes of users score any history, exactly as they score those of training. Vectors are
    folded in, see :func:`folded_vectors`; the experts of a mixture weigh a newcomer by the same inputs as everyone.

    Args:
        contents: What a finished run knows.
        histories: What each of them took, ``(B, I)``, ones.
        settings: The model's resolved configuration.
        state: The model's state, where cues or roles were turned by hand.

    Returns:
        A state of B users; those with an empty history score nothing of sense.

    Raises:
        MagnetError: If the model is from outside and has no ``newcomers(histories)`` of its own.
    """
    state = contents.state if state is None else state
    if isinstance(state, DotState):
        return DotState(folded_vectors(contents.train, state.users, state.items, histories), state.items)
    if isinstance(state, ItemItemState):
        return ItemItemState(histories, state.operator)
    if isinstance(state, NeighbourState):
        near = user_neighbours(
            state.history, settings["neighbours"], shrink=settings["shrink"], queries=histories
        )
        return NeighbourState(near, state.history)
    if isinstance(state, BlendState):
        return replace(
            state,
            users=folded_vectors(contents.train, state.users, state.items, histories),
            history=histories,
            user_logits=_user_logits(contents, state, histories),
        )
    if hasattr(state, "newcomers"):
        made: State = state.newcomers(histories)
        return made
    raise MagnetError(
        f"a {type(state).__name__} scores the users of its training only: its class has no method "
        "newcomers(histories) that makes a state for histories, (B, I)"
    )


def folded_vectors(
    train: csr_array, users: torch.Tensor, items: torch.Tensor, histories: csr_array
) -> torch.Tensor:
    r"""Vectors of users by what they took: the linear map that makes, of all users of the training, their own vectors.

    .. math::
        z(h) = \Big(\tfrac{1}{|h|} \sum_{j \in h} z_j\Big) A, \qquad
        A = \arg\min_A \sum_u \lVert \bar z_u A - z_u \rVert^2 + λ \lVert A \rVert^2

    with :math:`\bar z_u` the mean vector of the items of u. Where users are a linear function of their items, as in
    LightGCN but for the users' own first layer, the map finds it.

    Args:
        train: Training interactions, ``(U, I)``.
        users: Vectors, ``(U, D)``.
        items: Vectors, ``(I, D)``.
        histories: ``(B, I)``.

    Returns:
        ``(B, D)``, float32; zeros for an empty history.
    """
    if bool((users == users[:1]).all()):  # one list for everyone
        return users[:1].repeat(histories.shape[0], 1)
    table = items.double().numpy()
    known = np.flatnonzero(np.diff(train.indptr) > 0)
    means, own = _means(train, table)[known], users.double().numpy()[known]
    gram = means.T @ means
    level = _RIDGE * max(np.trace(gram) / len(gram), np.finfo(np.float64).tiny)
    mapping = np.linalg.solve(gram + level * np.eye(len(gram)), means.T @ own)
    return torch.from_numpy((_means(histories, table) @ mapping).astype(np.float32))


def _means(histories: csr_array, table: NDArray[np.float64]) -> NDArray[np.float64]:
    n = np.maximum(np.diff(histories.indptr), 1)
    sums: NDArray[np.float64] = histories.astype(np.float64) @ table
    return sums / n[:, None]


def _user_logits(contents: RunContents, state: BlendState, histories: csr_array) -> torch.Tensor:
    """The users' half of the router for newcomers: it is linear in its inputs, so those of all users tell the map."""
    rows = {name: rows.float().numpy() for name, rows in contents.content.items()}
    inputs = described_users(contents.train, rows, histories)
    logits = state.user_logits.double().numpy()
    out = np.full((histories.shape[0], logits.shape[1]), -np.inf, np.float32)
    has = _cues_of(state, histories)
    for expert, name in enumerate(state.experts):
        on = np.isfinite(logits[:, expert]) & (np.diff(contents.train.indptr) > 0)
        there = has[:, _defining(name, list(state.cues))].all(1)
        if not on.any() or not there.any():
            continue
        known = np.column_stack([inputs.known[on], np.ones(on.sum())])
        weights, *_ = np.linalg.lstsq(known, logits[on, expert], rcond=1e-8)
        out[there, expert] = (np.column_stack([inputs.asked, np.ones(len(out))]) @ weights)[there]
    return torch.from_numpy(out)


def _defining(expert: str, cues: list[str]) -> list[int]:
    """The cues without which an expert is off, by its name: ``role/cue+cue``."""
    _, _, of = expert.partition("/")
    groups = (group for size in range(len(cues) + 1) for group in combinations(range(len(cues)), size))
    return next((list(group) for group in groups if "+".join(cues[cue] for cue in group) == of), [])


def _cues_of(state: BlendState, histories: csr_array) -> NDArray[np.bool_]:
    """Whether each cue says anything of each history, ``(B, C)``."""
    said = [histories @ operator.sources.astype(np.float64) > 0 for operator in state.cues.values()]
    return np.stack(said, 1) if said else np.zeros((histories.shape[0], 0), np.bool_)
