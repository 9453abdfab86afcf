"""Items that the model has not seen: each stands for the mean of the items that it is like in content."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
import torch
from scipy.sparse import csr_array, hstack

from magnet.data.about import about_items
from magnet.data.given import as_frame, as_keys, as_mapping
from magnet.data.unit_length import unit_length
from magnet.errors import ConfigError, DataError, MagnetError, nearest
from magnet.operators.base import dot_rows
from magnet.operators.grown import GrownOperator, grown_history
from magnet.states import BlendState, DotState, ItemItemState, NeighbourState

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from magnet.data.about import AboutItems
    from magnet.data.given import Keys
    from magnet.run.contents import RunContents
    from magnet.states import State

__all__ = ["grown_contents", "new_items"]


def new_items(
    contents: RunContents,
    items: Keys,
    *,
    features: Mapping[str, Any] | None,
    titles: Any,
    item_table: Any,
) -> AboutItems:
    """Read what callers say of new items, checked like the items of a training.

    Args:
        contents: What a finished run knows.
        items: Their ids; or a frame with an item column, whose columns of vectors that are called like a modality of
            the model are features, and whose others are titles and columns of the items.
        features: As :meth:`magnet.Dataset.from_frame` takes them.
        titles: Likewise.
        item_table: Likewise.

    Raises:
        DataError: If an id is there already, features do not fit, or there is no item.
        ConfigError: If the model knows no such modality.
    """
    features = as_mapping(features, "features", '{"text": …}, by modality')
    keys = as_keys(items, "item")
    table = as_frame(items)
    if table is not None and len(table.columns) > 1:
        for name in [column for column in table.columns if column in contents.content]:
            features.setdefault(name, dict(zip(keys, table[name].to_list(), strict=True)))
            table = table.drop(name)
        item_table = table.to_native() if item_table is None and len(table.columns) > 1 else item_table
    for name in features:
        if name not in contents.content:
            raise ConfigError(
                f"the model knows no modality {name!r}{nearest(str(name), list(contents.content))}"
            )
    if not keys:
        raise DataError("items: expected at least one new item id, found none")
    again = [key for key in dict.fromkeys(keys) if keys.count(key) > 1]
    there = sorted(set(contents.item_ids).intersection(keys), key=str)
    for found, said in ((again, "more than once"), (there, "in the model already")):
        if found:
            raise DataError(
                f"items: {found[0]!r} is there {said} ({len(found)} such ids); give new ids once each"
            )
    if not features:
        known = ", ".join(contents.content) or "none, so that it can say nothing of new items"
        raise DataError(
            f"new items are known by their content: give features by modality; the model has {known}"
        )
    return about_items(keys, features=features, titles=titles, item_table=item_table, name="new items")


def grown_contents(contents: RunContents, new: AboutItems, neighbours: int) -> RunContents:
    """What the model knows, with the new items behind the old ones.

    A new item is the mean of the items of the training that are nearest to it in content, weighted by their cosines:
    its score is the mean of theirs for everyone, and what it says of others in a history is the mean of what they say.

    Args:
        contents: What a finished run knows.
        new: The items, see :func:`new_items`.
        neighbours: Items that each is made of at most.

    Raises:
        DataError: If features have another number of columns than those of the training, or an item has none at all.
        MagnetError: If the model is from outside and has no ``grown(means)`` of its own.
    """
    rows = {name: _rows(contents, name, modality.features) for name, modality in new.modalities.items()}
    means = _means(contents, rows, neighbours)
    bare = np.flatnonzero(np.diff(means.indptr) == 0)
    if len(bare):
        raise DataError(
            f"new items: {new.item_ids[bare[0]]!r} is like no item of the training in "
            f"{', '.join(rows)} ({len(bare)} such items); give features that say something of them"
        )
    n_new = len(new.item_ids)
    titles = None
    if contents.titles is not None or new.titles is not None:
        titles = [*(contents.titles or [None] * len(contents.item_ids)), *(new.titles or [None] * n_new)]
    return replace(
        contents,
        state=_grown(contents.state, means),
        item_ids=[*contents.item_ids, *new.item_ids],
        titles=titles,
        train=grown_history(contents.train, n_new),
        valid=grown_history(contents.valid, n_new),
        content={
            name: torch.cat([old, _half(rows.get(name), (n_new, old.shape[1]))])
            for name, old in contents.content.items()
        },
        item_table=_tables(contents, new),
        facts=contents.facts | {"added_items": contents.facts.get("added_items", 0) + n_new},
    )


def _half(rows: NDArray[np.float32] | None, shape: tuple[int, int]) -> torch.Tensor:
    """Rows as they are kept; zeros where the new items lack the modality."""
    return torch.zeros(shape, dtype=torch.float16) if rows is None else torch.from_numpy(rows).half()


def _rows(contents: RunContents, name: str, features: NDArray[Any]) -> NDArray[np.float32]:
    """Features as the model keeps those of its own items."""
    rows = unit_length(np.asarray(features, np.float32))
    axes = contents.axes.get(name)
    width = contents.content[name].shape[1] if axes is None else axes.shape[0]
    if rows.shape[1] != width:
        raise DataError(
            f"new items: {name} has {rows.shape[1]} features, and the items of the training {width}; "
            "give what the same encoder says of them"
        )
    return rows if axes is None else np.ascontiguousarray(rows @ axes.numpy())


def _means(contents: RunContents, rows: Mapping[str, NDArray[np.float32]], k: int) -> csr_array:
    """What each new item is made of, ``(n, I)``: the mean cosine over the modalities it has, of the k nearest."""
    n_new, n_old = len(next(iter(rows.values()))), len(contents.item_ids)
    cosines, known = np.zeros((n_new, n_old)), np.zeros((n_new, 1))
    every = np.arange(n_new, dtype=np.int32)
    for name, own in rows.items():
        cosines += dot_rows(unit_length(own), unit_length(contents.content[name].float().numpy()), every)
        known += own.any(1, keepdims=True)
    cosines /= np.maximum(known, 1)
    # Items that nobody took have learnt nothing that could be handed on.
    cosines[:, contents.popularity == 0] = 0
    order = np.argsort(-cosines, axis=1, kind="stable")[:, :k]
    values = np.maximum(np.take_along_axis(cosines, order, axis=1), 0)
    totals = values.sum(1, keepdims=True)
    values = np.divide(values, totals, out=values, where=totals > 0)
    at, place = np.nonzero(values)
    entries = (values[at, place].astype(np.float32), (at, order[at, place]))
    means = csr_array(entries, shape=(n_new, n_old))
    means.sort_indices()
    return means


def _grown(state: State, means: csr_array) -> State:
    n_new = means.shape[0]
    if isinstance(state, DotState):
        return DotState(state.users, _with_means(state.items, means))
    if isinstance(state, ItemItemState):
        return ItemItemState(grown_history(state.history, n_new), GrownOperator(state.operator, means))
    if isinstance(state, NeighbourState):
        wide = csr_array(hstack([state.history, state.history @ means.T]))
        return NeighbourState(state.neighbours, wide)
    if isinstance(state, BlendState):
        return replace(
            state,
            items=_with_means(state.items, means),
            history=grown_history(state.history, n_new),
            cues={name: GrownOperator(operator, means) for name, operator in state.cues.items()},
            item_logits=torch.cat([state.item_logits, _item_logits(state, means)]),
        )
    if hasattr(state, "grown"):
        made: State = state.grown(means)
        return made
    raise MagnetError(
        f"a {type(state).__name__} scores the items of its training only: its class has no method grown(means) that "
        "makes a state with new items, each the mean of old ones by a row of means, (n, I)"
    )


def _with_means(items: torch.Tensor, means: csr_array) -> torch.Tensor:
    return torch.cat([items, torch.from_numpy((means @ items.double().numpy()).astype(np.float32))])


def _item_logits(state: BlendState, means: csr_array) -> torch.Tensor:
    """The items' half of the router for new items: the mean of their neighbours', over those with the expert on."""
    logits = state.item_logits.double().numpy()
    on = np.isfinite(logits)
    sums = means @ np.where(on, logits, 0)
    weight = means @ on.astype(np.float64)
    found = np.full(sums.shape, -np.inf)
    np.divide(sums, weight, out=found, where=weight > 0)
    return torch.from_numpy(found.astype(np.float32))


def _tables(contents: RunContents, new: AboutItems) -> pl.DataFrame | None:
    """Columns of the items, in the types of the old ones where there are any."""
    old, more = contents.item_table, new.item_table
    if old is None and more is None:
        return None
    old = pl.DataFrame({"": [None] * len(contents.item_ids)}) if old is None else old
    more = pl.DataFrame({"": [None] * len(new.item_ids)}) if more is None else more
    for name in set(old.columns) & set(more.columns) - {""}:
        try:
            more = more.with_columns(pl.col(name).cast(old.schema[name]))
        except pl.exceptions.PolarsError:
            raise DataError(
                f"new items: the column {name!r} holds {more.schema[name]}, and that of the training {old.schema[name]}"
            ) from None
    both = pl.concat([old, more], how="diagonal")
    return both.drop("") if "" in both.columns else both
