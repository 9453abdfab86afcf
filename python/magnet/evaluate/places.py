"""Where items would stand in the full ranking, by counting what comes before them."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from magnet.evaluate.rank import score, score_rows
from magnet.states import DotState

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from scipy.sparse import csr_array

    from magnet.states import State

__all__ = ["places"]

# Scores in memory at a time.
_BLOCK = 1 << 21
# Above this product of lengths a sum of float32 may overflow in one order and not in another.
_LARGE = 1e37


class _Rows(NamedTuple):
    """Scores of all items for some users, perhaps nearly."""

    scores: NDArray[np.float32]  # (b, I)
    slack: NDArray[np.float32]  # (b,), how far they may be from the true ones; 0 where they are true
    odd: NDArray[np.bool_] | None  # (b, I), those of which nothing is known


def places(state: State, users: NDArray[np.int32], seen: csr_array, wanted: csr_array) -> NDArray[np.int64]:
    """How many unseen items :func:`magnet.evaluate.rank` would put before each wanted one, if it kept them all.

    Exact, by counting and not by sorting: ``O(I)`` for each wanted item, with blocks of users in memory. Dot products
    come from one product of matrices; what is too close to a wanted item's score to be told apart by these is scored
    again as the ranking does it.

    Args:
        state: What a model left behind.
        users: User indices, ``(B,)``.
        seen: Items to leave out, ``(U, I)``.
        wanted: Of the same users, ``(B, I)``; none of them is among the seen ones.

    Returns:
        In the order in which ``wanted`` stores its entries; -1 where the score is NaN or -inf and is not ranked.
    """
    out = np.empty(wanted.nnz, np.int64)
    step = max(1, _BLOCK // max(1, state.shape[1]))
    for start in range(0, len(users), step):
        block = users[start : start + step]
        first, last = wanted.indptr[start], wanted.indptr[start + len(block)]
        of = np.repeat(np.arange(len(block)), np.diff(wanted.indptr[start : start + len(block) + 1]))
        items = wanted.indices[first:last].astype(np.int32)
        own = score(state, block[of], items)  # (n,)
        rows = _near_rows(state, block) if isinstance(state, DotState) else _true_rows(state, block)
        masked = seen[block].tocoo()
        rows.scores[masked.row, masked.col] = -np.inf  # before nothing
        if rows.odd is not None:
            rows.odd[masked.row, masked.col] = False
        for low in range(0, len(of), step):
            some = slice(low, low + step)
            before = _count(state, block, rows, of[some], items[some], own[some])
            out[first + low : first + low + len(before)] = before
        out[first:last][~(own > -np.inf)] = -1
    return out


def _count(
    state: State,
    users: NDArray[np.int32],
    rows: _Rows,
    of: NDArray[np.int64],
    items: NDArray[np.int32],
    own: NDArray[np.float32],
) -> NDArray[np.int64]:
    """Items before each of some wanted ones, ``(n,)``; ``of`` says in which row each stands."""
    others, slack = rows.scores[of], rows.slack[of]  # (n, I), (n,)
    with np.errstate(invalid="ignore"):  # infinity less infinity, of what is not ranked or odd
        above, below = (own + slack)[:, None], (own - slack)[:, None]
    before = others > above
    close = (others >= below) & ~before
    if rows.odd is not None:
        odd = rows.odd[of]
        before &= ~odd
        close |= odd
    which, candidates = np.nonzero(close)
    # True rows hold the scores themselves: only equal ones are close.
    true = others[which, candidates]
    if isinstance(state, DotState):
        true = score(state, users[of[which]], candidates)
    wins = (true > own[which]) | ((true == own[which]) & (candidates < items[which]))
    total: NDArray[np.int64] = before.sum(axis=1) + np.bincount(which[wins], minlength=len(of))
    return total


def _true_rows(state: State, users: NDArray[np.int32]) -> _Rows:
    # A copy, as the state may hand out rows that it keeps.
    return _Rows(score_rows(state, users).copy(), np.zeros(len(users), np.float32), None)  # type: ignore[arg-type]


def _near_rows(state: DotState, users: NDArray[np.int32]) -> _Rows:
    """Dot products in whatever order the product of matrices sums them.

    Any two orders of a sum of D products are within 2 γ of each other, γ about D · 2⁻²⁴ times the product of the two
    lengths (Higham, *Accuracy and Stability of Numerical Algorithms*, section 3.1); twice that also covers the
    rounding of the bound itself, and the last term what is lost to underflow.
    """
    left, right = state.users.numpy()[users], state.items.numpy()
    with np.errstate(all="ignore"):  # what overflows or is no number is odd
        scores = left @ right.T
        lengths = np.linalg.norm(right.astype(np.float64), axis=1)
        longest = lengths[np.isfinite(lengths)].max(initial=0.0)
        product = np.linalg.norm(left.astype(np.float64), axis=1) * longest
        width = right.shape[1]
        slack = 4 * (width + 2) * (2.0**-24 * product + 2.0**-126)
    odd = ~np.isfinite(scores)
    odd[~(product < _LARGE)] = True
    slack[~(product < _LARGE)] = 0.0
    return _Rows(scores, slack.astype(np.float32), odd)
