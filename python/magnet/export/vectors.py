"""Vectors of users and items for a search index, exact where the model is one of vectors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch

from magnet.errors import ConfigError
from magnet.export.factors import FIT_USERS, factorised
from magnet.export.measure import Agreement, agreement
from magnet.operators import FactorOperator
from magnet.operators.base import product
from magnet.states import BlendState, DotState, ItemItemState

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from magnet.run.contents import RunContents
    from magnet.states import State

__all__ = ["Vectors", "make_vectors"]


@dataclass(frozen=True, eq=False)
class Vectors:
    """Vectors whose inner products order a user's items as the model does, or nearly so.

    Attributes:
        users: ``(U, D)``, float32.
        items: ``(I, D)``, float32.
        kind: ``exact``, ``approximation``, or ``backbone``.
        how: What they are, in a sentence.
        agreement: With the model's own lists, measured.
    """

    users: NDArray[np.float32]
    items: NDArray[np.float32]
    kind: str
    how: str
    agreement: Agreement

    @property
    def state(self) -> DotState:
        """The vectors as a model."""
        return DotState(torch.from_numpy(self.users), torch.from_numpy(self.items))

    def text(self) -> str:
        """What they are and how near they come."""
        return f"{self.how}; {self.agreement.text()}"

    def to_json(self) -> dict[str, Any]:
        """JSON-ready data."""
        return {
            "kind": self.kind,
            "dim": int(self.items.shape[1]),
            "how": self.how,
            "agreement": self.agreement.to_json(),
        }


def make_vectors(contents: RunContents, *, rank: int, backbone: bool = False, seed: int = 0) -> Vectors:
    """Vectors that stand for a model.

    Args:
        contents: What the model knows.
        rank: Width of an approximation.
        backbone: Take the trained backbone of a mixture instead of an approximation of the whole.
        seed: Of the approximation's start.

    Raises:
        ConfigError: If a backbone is asked of a model that has none beside something else.
    """
    state = contents.state
    users, items, kind, how = _found(state, rank, backbone, seed)
    seen = (contents.train + contents.valid).tocsr()
    seen.sort_indices()
    made = DotState(torch.from_numpy(users), torch.from_numpy(items))
    return Vectors(users, items, kind, how, agreement(state, made, train=contents.train, seen=seen))


def _found(
    state: State, rank: int, backbone: bool, seed: int
) -> tuple[NDArray[np.float32], NDArray[np.float32], str, str]:
    if backbone:
        if not isinstance(state, BlendState):
            raise ConfigError(
                "vectors of a backbone are asked for, and this model is no mixture over one; leave it out"
            )
        how = "the trained vectors of the backbone, without the signals and the mixture over them"
        return state.users.numpy(), state.items.numpy(), "backbone", how
    if isinstance(state, DotState):
        how = f"the model's own vectors of width {state.items.shape[1]}, whose inner products are its scores"
        return state.users.numpy(), state.items.numpy(), "exact", how
    if isinstance(state, ItemItemState) and isinstance(state.operator, FactorOperator):
        profiles = product(state.history, state.operator.left)
        how = f"sums over users' histories, of width {profiles.shape[1]}, whose inner products are the model's scores"
        return profiles, state.operator.right, "exact", how
    users, items = factorised(state, rank, seed=seed)
    fit = f", found by {FIT_USERS:,} of the users" if state.shape[0] > FIT_USERS else ""
    how = (
        f"an approximation of the model's scores by a truncated singular value decomposition of rank "
        f"{items.shape[1]}{fit}"
    )
    return users, items, "approximation", how
