"""Answers by the user's own ids: who is asked for, and what is asked."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, get_args

import numpy as np
import polars as pl
from scipy.sparse import csr_array

from magnet.answers.choice import Condition, choose_items
from magnet.answers.ids import first_ids, id_column, id_indices, like, refuse_alike
from magnet.answers.lists import Audience, Order, lists_for
from magnet.answers.newcomers import state_of_histories
from magnet.answers.similar import similar_items, similar_users
from magnet.choices import Unknown
from magnet.data.columns import find_item, find_user
from magnet.data.given import (
    as_flag,
    as_frame,
    as_key,
    as_keys,
    as_mapping,
    as_values,
    as_whole,
    as_word,
)
from magnet.errors import ConfigError, DataError, MagnetWarning, with_command
from magnet.evaluate.rank import score
from magnet.states import BlendState

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Sequence

    from numpy.typing import NDArray

    from magnet.data.given import Keys
    from magnet.evaluate.rank import Ranking
    from magnet.run.folder import RunContents
    from magnet.states import State

__all__ = ["Answers"]


class Answers:
    """Answers from one trained model.

    Args:
        contents: What the model knows.
        settings: Its resolved configuration.
    """

    def __init__(self, contents: RunContents, settings: Mapping[str, Any]) -> None:
        self.contents, self.settings = contents, settings

    @functools.cached_property
    def _user_index(self) -> dict[Hashable, int]:
        return {key: index for index, key in enumerate(self.contents.user_ids)}

    @functools.cached_property
    def _item_index(self) -> dict[Hashable, int]:
        return {key: index for index, key in enumerate(self.contents.item_ids)}

    @functools.cached_property
    def _seen(self) -> csr_array:
        seen: csr_array = (self.contents.train + self.contents.valid).tocsr()
        seen.sort_indices()
        return seen

    def user(self, key: Hashable) -> int:
        """Index of a user; UnknownIdError if there is none."""
        return int(id_indices([as_key(key, "user", self._user_index)], self._user_index, "user")[0])

    def item(self, key: Hashable) -> int:
        """Index of an item; UnknownIdError if there is none."""
        return int(id_indices([as_key(key, "item", self._item_index)], self._item_index, "item")[0])

    def recommend(
        self,
        users: Keys | None,
        k: int,
        *,
        history: Keys | Mapping[Hashable, Keys] | None = None,
        exclude_seen: bool = True,
        unknown: Unknown = "error",
        candidates: Keys | Mapping[Hashable, Keys] | None = None,
        exclude: Keys | Mapping[Hashable, Keys] | None = None,
        where: Condition | None = None,
        weights: Mapping[str, float] | None = None,
        roles: Mapping[str, float] | None = None,
        watch: Callable[[int, int], None] | None = None,
        **order: Any,
    ) -> pl.DataFrame:
        """See :meth:`magnet.Recommender.recommend`."""
        exclude_seen = as_flag(exclude_seen, "exclude_seen")
        if not isinstance(unknown, str) or unknown not in get_args(Unknown):
            raise DataError(f"unknown must be 'error', 'skip' or 'popular', got {unknown!r}")
        state = self._turned(weights, roles)
        if history is not None:
            audience = self._newcomers(history, users, unknown, state, exclude_seen=exclude_seen)
        elif users is None:
            raise DataError("expected users, or history=[…], the items that somebody new took")
        else:
            audience = self._known(users, unknown, state, exclude_seen=exclude_seen)
        choice = choose_items(
            self._item_index,
            candidates=candidates,
            exclude=exclude,
            where=where,
            table=self.contents.item_table,
        )
        made = Order(self._places(k, len(self.contents.item_ids)), choice, **order)
        frame = lists_for(self.contents, audience, made, watch=watch)
        if exclude_seen:
            self._tell_empty(audience, whole=choice.whole)
        return like(users if history is None else history, frame)  # type: ignore[no-any-return]

    def _places(self, k: Any, most: int) -> int:
        places: int = as_whole(k, "k")
        if not 1 <= places <= most:
            raise DataError(f"k must be from 1 to the {most} items of the catalogue, got {places}")
        return places

    def _known(self, users: Keys, unknown: Unknown, state: State, *, exclude_seen: bool) -> Audience:
        """Users by their ids."""
        keys = as_keys(users, "user", self._user_index)
        if unknown == "error":
            id_indices(keys, self._user_index, "user", "; unknown='skip' or 'popular' goes on without")
        else:
            refuse_alike(keys, self._user_index, "user")
        if unknown == "skip":
            keys = [key for key in keys if key in self._user_index]
        rows = np.array([self._user_index.get(key, -1) for key in keys], dtype=np.int32)
        # Known users under the model's own ids: 1.0 finds the user 1, and is the user 1.
        keys = [self.contents.user_ids[row] if row >= 0 else key for key, row in zip(keys, rows, strict=True)]
        return Audience(keys, rows, state, self.contents.train, self._seen if exclude_seen else None)

    def _newcomers(
        self, history: Any, users: Any, unknown: Unknown, state: State, *, exclude_seen: bool
    ) -> Audience:
        """People by what they took."""
        taken = self._histories(history, users)
        rows: list[NDArray[np.int32]] = []
        for items in taken.values():
            if unknown == "error":
                advice = " (history); unknown='skip' leaves them out"
                rows.append(np.unique(id_indices(items, self._item_index, "item", advice)))
            else:
                refuse_alike(items, self._item_index, "item")
                found = [self._item_index[item] for item in items if item in self._item_index]
                rows.append(np.unique(np.array(found, np.int32)))
        lengths = [len(row) for row in rows]
        indices = np.concatenate([np.zeros(0, np.int32), *rows])
        matrix = csr_array(
            (np.ones(len(indices), np.float32), indices, np.cumsum([0, *lengths], dtype=np.int32)),
            shape=(len(rows), len(self.contents.item_ids)),
        )
        made = state_of_histories(self.contents, matrix, self.settings, state=state)
        at = np.arange(len(rows), dtype=np.int32)
        return Audience(list(taken), at, made, matrix, matrix if exclude_seen else None)

    def _histories(self, history: Any, users: Any) -> dict[Hashable, list[Hashable]]:
        """Items by person; a single history belongs to the one user named, or to None."""
        table = as_frame(history)
        named = isinstance(history, Mapping) or (table is not None and len(table.columns) > 1)
        if named and users is not None:
            raise DataError("history names its people itself; leave users out")
        if isinstance(history, Mapping):
            return {
                person: as_keys(items, "item", self._item_index, where=f"history of {person!r}")
                for person, items in history.items()
            }
        if table is not None and len(table.columns) > 1:
            columns = table.columns
            whose, items = (
                as_values(table[find(columns, None, "history")], "history") for find in (find_user, find_item)
            )
            taken: dict[Hashable, list[Hashable]] = {}
            for person, item in zip(
                as_keys(whose, "user", where="history: users"),
                as_keys(items, "item", where="history: items"),
                strict=True,
            ):
                taken.setdefault(person, []).append(item)
            return taken
        people = [None] if users is None else as_keys(users, "user")
        if len(people) != 1:
            raise DataError(
                f"one history is of one person, and {len(people)} users were named; give history as a mapping from "
                "person to items, or as a frame with a user and an item column"
            )
        return {people[0]: as_keys(history, "item", self._item_index, where="history")}

    def _turned(self, weights: Mapping[str, float] | None, roles: Mapping[str, float] | None) -> State:
        state = self.contents.state
        weights = as_mapping(weights, "weights", '{"text": 2}')
        roles = as_mapping(roles, "roles", '{"complementary": 0}')
        if not weights and not roles:
            return state
        if not isinstance(state, BlendState):
            alone = self.contents.facts.get("delivered") == "backbone"
            why = "turn the cues of a mixture over signals, and this model has none; " + (
                "validation chose its backbone alone" if alone else "train magnet with experts.kind=signals"
            )
            raise with_command(ConfigError(f"weights= and roles= {why}"), f"--weigh and --role {why}")
        return state.turned(weights, roles)

    def _tell_empty(self, audience: Audience, *, whole: bool) -> None:
        """Warn of users for whom nothing is left, as far as that follows from what they have seen."""
        if audience.seen is None or not whole:
            return
        counts, n_items = np.diff(audience.seen.indptr), audience.seen.shape[1]
        sated = [
            key
            for key, row in zip(audience.keys, audience.rows, strict=True)
            if row >= 0 and counts[row] == n_items
        ]
        if sated:
            said = (
                f"{len(sated)} of {len(audience.keys)} users have seen all {n_items} items and get no rows: "
                f"{first_ids(sated)}; "
            )
            warnings.warn(
                with_command(
                    MagnetWarning(f"{said}exclude_seen=False ranks what they have seen"),
                    f"{said}--seen ranks what they have seen",
                ),
                stacklevel=4,  # who called Recommender.recommend
            )

    def score(self, users: Keys, items: Keys) -> NDArray[np.float32]:
        """See :meth:`magnet.Recommender.score`."""
        u = id_indices(as_keys(users, "user", self._user_index), self._user_index, "user")
        i = id_indices(as_keys(items, "item", self._item_index), self._item_index, "item")
        pairs = score(self.contents.state, np.repeat(u, len(i)), np.tile(i, len(u)))
        return np.asarray(pairs, dtype=np.float32).reshape(len(u), len(i))

    def similar_items(
        self, items: Keys, k: int, *, by: str = "model", where: Condition | None = None
    ) -> pl.DataFrame:
        """See :meth:`magnet.Recommender.similar_items`."""
        keys, by = as_keys(items, "item", self._item_index), as_word(by, "by")
        at = id_indices(keys, self._item_index, "item")
        choice = choose_items(self._item_index, where=where, table=self.contents.item_table)
        hidden = None if choice.everyone is None else ~choice.everyone
        ids = self.contents.item_ids
        found = similar_items(self.contents, at, self._others(k, len(ids), "items"), by, hidden=hidden)
        frame = _pairs("item_id", ids, at, found)
        if self.contents.titles is not None:
            titles = pl.Series("title", self.contents.titles, dtype=pl.String)
            frame = frame.with_columns(titles.gather(found.items[found.items >= 0]))
        return like(items, frame)  # type: ignore[no-any-return]

    def similar_users(self, users: Keys, k: int, *, by: str = "model") -> pl.DataFrame:
        """See :meth:`magnet.Recommender.similar_users`."""
        keys, by = as_keys(users, "user", self._user_index), as_word(by, "by")
        at = id_indices(keys, self._user_index, "user")
        ids = self.contents.user_ids
        found = similar_users(self.contents, at, self._others(k, len(ids), "users"), by)
        return like(users, _pairs("user_id", ids, at, found))  # type: ignore[no-any-return]

    def _others(self, k: Any, n: int, what: str) -> int:
        places: int = as_whole(k, "k", least=1)
        if n < 2:
            raise DataError(f"there are no other {what} to compare with")
        return min(places, n - 1)


def _pairs(name: str, ids: Sequence[Hashable], asked: NDArray[np.int32], found: Ranking) -> pl.DataFrame:
    """Who is like whom, a row for each pair."""
    row, column = np.nonzero(found.items >= 0)
    keys = id_column(name, ids)
    pick = (
        (lambda at: pl.Series([ids[place] for place in at], dtype=pl.Object))
        if keys.dtype == pl.Object
        else keys.gather
    )
    return pl.DataFrame(
        {
            name: pick(asked[row]),
            "similar_id": pick(found.items[row, column]),
            "rank": (column + 1).astype(np.int32),
            "score": found.scores[row, column],
        }
    )
