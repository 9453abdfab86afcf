"""How much of a model's lists a simpler model gives back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from magnet.evaluate.rank import rank

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from scipy.sparse import csr_array

    from magnet.states import State

__all__ = ["Agreement", "agreement"]

_TOP, _CANDIDATES = 20, 100
_USERS = 5_000
"""Users that are compared at most: a share of 5,000 lists is known to less than a percent."""


@dataclass(frozen=True)
class Agreement:
    """Shares of the model's own lists that another one gives back, averages over users.

    Attributes:
        n_users: Compared.
        of_users: From how many.
        top: Length of the model's lists.
        recall: Share of them among the first ``top`` of the other one.
        candidates: Length of longer lists.
        recall_of_candidates: Share of the model's lists among the first ``candidates`` of the other one.
    """

    n_users: int
    of_users: int
    top: int
    recall: float
    candidates: int
    recall_of_candidates: float

    def text(self) -> str:
        """The measurement in a sentence."""
        which = (
            f"all {self.n_users:,} users"
            if self.n_users == self.of_users
            else f"{self.n_users:,} of {self.of_users:,} users, evenly spaced"
        )
        return (
            f"of the model's {self.top} best unseen items {self.recall:.1%} are among the first {self.top} and "
            f"{self.recall_of_candidates:.1%} among the first {self.candidates} (measured over {which} with a history)"
        )

    def to_json(self) -> dict[str, Any]:
        """JSON-ready data."""
        return {
            "n_users": self.n_users,
            "of_users": self.of_users,
            f"recall@{self.top}": self.recall,
            f"recall@{self.top}_in_{self.candidates}": self.recall_of_candidates,
        }


def agreement(true: State, other: State, *, train: csr_array, seen: csr_array) -> Agreement:
    """Compare the lists of two models, unseen items alone, as :meth:`magnet.Recommender.recommend` makes them.

    Args:
        true: The model.
        other: What stands for it, for the same users and items.
        train: ``(U, I)``; users without an entry are left out, since popularity answers them.
        seen: Items that are not recommended, ``(U, I)``, sorted columns.
    """
    n_items = true.shape[1]
    known = np.flatnonzero(np.diff(train.indptr) > 0).astype(np.int32)
    users = known[np.linspace(0, len(known) - 1, min(len(known), _USERS)).astype(np.int64)]
    top, candidates = min(_TOP, n_items), min(_CANDIDATES, n_items)
    wanted = rank(true, users, seen, top).items
    found = rank(other, users, seen, candidates).items
    there = wanted >= 0
    shares = [_share(wanted, there, found[:, :cut]) for cut in (top, candidates)]
    return Agreement(len(users), len(known), top, shares[0], candidates, shares[1])


def _share(wanted: NDArray[np.int32], there: NDArray[np.bool_], found: NDArray[np.int32]) -> float:
    hits = np.array([np.isin(row, other) for row, other in zip(wanted, found, strict=True)])
    counts = there.sum(1)
    listed = counts > 0
    if not listed.any():
        return 1.0
    return float(((hits & there).sum(1)[listed] / counts[listed]).mean())
