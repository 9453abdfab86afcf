"""Lists of items for an audience: ranked, chosen from, put in another order, and written as a frame."""

from __future__ import annotations

import numbers
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import polars as pl
from scipy.sparse import csr_array

from magnet.answers.chance import hit_rates
from magnet.answers.choice import Choice, hidden_items
from magnet.answers.ids import id_column
from magnet.answers.reasons import Reasons
from magnet.answers.rerank import (
    calibrated,
    diverse,
    groups_of,
    likeness_rows,
    pool_size,
    shares,
)
from magnet.data.given import as_flag, as_word
from magnet.errors import DataError
from magnet.evaluate.rank import Ranking, rank
from magnet.states import popularity_state

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

    from numpy.typing import NDArray

    from magnet.run.contents import RunContents
    from magnet.states import State

__all__ = ["Audience", "Order", "lists_for"]

# Users who are answered at a time: as many as make this many pairs of a user and an item.
_BLOCK = 1 << 24
_MOST_USERS = 8192


class Audience(NamedTuple):
    """Who is asked for. Rows are those of the state, which for people who are new is one of their own."""

    keys: list[Hashable]  # as the answer names them, (B,)
    rows: NDArray[np.int32]  # (B,), -1 for somebody of whom nothing is known
    state: State
    history: csr_array  # what each row took in training, (U, I)
    seen: csr_array | None  # what is not recommended again, (U, I)


@dataclass(frozen=True)
class Order:
    """How lists are made of what the model says.

    Attributes:
        k: Items of a list.
        choice: What may stand in it.
        diversity: d of :func:`~magnet.answers.rerank.diverse`.
        calibrate: A column of the items, or None.
        calibration: c of :func:`~magnet.answers.rerank.calibrated`.
        reasons: Whether to say why.
        probability: Whether to say how often such a place was right.
    """

    k: int
    choice: Choice = field(default_factory=Choice)
    diversity: float = 0.0
    calibrate: str | None = None
    calibration: float = 0.5
    reasons: bool = False
    probability: bool = False

    def __post_init__(self) -> None:
        for name in ("diversity", "calibration"):
            value = getattr(self, name)
            if not isinstance(value, numbers.Real) or isinstance(value, bool) or not 0 <= float(value) <= 1:
                raise DataError(f"{name} must be a number from 0 to 1, got {value!r}")
            object.__setattr__(self, name, float(value))
        for name in ("reasons", "probability"):
            object.__setattr__(self, name, as_flag(getattr(self, name), name))
        if self.calibrate is not None:
            as_word(self.calibrate, "calibrate")
        if self.calibrate is not None and self.diversity:
            raise DataError(
                "a list is either made diverse or calibrated; give diversity or calibrate, not both"
            )

    @property
    def reorders(self) -> bool:
        """Whether a list is another one than the best items in their order."""
        return bool(self.diversity) or (self.calibrate is not None and self.calibration > 0)


class _Rows(NamedTuple):
    items: NDArray[np.int32]  # (B, k)
    scores: NDArray[np.float32]  # (B, k)
    chances: NDArray[np.float64] | None  # (B, k)
    cold: NDArray[np.bool_]  # (B,)


def lists_for(
    contents: RunContents,
    audience: Audience,
    order: Order,
    *,
    watch: Callable[[int, int], None] | None = None,
) -> pl.DataFrame:
    """Make everybody's list.

    Args:
        contents: What a finished run knows.
        audience: Who is asked for.
        order: How lists are made.
        watch: Called with the number of users that are done and of all.

    Returns:
        As :meth:`magnet.Recommender.recommend` says.
    """
    maker = _Maker(contents, audience, order)
    n_users, n_items = len(audience.keys), len(contents.item_ids)
    step = max(1, min(_MOST_USERS, _BLOCK // max(1, n_items)))
    done: list[_Rows] = []
    for start in range(0, n_users, step):
        done.append(maker.rows(slice(start, start + step)))
        if watch is not None:
            watch(min(n_users, start + step), n_users)
    return maker.frame(done)


class _Maker:
    def __init__(self, contents: RunContents, audience: Audience, order: Order) -> None:
        self.contents, self.audience, self.order = contents, audience, order
        self.rates = hit_rates(contents) if order.probability else None
        if order.calibrate is not None:
            self.groups = groups_of(contents.item_table, order.calibrate)
            self.wanted = shares(self.groups, audience.history)

    def rows(self, block: slice) -> _Rows:
        """The lists of some users."""
        audience, order, n_items = self.audience, self.order, len(self.contents.item_ids)
        keys, rows = audience.keys[block], audience.rows[block]
        n_rows = audience.history.shape[0]
        trained = np.diff(audience.history.indptr, append=audience.history.indptr[-1:]) > 0
        cold = (rows < 0) | ~trained[rows]
        # One more row, without a history, stands for all of whom nothing is known.
        at = np.where(rows < 0, n_rows, rows).astype(np.int32)
        places = pool_size(order.k, n_items) if order.reorders else order.k
        best = Ranking(
            np.full((len(keys), places), -1, np.int32), np.full((len(keys), places), -np.inf, np.float32)
        )
        for some, state in ((~cold, audience.state), (cold, None)):
            if some.any():
                self._rank(state, some, keys, at, best)
        chances = None if self.rates is None else self._chances(best, at, cold)
        if order.reorders:
            return _Rows(*self._reordered(best, rows, cold, chances), cold)
        return _Rows(best.items, best.scores, chances, cold)

    def _rank(
        self,
        state: State | None,
        some: NDArray[np.bool_],
        keys: list[Hashable],
        at: NDArray[np.int32],
        best: Ranking,
    ) -> None:
        """Rank for some of a block, by popularity where no state is given."""
        (n_rows, n_items), seen = self.audience.history.shape, self.audience.seen
        if state is None:
            # Each has a row of their own: strangers may have candidates of their own.
            rows, n_rows = np.arange(some.sum(), dtype=np.int32), int(some.sum())
            state, inverse = popularity_state(self.contents.popularity, n_rows), rows
            seen = None if seen is None else _one_more_row(seen)[at[some]]
            named = [keys[place] for place in np.flatnonzero(some)]
        else:
            # Each user once, in case of repeats: a row of the mask is made for each.
            rows, first, inverse = np.unique(at[some], return_index=True, return_inverse=True)
            named = [keys[place] for place in np.flatnonzero(some)[first]]
        hidden = hidden_items(self.order.choice, named, rows, seen, (n_rows, n_items))
        found = rank(state, rows.astype(np.int32), hidden, best.items.shape[1])
        best.items[some], best.scores[some] = found.items[inverse], found.scores[inverse]

    def _chances(self, best: Ranking, at: NDArray[np.int32], cold: NDArray[np.bool_]) -> NDArray[np.float64]:
        """How often the places were right that the items have among all unseen ones; NaN for popular lists."""
        assert self.rates is not None
        found = np.full(best.items.shape, np.nan)
        warm = np.flatnonzero(~cold)
        places = np.tile(np.arange(best.items.shape[1]), (len(warm), 1))
        if not self.order.choice.whole and len(warm):
            n_items = len(self.contents.item_ids)
            everything = rank(self.audience.state, at[warm], self.audience.seen, n_items).items
            place_of = np.zeros((len(warm), n_items + 1), np.int64)  # one more column for -1
            np.put_along_axis(place_of, everything, np.arange(n_items)[None, :], axis=1)
            places = np.take_along_axis(place_of, best.items[warm], axis=1)
        found[warm] = self.rates[np.minimum(places, len(self.rates) - 1)]
        return found

    def _reordered(
        self,
        best: Ranking,
        rows: NDArray[np.int32],
        cold: NDArray[np.bool_],
        chances: NDArray[np.float64] | None,
    ) -> tuple[NDArray[np.int32], NDArray[np.float32], NDArray[np.float64] | None]:
        order, k = self.order, self.order.k
        shape = (len(rows), k)
        items, scores = np.full(shape, -1, np.int32), np.full(shape, -np.inf, np.float32)
        chosen_chances = None if chances is None else np.full(shape, np.nan)
        for place, row in enumerate(rows):
            pool = best.items[place][best.items[place] >= 0]
            told = best.scores[place][: len(pool)]
            if not len(pool):
                continue
            if order.calibrate is None:
                chosen = diverse(told, likeness_rows(self.contents, pool), k, order.diversity)
            elif cold[place]:
                chosen = list(range(min(k, len(pool))))  # a history that is not known has no shares to keep
            else:
                chosen = calibrated(told, self.groups.of[pool], self.wanted[row], k, order.calibration)
            items[place, : len(chosen)], scores[place, : len(chosen)] = pool[chosen], told[chosen]
            if chances is not None and chosen_chances is not None:
                chosen_chances[place, : len(chosen)] = chances[place][chosen]
        return items, scores, chosen_chances

    def frame(self, done: list[_Rows]) -> pl.DataFrame:
        """All lists as one frame."""
        k, contents, audience = self.order.k, self.contents, self.audience
        items = _stacked([part.items for part in done], k, np.int32)
        scores = _stacked([part.scores for part in done], k, np.float32)
        cold = np.concatenate([np.zeros(0, np.bool_), *(part.cold for part in done)])
        row, column = np.nonzero(items >= 0)
        chosen = items[row, column]
        columns: dict[str, Any] = {
            "user_id": _picked("user_id", audience.keys, row, contents.user_ids),
            "item_id": _picked("item_id", contents.item_ids, chosen),
            "rank": (column + 1).astype(np.int32),
            "score": scores[row, column],
        }
        if self.order.probability:
            chances = _stacked([part.chances for part in done], k, np.float64)[row, column]
            known = [None if np.isnan(chance) else chance for chance in chances.tolist()]
            columns["probability"] = pl.Series(known, dtype=pl.Float64)
        if contents.titles is not None:
            columns["title"] = pl.Series(contents.titles, dtype=pl.String).gather(chosen)
        columns["reason"] = pl.Series(["model", "popular"], dtype=pl.String).gather(
            cold[row].astype(np.int64)
        )
        if self.order.reasons:
            columns["because"] = pl.Series(self._because(items, cold), dtype=pl.String)
        return pl.DataFrame(columns)

    def _because(self, items: NDArray[np.int32], cold: NDArray[np.bool_]) -> list[str]:
        audience, contents = self.audience, self.contents
        reasons = Reasons(audience.state, audience.history, contents.item_ids, contents.titles)
        said: list[str] = []
        for row, own, unknown in zip(audience.rows, items, cold, strict=True):
            own = own[own >= 0]
            said += ["taken by many"] * len(own) if unknown else reasons.of(int(row), own.tolist())
        return said


def _stacked(parts: list[Any], k: int, kind: Any) -> NDArray[Any]:
    return np.concatenate([np.zeros((0, k), kind), *parts])


def _one_more_row(seen: csr_array) -> csr_array:
    more = csr_array(
        (seen.data, seen.indices, np.append(seen.indptr, seen.indptr[-1])),
        shape=(seen.shape[0] + 1, seen.shape[1]),
    )
    more.indices, more.indptr = more.indices.astype(np.int32), more.indptr.astype(np.int32)
    return more


def _picked(
    name: str, keys: list[Hashable], at: NDArray[Any], others: list[Hashable] | None = None
) -> pl.Series:
    """The keys at some places as a column; where there is none, its type is that of others."""
    known = any(key is not None for key in keys)
    column = id_column(name, keys if known or not others else others)
    if others and not known:
        return pl.Series(name, [None] * len(at), dtype=column.dtype)
    if column.dtype == pl.Object:
        return pl.Series(name, [keys[place] for place in at], dtype=pl.Object)
    return column.gather(at)
