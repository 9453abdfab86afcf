"""What may be recommended: candidates, what is left out, conditions on the columns of the items."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import polars as pl
from scipy.sparse import csr_array

from magnet.answers.ids import first_ids, id_indices
from magnet.data.given import as_keys
from magnet.errors import ConfigError, DataError, nearest
from magnet.forks import use_polars

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence

    from numpy.typing import NDArray

    from magnet.data.given import Keys

__all__ = ["Choice", "Condition", "choose_items", "hidden_items"]

# Conditions on columns: texts such as "price<=10", a value or several by column, or an expression of polars.
Condition: TypeAlias = "str | Sequence[str] | Mapping[str, Any] | pl.Expr"

_SIGNS: dict[str, Callable[[Any, Any], Any]] = {
    "<=": operator.le,
    ">=": operator.ge,
    "!=": operator.ne,
    "=": operator.eq,
    "<": operator.lt,
    ">": operator.gt,
}
_WRITTEN = re.compile(r"\s*(?P<column>.+?)\s*(?P<sign><=|>=|!=|==|=|<|>)\s*(?P<value>.*?)\s*", re.DOTALL)


@dataclass(frozen=True)
class Choice:
    """Which items may stand in a list.

    Attributes:
        everyone: ``(I,)``, bool; None if all may.
        only: By user, the indices of the items that alone may stand in the user's list.
        never: By user, the indices of items that may not.
    """

    everyone: NDArray[np.bool_] | None = None
    only: Mapping[Hashable, NDArray[np.int32]] | None = None
    never: Mapping[Hashable, NDArray[np.int32]] | None = None

    @property
    def whole(self) -> bool:
        """Whether every item may stand in every list."""
        return self.everyone is None and not self.personal

    @property
    def personal(self) -> bool:
        """Whether it differs between users."""
        return self.only is not None or self.never is not None

    def allowed(self, keys: Sequence[Hashable], n_items: int) -> NDArray[np.bool_]:
        """What may stand in the lists of some users, ``(B, I)``."""
        rows = np.ones((len(keys), n_items), np.bool_)
        if self.everyone is not None:
            rows &= self.everyone
        for row, key in zip(rows, keys, strict=True):
            if self.only is not None and key in self.only:
                among = np.zeros(n_items, np.bool_)
                among[self.only[key]] = True
                row &= among
            if self.never is not None and key in self.never:
                row[self.never[key]] = False
        return rows


def choose_items(
    index: Mapping[Hashable, int],
    *,
    candidates: Keys | Mapping[Hashable, Keys] | None = None,
    exclude: Keys | Mapping[Hashable, Keys] | None = None,
    where: Condition | None = None,
    table: pl.DataFrame | None = None,
) -> Choice:
    """Bring what callers say of items into one form.

    Args:
        index: From item id to index.
        candidates: Items that alone may stand in a list: for everyone, or by user id.
        exclude: Items that may not.
        where: Conditions on columns of the items, all of which must hold.
        table: These columns, a row for each item.

    Raises:
        UnknownIdError: If an item is unknown.
        ConfigError: If there is no such column, or a condition cannot be read.
        DataError: If nothing is left, or a container holds no ids.
    """
    everyone = None if where is None else _meets(where, table)
    if everyone is not None and not everyone.any():
        raise DataError(f"no item meets the condition {where!r}")
    only = never = None
    if isinstance(candidates, Mapping):
        only = {key: _items(keys, index, "candidates") for key, keys in candidates.items()}
    elif candidates is not None:
        among = np.zeros(len(index), np.bool_)
        among[_items(candidates, index, "candidates")] = True
        if not among.any():
            raise DataError("candidates: expected at least one item id, found none")
        everyone = among if everyone is None else everyone & among
    if isinstance(exclude, Mapping):
        never = {key: _items(keys, index, "exclude") for key, keys in exclude.items()}
    elif exclude is not None:
        everyone = np.ones(len(index), np.bool_) if everyone is None else everyone
        everyone[_items(exclude, index, "exclude")] = False
    if everyone is not None and not everyone.any():
        raise DataError("candidates, exclude and where together leave no item of the catalogue")
    return Choice(everyone, only, never)


def _items(given: Any, index: Mapping[Hashable, int], where: str) -> NDArray[np.int32]:
    keys = as_keys(given, "item", index, where=where)
    return id_indices(keys, index, "item", f" ({where})")


def hidden_items(
    choice: Choice,
    keys: Sequence[Hashable],
    rows: NDArray[np.int32],
    seen: csr_array | None,
    shape: tuple[int, int],
) -> csr_array | None:
    """What the ranking leaves out: what was seen, and what may not stand in a list.

    Args:
        choice: What may.
        keys: Of the users, ``(B,)``.
        rows: Theirs in the matrix, ``(B,)``, each once; rows of all others are empty if the choice is not whole.
        seen: Of that shape, sorted; None for nothing.
        shape: Of the matrix.
    """
    if choice.whole:
        return seen
    hidden = ~choice.allowed(keys, shape[1])
    if seen is not None:
        own = seen[rows]
        hidden[np.repeat(np.arange(len(rows)), np.diff(own.indptr)), own.indices] = True
    at, columns = np.nonzero(hidden)
    data = (np.ones(len(columns), np.float32), (rows[at], columns))
    found = csr_array(data, shape=shape)
    found.sort_indices()
    return found


def _meets(where: Condition, table: pl.DataFrame | None) -> NDArray[np.bool_]:
    """Which items meet all conditions, ``(I,)``; a missing value meets none."""
    if table is None or not table.columns:
        raise ConfigError(
            "the data of this model have no item columns to choose by; columns of items.tsv, or of from_frame's "
            "item_table, are kept with the model"
        )
    use_polars("choosing items by their columns")
    met = np.ones(len(table), np.bool_)
    for condition in _conditions(where, table):
        try:
            mask = table.select(condition.alias("met")).to_series()
        except pl.exceptions.PolarsError as error:
            raise ConfigError(f"the condition {where!r} cannot be answered: {_line(error)}") from None
        if mask.dtype != pl.Boolean or len(mask) != len(table):
            raise ConfigError(f"the condition {where!r} must be true or false of each item, not {mask.dtype}")
        met &= mask.fill_null(False).to_numpy()
    return met


def _conditions(where: Condition, table: pl.DataFrame) -> list[pl.Expr]:
    if isinstance(where, pl.Expr):
        return [where]
    if isinstance(where, str):
        return [_written(where, table)]
    if isinstance(where, Mapping):
        said = [_one_of(column, value, table) for column, value in where.items()]
    else:
        try:
            said = [part if isinstance(part, pl.Expr) else _written(part, table) for part in where]
        except TypeError:
            said = []
    if not said:
        raise ConfigError(
            f"where: expected a text such as 'price<=10', several of them, or values by column, found {where!r}"
        )
    return said


def _written(text: Any, table: pl.DataFrame) -> pl.Expr:
    found = _WRITTEN.fullmatch(text) if isinstance(text, str) else None
    if found is None:
        raise ConfigError(
            f"where: {text!r} is no condition; write a column, one of {' '.join(_SIGNS)} and a value, such as "
            "'category=tea' or 'price<=10'"
        )
    column, sign, value = found["column"], found["sign"].replace("==", "="), found["value"]
    values = value.split("|") if sign in ("=", "!=") else [value]
    kept = _column(column, table)
    parts = [_SIGNS["="](kept, _read(part.strip(), column, table)) for part in values]
    if sign == "=":
        return pl.any_horizontal(*parts)
    if sign == "!=":
        return ~pl.any_horizontal(*parts)
    compared: pl.Expr = _SIGNS[sign](kept, _read(value, column, table))
    return compared


def _one_of(column: Any, value: Any, table: pl.DataFrame) -> pl.Expr:
    kept = _column(column, table)
    values = [value] if isinstance(value, str) or not hasattr(value, "__iter__") else list(value)
    if not values:
        raise ConfigError(f"where: no value was given for the column {column!r}")
    kind, wanted = table.schema[column], pl.Series(values, strict=False).dtype
    if kind != wanted and kind.is_numeric() != wanted.is_numeric():
        raise ConfigError(f"where: the column {column!r} holds {kind}, and {first_ids(values)} was asked for")
    return pl.any_horizontal(*(kept == one for one in values))


def _column(name: Any, table: pl.DataFrame) -> pl.Expr:
    if name not in table.columns:
        raise ConfigError(f"the items have no column {name!r}{nearest(str(name), table.columns)}")
    return pl.col(name)


def _read(text: str, column: str, table: pl.DataFrame) -> pl.Expr:
    """A written value in the column's type."""
    kind = table.schema[column]
    if kind == pl.Boolean:
        known = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
        if text.lower() not in known:
            raise ConfigError(f"where: the column {column!r} is true or false, found {text!r}")
        return pl.lit(known[text.lower()])
    if kind.is_numeric():
        try:
            return pl.lit(float(text))
        except ValueError:
            raise ConfigError(
                f"where: the column {column!r} holds numbers, found {text!r} to compare with"
            ) from None
    if kind == pl.String:
        return pl.lit(text)
    value = pl.Series([text]).cast(kind, strict=False)[0]
    if value is None:
        raise ConfigError(f"where: the column {column!r} holds {kind}, and {text!r} is none")
    return pl.lit(value)


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:200]
