"""The last step of every way in: merge repeated pairs, split, check the parts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from magnet.data.dataset import PARTS, Dataset
from magnet.errors import DataError, with_command

if TYPE_CHECKING:
    from collections.abc import Hashable

    import polars as pl
    from numpy.typing import NDArray

    from magnet.data.dataset import DataSource, Modality
    from magnet.data.rules import Rule

__all__ = ["assemble"]


def assemble(
    *,
    name: str,
    where: str,
    users: NDArray[np.int32],
    items: NDArray[np.int32],
    parts: NDArray[np.int8] | None,
    rule: Rule | None,
    times: NDArray[np.int64] | None = None,
    seed: int,
    user_ids: list[Hashable],
    item_ids: list[Hashable],
    titles: list[str | None] | None,
    modalities: dict[str, Modality],
    messages: list[str],
    source: DataSource | None,
    item_table: pl.DataFrame | None = None,
) -> Dataset:
    """Make a data set of indexed interactions.

    Repeated pairs are merged before anything is drawn. If a pair stands in several parts, the earliest one
    keeps it: what a model may see in training is then never a target, and what validation chose by is never
    tested.

    Args:
        name: Of the data set.
        where: What to call the interactions in errors and messages.
        users: ``(N,)``; repeated pairs are allowed, in any order.
        items: ``(N,)``.
        parts: ``(N,)`` of a split column; None for a rule.
        rule: How to draw a split; None without ``parts``: everything is for training.
        times: When, ``(N,)``, if the data say so; of repeated pairs the first time counts.
        seed: What a drawn split depends on.
        user_ids: ``(U,)``.
        item_ids: ``(I,)``.
        titles: ``(I,)`` or None.
        modalities: By name.
        messages: So far.
        source: Of the data.
        item_table: What else is known about items, ``(I, c)``.

    Raises:
        DataError: If there are fewer than two users or items, the rule is unknown, or a part of the split is
            empty that has to be there.
    """
    for kind, ids in (("user", user_ids), ("item", item_ids)):
        if len(ids) < 2:
            raise DataError(
                f"{where}: {len(ids)} {kind} is too few; a recommender compares at least two {kind}s"
            )
    labels = np.zeros(users.size, dtype=np.int8) if parts is None else parts
    keys = (labels, items, users) if times is None else (times, labels, items, users)
    order = np.lexsort(keys)
    users, items, labels = users[order], items[order], labels[order]
    times = None if times is None else times[order]
    repeated = np.zeros(users.size, dtype=bool)
    repeated[1:] = (users[1:] == users[:-1]) & (items[1:] == items[:-1])
    messages = list(messages)
    if repeated.any():
        across = np.count_nonzero(repeated[1:] & (labels[1:] != labels[:-1]))
        text = f"{where}: {np.count_nonzero(repeated)} repeated (user, item) pairs were merged"
        if across:
            text += f"; {across} of them stood in several parts of the split and stay in the earliest"
        messages.append(text)
        users, items, labels = users[~repeated], items[~repeated], labels[~repeated]
        times = None if times is None else times[~repeated]
    if rule is not None:
        if rule.timed and times is None:
            raise DataError(
                f"{where}: the split {rule.name!r} needs a column that says when, named like timestamp, time or date"
            )
        labels = _drawn(rule, users, items, times, user_ids, item_ids, seed=seed)
    counts = np.bincount(labels, minlength=len(PARTS))
    # A column may leave parts out, since models that choose nothing need no validation part. A rule has three parts.
    if not counts[0] or (rule is not None and not counts.all()):
        found = ", ".join(f"{part} {count}" for part, count in zip(PARTS, counts, strict=True))
        why = (
            f"{where}: a part of the split is empty ({found}); mark rows for train, and for valid and test where "
            "models are chosen and measured, or let a rule draw them from enough interactions"
        )
        raise with_command(
            DataError(f"{why}: split='mmrec' or split='random'"), f"{why}: --split mmrec or --split random"
        )
    if parts is not None and not counts[1]:
        messages.append(
            f"{where}: the split has no validation part: models in closed form can be fitted, trained ones need one "
            "to be chosen by; mark rows as valid, or let a rule draw a split"
        )
    return Dataset(
        name=name,
        users=np.ascontiguousarray(users),
        items=np.ascontiguousarray(items),
        parts=np.ascontiguousarray(labels),
        user_ids=user_ids,
        item_ids=item_ids,
        titles=titles,
        modalities=modalities,
        messages=messages,
        source=source,
        times=times,
        item_table=item_table,
    )


def _drawn(
    rule: Rule,
    users: NDArray[np.int32],
    items: NDArray[np.int32],
    times: NDArray[np.int64] | None,
    user_ids: list[Hashable],
    item_ids: list[Hashable],
    *,
    seed: int,
) -> NDArray[np.int8]:
    """Draw over interactions in the order of their ids, so that the order of rows or of the catalogue has no say."""
    by_user, by_item = _ranks(user_ids)[users], _ranks(item_ids)[items]
    order = np.lexsort((by_item, by_user))
    labels = np.empty(users.size, dtype=np.int8)
    labels[order] = rule.draw(
        by_user[order], by_item[order], None if times is None else times[order], seed=seed
    )
    return labels


def _ranks(ids: list[Hashable]) -> NDArray[np.int32]:
    """The place of each id among all, sorted; what cannot be compared is sorted by type and how it is written."""
    places = range(len(ids))
    try:
        order = sorted(places, key=ids.__getitem__)  # type: ignore[arg-type]
    except TypeError:
        order = sorted(places, key=lambda place: (type(ids[place]).__name__, repr(ids[place])))
    ranks = np.empty(len(ids), dtype=np.int32)
    ranks[order] = np.arange(len(ids), dtype=np.int32)
    return ranks
