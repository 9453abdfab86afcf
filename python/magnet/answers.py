"""Answers by the user's own ids: recommendations and scores from what a trained model knows."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any, get_args

import numpy as np
import polars as pl
import scipy.sparse as sp

from magnet.choices import Unknown
from magnet.errors import ConfigError, DataError, UnknownIdError
from magnet.evaluate.rank import rank, score
from magnet.states import BlendState, popularity_state

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable, Mapping, Sequence

    from numpy.typing import NDArray

    from magnet.run.folder import RunContents
    from magnet.states import DotState, State

__all__ = ["Answers"]

# Ids named in an error; more would hide the sentence around them.
_NAMED = 5


class Answers:
    """Answers from one trained model.

    Args:
        contents: What the model knows.
    """

    def __init__(self, contents: RunContents) -> None:
        self.contents = contents

    @functools.cached_property
    def _user_index(self) -> dict[Hashable, int]:
        return {key: index for index, key in enumerate(self.contents.user_ids)}

    @functools.cached_property
    def _item_index(self) -> dict[Hashable, int]:
        return {key: index for index, key in enumerate(self.contents.item_ids)}

    def user(self, key: Hashable) -> int:
        """Index of a user; UnknownIdError if there is none."""
        return int(_indices([key], self._user_index, "user")[0])

    def item(self, key: Hashable) -> int:
        """Index of an item; UnknownIdError if there is none."""
        return int(_indices([key], self._item_index, "item")[0])

    def recommend(
        self,
        users: Iterable[Hashable],
        k: int,
        *,
        exclude_seen: bool,
        unknown: Unknown,
        weights: Mapping[str, float] | None = None,
        roles: Mapping[str, float] | None = None,
    ) -> pl.DataFrame:
        """See :meth:`magnet.Recommender.recommend`."""
        keys = list(users)
        contents = self.contents
        state = self._turned(weights, roles)
        if not 1 <= k <= len(contents.item_ids):
            raise DataError(
                f"k must be from 1 to the {len(contents.item_ids)} items of the catalogue, got {k}"
            )
        if unknown not in get_args(Unknown):
            raise DataError(f"unknown must be 'error', 'skip' or 'popular', got {unknown!r}")
        if unknown == "error":
            _indices(keys, self._user_index, "user", "; unknown='skip' or 'popular' goes on without")
        elif unknown == "skip":
            keys = [key for key in keys if key in self._user_index]
        rows = np.array([self._user_index.get(key, -1) for key in keys], dtype=np.int32)
        seen = (contents.train + contents.valid).tocsr() if exclude_seen else None
        if seen is not None:
            seen.sort_indices()
            self._refuse_sated(keys, rows, seen)
        trained = np.diff(contents.train.indptr) > 0
        cold = (rows < 0) | ~trained[rows]
        items = np.full((len(keys), k), -1, dtype=np.int32)
        scores = np.full((len(keys), k), -np.inf, dtype=np.float32)
        if (~cold).any():
            items[~cold], scores[~cold] = rank(state, rows[~cold], seen, k)
        if cold.any():
            # One empty row stands for all unknown users.
            at = np.where(rows[cold] < 0, len(contents.user_ids), rows[cold]).astype(np.int32)
            items[cold], scores[cold] = rank(*self._popular(at, seen), k)
        return self._frame(keys, items, scores, cold)

    def _turned(self, weights: Mapping[str, float] | None, roles: Mapping[str, float] | None) -> State:
        state = self.contents.state
        if not weights and not roles:
            return state
        if not isinstance(state, BlendState):
            alone = self.contents.facts.get("delivered") == "backbone"
            raise ConfigError(
                "weights= and roles= turn the cues of a mixture over signals, and this model has none; "
                + (
                    "validation chose its backbone alone"
                    if alone
                    else "train magnet with experts.kind=signals"
                )
            )
        return state.turned(weights, roles)

    def _refuse_sated(self, keys: list[Hashable], rows: NDArray[np.int32], seen: Any) -> None:
        counts = np.diff(seen.indptr)
        sated = [
            key for key, row in zip(keys, rows, strict=True) if row >= 0 and counts[row] == seen.shape[1]
        ]
        if sated:
            raise DataError(
                f"nothing is left to recommend: users {_first(sated)} have seen all {seen.shape[1]} items; leave them "
                "out, or pass exclude_seen=False"
            )

    def _popular(self, users: NDArray[np.int32], seen: Any) -> tuple[DotState, NDArray[np.int32], Any]:
        n_users, n_items = self.contents.train.shape
        state = popularity_state(self.contents.popularity, n_users + 1)
        if seen is not None:
            seen = sp.csr_array(sp.vstack([seen, sp.csr_array((1, n_items), dtype=np.float32)]))
            seen.indices, seen.indptr = seen.indices.astype(np.int32), seen.indptr.astype(np.int32)
        return state, users, seen

    def _frame(
        self,
        keys: list[Hashable],
        items: NDArray[np.int32],
        scores: NDArray[np.float32],
        cold: NDArray[np.bool_],
    ) -> pl.DataFrame:
        row, column = np.nonzero(items >= 0)
        item_ids, titles = self.contents.item_ids, self.contents.titles
        chosen = items[row, column]
        columns: dict[str, Any] = {
            "user_id": _series("user_id", [keys[r] for r in row]),
            "item_id": _series("item_id", [item_ids[i] for i in chosen]),
            "rank": (column + 1).astype(np.int32),
            "score": scores[row, column],
        }
        if titles is not None:
            columns["title"] = pl.Series([titles[i] for i in chosen], dtype=pl.String)
        columns["reason"] = pl.Series(["popular" if cold[r] else "model" for r in row], dtype=pl.String)
        return pl.DataFrame(columns)

    def score(self, users: Iterable[Hashable], items: Iterable[Hashable]) -> NDArray[np.float32]:
        """See :meth:`magnet.Recommender.score`."""
        u = _indices(list(users), self._user_index, "user")
        i = _indices(list(items), self._item_index, "item")
        pairs = score(self.contents.state, np.repeat(u, len(i)), np.tile(i, len(u)))
        return np.asarray(pairs, dtype=np.float32).reshape(len(u), len(i))


def _indices(
    keys: Sequence[Hashable], index: dict[Hashable, int], what: str, advice: str = ""
) -> NDArray[np.int32]:
    missing = [key for key in keys if key not in index]
    if missing:
        raise UnknownIdError(f"unknown {what} ids {_first(missing)}{advice}", missing)
    return np.array([index[key] for key in keys], dtype=np.int32)


def _series(name: str, keys: list[Hashable]) -> pl.Series:
    """A column of ids: of their own type where they share one that polars knows, else of Python objects."""
    kinds = {type(key) for key in keys}
    if len(kinds) == 1 and kinds <= {int, str, float, bool}:
        return pl.Series(name, keys)
    return pl.Series(name, keys, dtype=pl.Object) if keys else pl.Series(name, [], dtype=pl.String)


def _first(keys: Sequence[Hashable]) -> str:
    named = ", ".join(map(repr, keys[:_NAMED]))
    return named if len(keys) <= _NAMED else f"{named} and {len(keys) - _NAMED} more"
