"""Answers by the user's own ids: recommendations and scores from what a trained model knows."""

from __future__ import annotations

import contextlib
import datetime
import functools
import unicodedata
import warnings
from typing import TYPE_CHECKING, Any, get_args

import numpy as np
import polars as pl
import scipy.sparse as sp

from magnet.choices import Unknown
from magnet.data.given import as_frame, as_key, as_keys, as_whole
from magnet.errors import ConfigError, DataError, MagnetWarning, UnknownIdError, with_command
from magnet.evaluate.rank import rank, score
from magnet.states import BlendState, popularity_state

if TYPE_CHECKING:
    from collections.abc import Hashable, Mapping, Sequence

    from numpy.typing import NDArray

    from magnet.data.given import Keys
    from magnet.run.folder import RunContents
    from magnet.states import DotState, State

__all__ = ["Answers"]

# Ids named in an error; more would hide the sentence around them.
_NAMED = 5
# Types of ids that a column of polars, and what is written of it, keeps as they are.
_PLAIN = {int, str, float, bool, datetime.date, datetime.datetime}


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
        return int(_indices([as_key(key, "user", self._user_index)], self._user_index, "user")[0])

    def item(self, key: Hashable) -> int:
        """Index of an item; UnknownIdError if there is none."""
        return int(_indices([as_key(key, "item", self._item_index)], self._item_index, "item")[0])

    def recommend(
        self,
        users: Keys,
        k: int,
        *,
        exclude_seen: bool,
        unknown: Unknown,
        weights: Mapping[str, float] | None = None,
        roles: Mapping[str, float] | None = None,
    ) -> pl.DataFrame:
        """See :meth:`magnet.Recommender.recommend`."""
        keys = as_keys(users, "user", self._user_index)
        contents = self.contents
        state = self._turned(weights, roles)
        k = as_whole(k, "k")
        if not 1 <= k <= len(contents.item_ids):
            raise DataError(
                f"k must be from 1 to the {len(contents.item_ids)} items of the catalogue, got {k}"
            )
        if unknown not in get_args(Unknown):
            raise DataError(f"unknown must be 'error', 'skip' or 'popular', got {unknown!r}")
        if unknown == "error":
            _indices(keys, self._user_index, "user", "; unknown='skip' or 'popular' goes on without")
        else:
            _refuse_alike(keys, self._user_index, "user")
        if unknown == "skip":
            keys = [key for key in keys if key in self._user_index]
        rows = np.array([self._user_index.get(key, -1) for key in keys], dtype=np.int32)
        seen = (contents.train + contents.valid).tocsr() if exclude_seen else None
        if seen is not None:
            seen.sort_indices()
            self._tell_sated(rows, seen)
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
        # Known users under the model's own ids: 1.0 finds the user 1, and is the user 1.
        keys = [contents.user_ids[row] if row >= 0 else key for key, row in zip(keys, rows, strict=True)]
        answer: pl.DataFrame = _like(users, self._frame(keys, items, scores, cold))
        return answer

    def _turned(self, weights: Mapping[str, float] | None, roles: Mapping[str, float] | None) -> State:
        state = self.contents.state
        if not weights and not roles:
            return state
        if not isinstance(state, BlendState):
            alone = self.contents.facts.get("delivered") == "backbone"
            why = "turn the cues of a mixture over signals, and this model has none; " + (
                "validation chose its backbone alone" if alone else "train magnet with experts.kind=signals"
            )
            raise with_command(ConfigError(f"weights= and roles= {why}"), f"--weigh and --role {why}")
        return state.turned(weights, roles)

    def _tell_sated(self, rows: NDArray[np.int32], seen: Any) -> None:
        counts = np.diff(seen.indptr)
        sated = [self.contents.user_ids[row] for row in rows if row >= 0 and counts[row] == seen.shape[1]]
        if sated:
            counted = f"{len(sated)} of {len(rows)} users have seen all {seen.shape[1]} items"
            said = f"{counted} and get no rows: {_first(sated)}"
            warnings.warn(
                with_command(MagnetWarning(f"{said}; exclude_seen=False ranks what they have seen"), said),
                stacklevel=4,  # who called Recommender.recommend
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
            "user_id": _series("user_id", [keys[r] for r in row], self.contents.user_ids),
            "item_id": _series("item_id", [item_ids[i] for i in chosen], item_ids),
            "rank": (column + 1).astype(np.int32),
            "score": scores[row, column],
        }
        if titles is not None:
            columns["title"] = pl.Series([titles[i] for i in chosen], dtype=pl.String)
        columns["reason"] = pl.Series(["popular" if cold[r] else "model" for r in row], dtype=pl.String)
        return pl.DataFrame(columns)

    def score(self, users: Keys, items: Keys) -> NDArray[np.float32]:
        """See :meth:`magnet.Recommender.score`."""
        u = _indices(as_keys(users, "user", self._user_index), self._user_index, "user")
        i = _indices(as_keys(items, "item", self._item_index), self._item_index, "item")
        pairs = score(self.contents.state, np.repeat(u, len(i)), np.tile(i, len(u)))
        return np.asarray(pairs, dtype=np.float32).reshape(len(u), len(i))


def _indices(
    keys: Sequence[Hashable], index: dict[Hashable, int], what: str, advice: str = ""
) -> NDArray[np.int32]:
    _refuse_alike(keys, index, what)
    missing = [key for key in keys if key not in index]
    if missing:
        error = UnknownIdError(f"unknown {what} ids {_first(missing)}{advice}", missing)
        raise with_command(
            error, str(error).replace("unknown='skip' or 'popular'", "--unknown skip or popular")
        )
    return np.array([index[key] for key in keys], dtype=np.int32)


def _refuse_alike(keys: Sequence[Hashable], index: dict[Hashable, int], what: str) -> None:
    """Refuse ids that only look like known ones: they would be answered as strangers, or as someone else.

    Raises:
        DataError: If truth values stand where ids are none.
        UnknownIdError: If an unknown id is a known one of another type or with other blanks; names both.
    """
    truth = [key for key in keys if isinstance(key, bool)]
    if truth and not any(isinstance(key, bool) for key in index):
        raise DataError(
            f"{what} ids: found {truth[0]}, and no {what} of the model has a truth value for an id; "
            f"of a mask give the ids that it chooses, such as ids[mask]"
        )
    read = ((key, [known for known in _readings(key) if known in index]) for key in keys if key not in index)
    alike = [(key, found[0]) for key, found in read if found]
    if alike:
        key, known = alike[0]
        raise UnknownIdError(
            f"unknown {what} ids {_first([key for key, _ in alike])}: {key!r} is {_kind(key)}, and the model knows "
            f"{known!r}, {_kind(known)}; give the ids as they are in the data",
            [key for key, _ in alike],
        )


def _readings(key: Hashable) -> list[Hashable]:
    """What an id may have been before it came as another type or was written in another way."""
    if isinstance(key, (int, float)):
        whole = isinstance(key, int) or key.is_integer()
        return [str(int(key)), str(float(key))] if whole else [str(key)]
    if not isinstance(key, str):
        return []
    text = unicodedata.normalize("NFC", key.strip())
    readings: list[Hashable] = [text, unicodedata.normalize("NFD", text)]
    with contextlib.suppress(ValueError):
        number = float(text)
        readings.append(int(number) if number.is_integer() else number)
    return readings


def _kind(key: Hashable) -> str:
    names = {str: "text", int: "a whole number", float: "a float"}
    return names.get(type(key), f"of type {type(key).__name__}")


def _series(name: str, keys: list[Hashable], among: Sequence[Hashable]) -> pl.Series:
    """A column of ids: of their own type where they share one that polars knows, else of Python objects.

    Args:
        name: Of the column.
        keys: Its values.
        among: All ids of the model, which give the type where there is no value.
    """
    kinds = {type(key) for key in keys or among}
    if len(kinds) == 1 and kinds <= _PLAIN:
        with contextlib.suppress(OverflowError, TypeError, pl.exceptions.PolarsError):  # too large an integer
            return pl.Series(name, keys or among[:1]).head(len(keys))
    return pl.Series(name, keys, dtype=pl.Object)


def _like(users: Any, frame: pl.DataFrame) -> Any:
    """The frame in the library of a frame of users, else as it is."""
    table = as_frame(users)
    if table is None or table.implementation.is_polars():
        return frame
    columns = {
        name: column.to_list() if column.dtype in (pl.Object, pl.String) else column.to_numpy()
        for name, column in zip(frame.columns, frame, strict=True)
    }
    library = table.__native_namespace__()
    return library.table(columns) if hasattr(library, "table") else library.DataFrame(columns)


def _first(keys: Sequence[Hashable]) -> str:
    named = ", ".join(map(repr, keys[:_NAMED]))
    return named if len(keys) <= _NAMED else f"{named} and {len(keys) - _NAMED} more"
