"""Parts of the users and of the items on which models are compared: by degree, cold items, missing modalities."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import numpy as np

from magnet.evaluate.metrics import TARGET

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from numpy.typing import NDArray

    from magnet.data import Dataset
    from magnet.evaluate import Metric, Rankings

__all__ = ["HEAD", "column_groups", "group_column", "group_recall", "item_groups", "user_groups"]

HEAD = 0.2
"""The share of the items, those with the most training interactions, that is the head; the others are the tail."""

_KIND = TARGET.partition("@")[0]
# Training items of a user: none, then (0, 4], (4, 8], (8, 12] and more.
_DEGREES = (0, 4, 8, 12)


def item_groups(dataset: Dataset) -> dict[str, NDArray[np.bool_]]:
    """Groups of items by name, ``(I,)`` each; they overlap.

    Returns:
        ``head`` and ``tail`` by training interactions (of equals the lower index is the more popular one), ``cold``
        items without any, and for every modality the items ``without NAME``. Empty groups are left out.
    """
    taken = np.bincount(dataset.train.indices, minlength=dataset.n_items)
    head = np.zeros(dataset.n_items, dtype=np.bool_)
    head[np.argsort(-taken, kind="stable")[: round(HEAD * dataset.n_items)]] = True
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


def group_column(group: str) -> str:
    """The name of the metric of a group of items, such as ``"tail recall@20"``."""
    return f"{group} {TARGET}"


def column_groups(columns: Iterable[str]) -> list[str]:
    """The groups of items whose metrics are among these columns, in their order."""
    ending = f" {TARGET}"
    return [column.removesuffix(ending) for column in columns if column.endswith(ending)]


def group_recall(groups: Mapping[str, NDArray[np.bool_]]) -> list[Metric]:
    """Recall of the held-out items of each group of items; NaN for users who have none to be found.

    Args:
        groups: Members by name, ``(I,)`` each.

    Returns:
        Metrics as :func:`magnet.evaluate.evaluate` takes them, called as :func:`group_column` says.
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

    metric.__name__ = f"{name} {_KIND}"
    return metric
