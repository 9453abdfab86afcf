"""Data sets from matrices of users and items."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import polars as pl

from magnet.data.about import about_items
from magnet.data.assemble import assemble
from magnet.data.columns import shown
from magnet.data.dataset import PARTS
from magnet.data.given import as_keys, as_real, as_whole
from magnet.data.ids import as_ids, as_list
from magnet.data.matrices import entries
from magnet.data.ratings import refuse_weights
from magnet.data.rules import find_rule, no_such_split
from magnet.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Hashable, Mapping, Sequence

    from narwhals.typing import IntoDataFrame
    from numpy.typing import NDArray
    from scipy.sparse import sparray, spmatrix

    from magnet.data.dataset import Dataset
    from magnet.data.ids import Ids
    from magnet.data.rules import Rule
    from magnet.data.vectors import Features

__all__ = ["MatrixLike", "from_matrix"]

MatrixLike: TypeAlias = "sparray | spmatrix | NDArray[Any]"


def from_matrix(
    train: MatrixLike,
    valid: MatrixLike | None,
    test: MatrixLike | None,
    *,
    user_ids: Sequence[Hashable] | None,
    item_ids: Sequence[Hashable] | None,
    features: Mapping[str, Features] | None,
    titles: Sequence[str | None] | Mapping[Hashable, str | None] | None,
    item_table: IntoDataFrame | None,
    split: str | None,
    seed: int,
    name: str,
    min_rating: float | None,
    weights: None,
) -> Dataset:
    """See :meth:`magnet.Dataset.from_matrix`.

    Raises:
        DataError: If matrices differ in shape or hold no numbers, or ids or features do not fit them.
    """
    refuse_weights(weights, name)
    seed = as_whole(seed, f"{name}: seed")
    rule = _rule(split, name, held_out=valid is not None or test is not None)
    given: dict[str, Any] = {
        part: matrix
        for part, matrix in zip(PARTS, (train, valid, test), strict=True)
        if matrix is not None or part == "train"
    }
    found = {part: entries(matrix, f"{name}: {part}") for part, matrix in given.items()}
    shapes = {part: tuple(matrix.shape) for part, matrix in given.items()}
    if len(set(shapes.values())) > 1:
        raise DataError(
            f"{name}: the matrices must have the same users and items, got the shapes "
            f"{', '.join(f'{shape} of {part}' for part, shape in shapes.items())}"
        )
    n_users, n_items = shapes["train"]
    users, items, values = (np.concatenate([one[axis] for one in found.values()]) for axis in range(3))
    labels = [np.full(one[0].size, PARTS.index(part), dtype=np.int8) for part, one in found.items()]
    parts = np.concatenate(labels)
    messages = [note for one in found.values() for note in one[3]]
    keep = np.ones(users.size, dtype=bool)
    if min_rating is not None:
        keep = values >= as_real(min_rating, f"{name}: min_rating")
        if not keep.all():
            messages.append(
                f"{name}: {np.count_nonzero(~keep):,} of {keep.size:,} entries below {min_rating:g} were left out"
            )
    elif (values != 1).any():
        below = np.count_nonzero(values < 0)
        also = f", also the {below} below 0" if below else ""
        messages.append(
            f"{name}: the values of the entries are not read, every one is an interaction{also}; leave out those that "
            "are no likes with min_rating="
        )
    if not keep.any():
        raise DataError(f"{name}: there is not a single interaction in the matrices")
    row_ids = _ids(user_ids, "user", n_users, name)
    column_ids = _ids(item_ids, "item", n_items, name)
    about = about_items(
        as_list(column_ids), features=features, titles=titles, item_table=item_table, name=name
    )
    return assemble(
        name=name,
        where=name,
        users=users[keep].astype(np.int32),
        items=items[keep].astype(np.int32),
        parts=parts[keep] if rule is None and len(given) > 1 else None,
        rule=rule,
        seed=seed,
        user_ids=as_list(row_ids),
        item_ids=as_list(column_ids),
        titles=about.titles,
        modalities=about.modalities,
        messages=messages + about.messages,
        source=None,
        item_table=about.item_table,
    )


def _rule(split: str | None, where: str, *, held_out: bool) -> Rule | None:
    if split is None:
        return None
    rule = find_rule(split, []) if isinstance(split, str) else None
    if rule is None:
        raise no_such_split(str(split), [], where, shown([]) or "none")
    if held_out:
        raise DataError(
            f"{where}: split={split!r} draws a split of the training matrix, and there is one already by valid= and "
            "test=; give one of the two"
        )
    return rule


def _ids(given: Any, kind: str, count: int, where: str) -> Ids:
    if given is None:
        return pl.Series(np.arange(count))
    what = f"{where}: {kind}_ids"
    keys = as_keys(given, kind, where=what)
    if len(keys) != count:
        axis = "rows" if kind == "user" else "columns"
        raise DataError(f"{what}: {len(keys)} ids do not fit the {count} {axis} of the matrices")
    if len(set(keys)) != len(keys):
        raise DataError(f"{what} must be unique, {len(keys) - len(set(keys))} are repeated")
    return as_ids(keys, what)
