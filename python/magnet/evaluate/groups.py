"""Groups of users and of items: by degree, cold items, missing modalities, bands of popularity."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import numpy as np

from magnet.evaluate.metrics import TARGET, name_parts

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from magnet.data import Dataset
    from magnet.evaluate.metrics import Metric
    from magnet.evaluate.rankings import Rankings

__all__ = ["HEAD", "group_recall", "head_items", "item_groups", "popularity_bands", "user_groups"]

HEAD = 0.2
"""The share of the items, those with the most training interactions, that is the head; the others are the tail."""

# Training items of a user: none, then (0, 4], (4, 8], (8, 12] and more.
_DEGREES = (0, 4, 8, 12)


def head_items(popularity: NDArray[np.integer[Any]]) -> NDArray[np.bool_]:
    """Which items are the head, ``(I,)``; of equals the lower index is the more popular one.

    Args:
        popularity: Training interactions of every item, ``(I,)``.
    """
    head = np.zeros(len(popularity), dtype=np.bool_)
    head[np.argsort(-popularity, kind="stable")[: round(HEAD * len(popularity))]] = True
    return head


def popularity_bands(popularity: NDArray[np.integer[Any]]) -> NDArray[np.int64]:
    """Head, mid and tail by what they are taken: 0, 1 or 2 for each item, ``(I,)``.

    The head are the fewest most popular items that make a fifth of all training interactions, the tail the least
    popular ones that make no more than a fifth (Abdollahpouri et al., *User-centered Evaluation of Popularity Bias in
    Recommender Systems*, UMAP 2021). Of equals the lower index is the more popular one.

    Args:
        popularity: Training interactions of every item, ``(I,)``.
    """
    order = np.argsort(-popularity, kind="stable")
    taken = popularity[order].astype(np.int64)
    before = np.cumsum(taken) - taken  # interactions with more popular items
    total = int(taken.sum())
    bands = np.empty(len(popularity), np.int64)
    bands[order] = (5 * before >= total).astype(np.int64) + (5 * before >= 4 * total)
    return bands


def item_groups(dataset: Dataset) -> dict[str, NDArray[np.bool_]]:
    """Groups of items by name, ``(I,)`` each; they overlap.

    Returns:
        ``head`` and ``tail`` by training interactions (of equals the lower index is the more popular one), ``cold``
        items without any, and for every modality the items ``without NAME``. Empty groups are left out.
    """
    taken = np.bincount(dataset.train.indices, minlength=dataset.n_items)
    head = head_items(taken)
    groups = {"head": head, "tail": ~head, "cold": taken == 0}
    groups |= {f"without {name}": ~modality.present for name, modality in dataset.modalities.items()}
    return {name: members for name, members in groups.items() if members.any()}


def user_groups(degree: NDArray[np.integer[Any]]) -> dict[str, NDArray[np.bool_]]:
    """Users by their number of training items, ``(U,)`` each; every user is in one group. Empty groups are left out.

    Args:
        degree: Training items of each user, ``(U,)``.
    """
    names = ["0", *(f"{low + 1}-{high}" for low, high in itertools.pairwise(_DEGREES))]
    names.append(f"over {_DEGREES[-1]}")
    which = np.searchsorted(_DEGREES, degree)  # the first bound that is at least the degree
    groups = {name: which == position for position, name in enumerate(names)}
    return {name: members for name, members in groups.items() if members.any()}


def group_recall(groups: Mapping[str, NDArray[np.bool_]]) -> list[Metric]:
    """Recall of the held-out items of each group of items; NaN for users who have none to be found.

    Args:
        groups: Members by name, ``(I,)`` each.

    Returns:
        Metrics as :func:`magnet.evaluate.evaluate` takes them, called after their groups, such as ``tail recall``.
    """
    return [_metric(name, members) for name, members in groups.items()]


def _metric(name: str, members: NDArray[np.bool_]) -> Metric:
    def metric(r: Rankings, k: int) -> NDArray[np.float64]:
        relevant = r.relevant
        # Which of the entries before each are members, so that a user's are a difference of two.
        before = np.concatenate([[0], np.cumsum(members[relevant.indices])])
        wanted = np.diff(before[relevant.indptr])  # (B,)
        # What is -1 was not ranked and is no hit.
        found = (r.hits & members[r.items])[:, :k].sum(1)
        shares = np.full(len(wanted), np.nan)
        np.divide(found, wanted, out=shares, where=wanted > 0)
        return shares

    metric.__name__ = f"{name} {name_parts(TARGET)[0]}"
    return metric
