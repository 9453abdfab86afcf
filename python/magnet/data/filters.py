"""Smaller data sets: a window of time, and the users and items that have enough interactions with one another."""

from __future__ import annotations

import dataclasses
from datetime import date
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from magnet.data.given import as_whole
from magnet.data.ids import plain_key
from magnet.data.records import Modality
from magnet.data.rules import in_units_of
from magnet.errors import DataError
from magnet.forks import use_polars

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from magnet.data.dataset import Dataset

__all__ = ["filter_dataset"]


def filter_dataset(
    data: Dataset,
    *,
    min_user: int,
    min_item: int,
    k_core: int | None,
    since: Any,
    until: Any,
    drop_items: bool,
) -> Dataset:
    """See :meth:`magnet.Dataset.filter`.

    Raises:
        DataError: If a number or date is none, there are no times, or too little is left.
    """
    use_polars("filtering data")
    min_user, min_item = as_whole(min_user, "min_user", least=0), as_whole(min_item, "min_item", least=0)
    if k_core is not None:
        if min_user or min_item:
            raise DataError("k_core sets min_user and min_item to one number; give either it or them")
        min_user = min_item = as_whole(k_core, "k_core", least=1)
    if not (min_user or min_item) and since is None and until is None:
        raise DataError("filter: say by what: min_user=, min_item=, k_core=, since= or until=")
    keep, messages = _window(data, since, until)
    in_window = int(np.count_nonzero(keep))
    enough = _core(data.users[keep], data.items[keep], data.n_users, data.n_items, min_user, min_item)
    keep[keep] = enough
    if in_window > np.count_nonzero(keep):
        messages.append(
            f"{data.name}: {in_window - np.count_nonzero(keep):,} of {in_window:,} interactions were left out, so that "
            f"every user has at least {min_user} and every item at least {min_item}"
        )
    users = np.bincount(data.users[keep], minlength=data.n_users) > 0
    items = np.bincount(data.items[keep], minlength=data.n_items) > 0
    if not drop_items:
        items[:] = True
    for kind, there in (("user", users), ("item", items)):
        if there.sum() < 2:
            raise DataError(
                f"{data.name}: {there.sum()} {kind}s are left by the filter, and a recommender compares at least two; "
                "filter less"
            )
        if not there.all():
            messages.append(
                f"{data.name}: {np.count_nonzero(~there):,} of {there.size:,} {kind}s were left out"
            )
    parts = data.parts[keep]
    if not (parts == 0).any():
        raise DataError(f"{data.name}: not a single training interaction is left by the filter; filter less")
    for number, part in ((1, "validation"), (2, "test")):
        if (data.parts == number).any() and not (parts == number).any():
            messages.append(f"{data.name}: nothing is left of the {part} part")
    modalities, found = _features(data, items)
    return dataclasses.replace(
        data,
        users=_renumbered(data.users[keep], users),
        items=_renumbered(data.items[keep], items),
        parts=parts,
        times=None if data.times is None else data.times[keep],
        user_ids=[data.user_ids[user] for user in np.flatnonzero(users)],
        item_ids=[data.item_ids[item] for item in np.flatnonzero(items)],
        titles=None if data.titles is None else [data.titles[item] for item in np.flatnonzero(items)],
        item_table=None if data.item_table is None else data.item_table.filter(pl.Series(items)),
        modalities=modalities,
        messages=[*data.messages, *messages, *found],
        source=None,
    )


def _window(data: Dataset, since: Any, until: Any) -> tuple[NDArray[np.bool_], list[str]]:
    """Interactions at or after ``since`` and before ``until``."""
    keep = np.ones(data.users.size, dtype=bool)
    messages = []
    for name, given in (("since", since), ("until", until)):
        if given is None:
            continue
        if data.times is None:
            raise DataError(
                f"{data.name}: {name}= needs to know when interactions took place; read them with a column named like "
                "timestamp, time or date"
            )
        moment = _moment(data.times, given, name)
        inside = data.times >= moment if name == "since" else data.times < moment
        n_out = np.count_nonzero(keep & ~inside)
        if n_out:
            words = f"before {given}" if name == "since" else f"at or after {given}"
            messages.append(f"{data.name}: {n_out:,} of {keep.size:,} interactions {words} were left out")
        keep &= inside
    if not keep.any():
        raise DataError(f"{data.name}: there is not a single interaction from since={since} until={until}")
    return keep, messages


def _moment(times: NDArray[np.int64], given: Any, name: str) -> int:
    value = plain_key(given)
    if isinstance(value, date):  # a datetime is one too
        value = value.isoformat()
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    moment = in_units_of(times, value) if isinstance(value, str) else None
    if moment is None:
        raise DataError(
            f"{name}: expected a date such as 2024-01-31 or '2024-01-31 12:00', or a number in the unit of the times, "
            f"got {given!r} of type {type(given).__name__}"
        )
    return moment


def _core(
    users: NDArray[np.int32],
    items: NDArray[np.int32],
    n_users: int,
    n_items: int,
    min_user: int,
    min_item: int,
) -> NDArray[np.bool_]:
    """Which interactions are in the largest part where all users and items have enough of them.

    Leaving out a user may take too much from an item, and so on; the order does not matter. One pass over the
    interactions for each round, and few rounds on real data.
    """
    keep = np.ones(users.size, dtype=bool)
    while True:
        of_user = np.bincount(users[keep], minlength=n_users)
        of_item = np.bincount(items[keep], minlength=n_items)
        enough = keep & (of_user[users] >= min_user) & (of_item[items] >= min_item)
        if (enough == keep).all():
            return keep
        keep = enough


def _renumbered(indices: NDArray[np.int32], kept: NDArray[np.bool_]) -> NDArray[np.int32]:
    numbers: NDArray[np.int32] = (np.cumsum(kept) - 1).astype(np.int32)
    return numbers[indices]


def _features(data: Dataset, items: NDArray[np.bool_]) -> tuple[dict[str, Modality], list[str]]:
    if items.all():
        return data.modalities, []
    kept, messages = {}, []
    for name, modality in data.modalities.items():
        present = modality.present[items]
        if present.any():
            kept[name] = Modality(modality.name, modality.features[items], present)
        else:
            messages.append(f"{data.name}: no item that is left has the modality '{name}', which is gone")
    return kept, messages
