"""How often the item at a place of the list was right: the only probability that a ranking can honestly have."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.optimize import isotonic_regression

from magnet.errors import DataError
from magnet.evaluate.rank import rank

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from magnet.run.contents import RunContents

__all__ = ["hit_rates"]

# Beyond this place the rates of single places say nothing.
_PLACES = 1000
# Users who are ranked at a time.
_BLOCK = 1024


def hit_rates(contents: RunContents) -> NDArray[np.float64]:
    """The share of users, at each place of their lists, who took the item there in the validation part.

    Lists leave out training items. Rates of single places are noisy, so they are pooled to the nearest sequence that
    never rises (isotonic regression). They are shares of validation interactions: a validation part twice as large
    would make them about twice as high.

    Args:
        contents: What a finished run knows.

    Returns:
        From the first place on, at most 1,000.

    Raises:
        DataError: If there is no validation part.
    """
    train, valid = contents.train, contents.valid
    users = np.flatnonzero((np.diff(valid.indptr) > 0) & (np.diff(train.indptr) > 0)).astype(np.int32)
    if not len(users):
        raise DataError(
            "probabilities are how often the item at a place was taken in the validation part, and this model has no "
            "validation part"
        )
    places = min(_PLACES, train.shape[1])
    hits = np.zeros(places)
    for start in range(0, len(users), _BLOCK):
        block = users[start : start + _BLOCK]
        items = rank(contents.state, block, train, places).items
        wanted = np.zeros((len(block), train.shape[1] + 1), np.bool_)  # one more column for -1
        own = valid[block]
        wanted[np.repeat(np.arange(len(block)), np.diff(own.indptr)), own.indices] = True
        hits += np.take_along_axis(wanted, items, axis=1).sum(0)
    rates: NDArray[np.float64] = isotonic_regression(hits / len(users), increasing=False).x
    return rates
