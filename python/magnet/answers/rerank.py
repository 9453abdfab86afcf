"""Lists put in another order: more diverse ones, and ones with the shares of what a user took."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from magnet.data.unit_length import unit_length
from magnet.errors import ConfigError, DataError, nearest
from magnet.operators.base import dot_rows

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import polars as pl
    from numpy.typing import NDArray
    from scipy.sparse import csr_array

    from magnet.run.contents import RunContents

__all__ = [
    "Groups",
    "calibrated",
    "diverse",
    "groups_of",
    "likeness_rows",
    "pool_size",
    "relevance",
    "shares",
]

# A list is put together from this many times as many of the best items, and from no fewer than the second number.
_POOL, _LEAST = 5, 100
# What the list is given of the history's own shares, so that no share of the list is zero (Steck, section 3.1).
_SMOOTH = 0.01
# A column of more values says too little of each to be a share of anything.
_MOST_GROUPS = 1000


class Groups(NamedTuple):
    """The groups of the items by one of their columns."""

    of: NDArray[np.int64]  # (I,), -1 where the column says nothing
    n: int


def pool_size(k: int, n_items: int) -> int:
    """How many of the best items a list of k is put together from."""
    return min(n_items, max(_LEAST, _POOL * k))


def relevance(scores: NDArray[np.float32]) -> NDArray[np.float64]:
    """Scores of one user's pool on a scale from 0 to 1, the worst and the best of it."""
    values = scores.astype(np.float64)
    low, high = values.min(initial=np.inf), values.max(initial=-np.inf)
    return (values - low) / (high - low) if high > low else np.ones(len(values))


def likeness_rows(contents: RunContents, items: NDArray[np.integer[Any]]) -> list[NDArray[np.float32]]:
    """What items of a pool are compared by: unit rows of each modality, or of shared users where there is none."""
    if contents.content:
        return [unit_length(rows[items].float().numpy()) for rows in contents.content.values()]
    taken = contents.train.tocsc()[:, items].T.toarray().astype(np.float32)
    return [unit_length(np.ascontiguousarray(taken))]


def diverse(
    scores: NDArray[np.float32], rows: Sequence[NDArray[np.float32]], k: int, share: float
) -> list[int]:
    r"""Put a list together one item at a time, by what it scores and by how unlike the items before it is.

    Maximal marginal relevance (Carbonell and Goldstein, SIGIR 1998, equation 1):

    .. math:: \arg\max_i \; (1 - d) \, rel(i) - d \max_{j \in S} \cos(i, j)

    with relevance from 0 to 1 over the pool. Of equals the one that scores higher comes first.

    Args:
        scores: Of the pool, best first, ``(n,)``.
        rows: Unit rows of the pool by modality, ``(n, d)`` each; likeness is the mean over modalities.
        k: Length of the list.
        share: d, from 0 (the order stays) to 1.

    Returns:
        Places of the pool, at most k.
    """
    relevant = relevance(scores)
    n = len(relevant)
    every = np.arange(n, dtype=np.int32)
    alike = np.stack([dot_rows(part, part, every) for part in rows]).mean(0, dtype=np.float64)  # (n, n)
    nearest_chosen = np.zeros(n)
    left = np.ones(n, np.bool_)
    chosen: list[int] = []
    for _ in range(min(k, n)):
        value = np.where(left, (1 - share) * relevant - share * nearest_chosen, -np.inf)
        best = int(value.argmax())
        chosen.append(best)
        left[best] = False
        nearest_chosen = alike[best] if len(chosen) == 1 else np.maximum(nearest_chosen, alike[best])
    return chosen


def calibrated(
    scores: NDArray[np.float32],
    groups: NDArray[np.int64],
    wanted: NDArray[np.float64],
    k: int,
    share: float,
) -> list[int]:
    r"""Put a list together whose groups have the shares that they have in the user's history.

    (Steck, *Calibrated Recommendations*, RecSys 2018.) Greedily maximises, over lists of growing length,

    .. math::
        (1 - c) \sum_{i \in L} rel(i) - c \, KL(p \,\|\, \tilde q(L)), \qquad \tilde q = (1 - α) q + α p

    with relevance from 0 to 1 over the pool and α = 0.01. Items without a group count for no share.

    Args:
        scores: Of the pool, best first, ``(n,)``.
        groups: Of the pool, ``(n,)``, -1 for none.
        wanted: p, the shares in the history, ``(G,)``; zeros for a history that says nothing, whose list stays.
        k: Length of the list.
        share: c, from 0 (the order stays) to 1.

    Returns:
        Places of the pool, at most k.
    """
    relevant = relevance(scores)
    n = len(relevant)
    if not wanted.any():
        return list(range(min(k, n)))
    counts, gained = np.zeros(len(wanted)), 0.0
    left = np.ones(n, np.bool_)
    chosen: list[int] = []
    kinds, at = np.unique(groups, return_inverse=True)
    for _ in range(min(k, n)):
        # How far from the history the list would be with one more item of each group, or of none.
        far = np.empty(len(kinds))
        for place, kind in enumerate(kinds):
            more = counts.copy()
            if kind >= 0:
                more[kind] += 1
            far[place] = _divergence(wanted, more)
        value = np.where(left, (1 - share) * (gained + relevant) - share * far[at], -np.inf)
        best = int(value.argmax())
        chosen.append(best)
        left[best] = False
        gained += relevant[best]
        if groups[best] >= 0:
            counts[groups[best]] += 1
    return chosen


def _divergence(wanted: NDArray[np.float64], counts: NDArray[np.float64]) -> float:
    """KL(p ‖ q̃) for the counts of a list."""
    total = counts.sum()
    mixed = (1 - _SMOOTH) * (counts / total if total else counts) + _SMOOTH * wanted
    some = wanted > 0
    return float((wanted[some] * np.log(wanted[some] / mixed[some])).sum())


def groups_of(table: pl.DataFrame | None, column: str) -> Groups:
    """The groups that a column of the items makes.

    Raises:
        ConfigError: If there is no such column.
        DataError: If it has too many different values, or none at all.
    """
    if table is None or column not in table.columns:
        known = [] if table is None else table.columns
        raise ConfigError(
            f"the items have no column {column!r} to calibrate by{nearest(str(column), known)}"
            if known
            else f"the data of this model have no item columns, and calibrate={column!r} needs one"
        )
    values = table[column].to_list()
    names = sorted({value for value in values if value is not None})
    if not 0 < len(names) <= _MOST_GROUPS:
        raise DataError(
            f"the column {column!r} has {len(names)} different values; lists are calibrated by 1 to {_MOST_GROUPS} "
            "groups, such as categories"
        )
    place: Mapping[Any, int] = {name: number for number, name in enumerate(names)}
    return Groups(np.array([place.get(value, -1) for value in values], np.int64), len(names))


def shares(groups: Groups, histories: csr_array) -> NDArray[np.float64]:
    """The share of each group in each history, ``(B, G)``; zeros where no item of it has a group."""
    out = np.zeros((histories.shape[0], groups.n))
    rows = np.repeat(np.arange(len(out)), np.diff(histories.indptr))
    kinds = groups.of[histories.indices]
    np.add.at(out, (rows[kinds >= 0], kinds[kinds >= 0]), 1)
    totals = out.sum(1, keepdims=True)
    out /= np.where(totals > 0, totals, 1)
    return out
