"""Items like an item and users like a user: by the model's vectors, by its operator, by content, by who took what."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import torch
from scipy.sparse import csr_array

from magnet.data.unit_length import unit_length
from magnet.errors import ConfigError, nearest
from magnet.evaluate.rank import Ranking, rank
from magnet.states import BlendState, DotState, ItemItemState

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from magnet.run.contents import RunContents
    from magnet.states import State

__all__ = ["similar_items", "similar_users"]


def similar_items(
    contents: RunContents, items: NDArray[np.int32], k: int, by: str, *, hidden: NDArray[np.bool_] | None
) -> Ranking:
    """The items most like each of some items, never itself; see :meth:`magnet.Recommender.similar_items`.

    Args:
        contents: What a finished run knows.
        items: Indices, ``(B,)``.
        k: Places.
        by: ``model``, ``taken``, or a modality.
        hidden: Items that may not be named, ``(I,)``.

    Raises:
        ConfigError: If items cannot be compared by that.
    """
    state, n_items = contents.state, contents.train.shape[1]
    if by == "model":
        among = _by_model(contents, state, items)
    elif by == "taken":
        among = _Alike(contents.train.T.tocsr(), items)
    elif by in contents.content:
        rows = _unit(contents.content[by])
        among = DotState(rows[torch.from_numpy(items.astype(np.int64))], rows)
    else:
        raise ConfigError(
            f"items cannot be compared by {by!r}{nearest(by, ['model', 'taken', *contents.content])}"
        )
    hide = np.zeros((len(items), n_items), np.bool_) if hidden is None else np.tile(hidden, (len(items), 1))
    if by in contents.content:
        # Who lacks the modality is like nothing, rather than like everything a little.
        bare = ~contents.content[by].any(1).numpy()
        hide |= bare | bare[items][:, None]
    hide[np.arange(len(items)), items] = True
    return rank(among, np.arange(len(items), dtype=np.int32), csr_array(hide.astype(np.float32)), k)


def similar_users(contents: RunContents, users: NDArray[np.int32], k: int, by: str) -> Ranking:
    """The users most like each of some users, never oneself; see :meth:`magnet.Recommender.similar_users`.

    Args:
        contents: What a finished run knows.
        users: Indices, ``(B,)``.
        k: Places.
        by: ``model`` or ``taken``.

    Raises:
        ConfigError: If users cannot be compared by that.
    """
    state = contents.state
    if by not in ("model", "taken"):
        raise ConfigError(f"users cannot be compared by {by!r}{nearest(by, ['model', 'taken'])}")
    if by == "model" and isinstance(state, DotState | BlendState) and not _all_alike(state.users):
        rows = _unit(state.users)
        among: State = DotState(rows[torch.from_numpy(users.astype(np.int64))], rows)
    else:
        among = _Alike(contents.train, users)
    own = csr_array(
        (np.ones(len(users), np.float32), (np.arange(len(users)), users)), shape=(len(users), among.shape[1])
    )
    return rank(among, np.arange(len(users), dtype=np.int32), own, k)


def _by_model(contents: RunContents, state: State, items: NDArray[np.int32]) -> State:
    at = torch.from_numpy(items.astype(np.int64))
    n_items = contents.train.shape[1]
    single = csr_array(
        (np.ones(len(items), np.float32), (np.arange(len(items)), items)), shape=(len(items), n_items)
    )
    if isinstance(state, ItemItemState):
        return ItemItemState(single, state.operator)
    if isinstance(state, BlendState):
        # What the mixture would say of a person who took this one item, were the backbone a cosine and the person
        # weighed like the mean of all.
        rows = _unit(state.items)
        said = torch.where(torch.isfinite(state.user_logits), state.user_logits, torch.nan).nanmean(0)
        logits = torch.nan_to_num(said, nan=-torch.inf).repeat(len(items), 1)
        return replace(state, users=rows[at], items=rows, history=single, user_logits=logits)
    if isinstance(state, DotState) and not _all_alike(state.users):
        rows = _unit(state.items)
        return DotState(rows[at], rows)
    raise ConfigError(
        f"this model, a {type(state).__name__}, says nothing of two items; compare them by "
        f"{', '.join(repr(name) for name in ['taken', *contents.content])}"
    )


class _Alike:
    """Cosines of rows of ones: shared entries over the root of both numbers of entries."""

    def __init__(self, matrix: csr_array, rows: NDArray[np.int32]) -> None:
        roots = np.sqrt(np.maximum(np.diff(matrix.indptr), 1))
        values = (1 / roots).astype(np.float32).repeat(np.diff(matrix.indptr))
        self._rows = csr_array((values, matrix.indices, matrix.indptr), shape=matrix.shape)
        self._columns, self._asked = self._rows.T.tocsr(), rows

    @property
    def shape(self) -> tuple[int, int]:
        return len(self._asked), self._rows.shape[0]

    def scores(self, users: NDArray[np.int32]) -> NDArray[np.float32]:
        shared = self._rows[self._asked[users]] @ self._columns
        cosines: NDArray[np.float32] = np.asarray(shared.toarray(), np.float32)
        cosines[cosines <= 0] = -np.inf  # who shares nothing is not alike
        return cosines


def _unit(rows: torch.Tensor) -> torch.Tensor:
    return torch.from_numpy(unit_length(rows.float().numpy()))


def _all_alike(users: torch.Tensor) -> bool:
    """Whether all users are one: a list for everyone, of which no likeness follows."""
    return users.shape[1] == 1 or bool((users == users[:1]).all())
