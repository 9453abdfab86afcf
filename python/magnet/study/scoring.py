"""What a trained model answers on held-out parts: means, and each user's own values, of everything that is compared."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from magnet.evaluate import evaluate
from magnet.evaluate.groups import group_recall, item_groups
from magnet.evaluate.metrics import TARGET, TIE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from magnet.data import Dataset
    from magnet.evaluate import Metric
    from magnet.states import State

__all__ = ["METRICS", "score_states"]

METRICS = (TARGET, TIE)
"""What models are compared by."""


def score_states(
    states: Iterable[tuple[str, Callable[[], State]]],
    dataset: Dataset,
    *,
    protocol: str,
    parts: tuple[str, ...],
) -> tuple[dict[str, dict[str, Any]], pl.DataFrame]:
    """Rank every part once for every state.

    Args:
        states: Names and what makes each state; one is held at a time.
        dataset: The data it was trained on.
        protocol: ``strict`` or ``mmrec``.
        parts: ``valid``, ``test`` or both.

    Returns:
        Means by state and part, with the number of users; and a frame with the columns ``state``, ``part``, ``user``
        (index), ``recall@20``, ``ndcg@20``, and Recall@20 of the items of each group, such as ``tail recall@20``, null
        for users who have none of them to be found.

    Raises:
        DataError: If a part has nobody to be evaluated.
    """
    cut = int(TARGET.partition("@")[2])
    metrics: list[str | Metric] = [
        *(name.partition("@")[0] for name in METRICS),
        *group_recall(item_groups(dataset)),
    ]
    means: dict[str, dict[str, Any]] = {}
    frames = []
    for name, make in states:
        state = make()
        means[name] = {}
        for part in parts:
            found = evaluate(state, dataset, part, protocol=protocol, ks=[cut], metrics=metrics)
            means[name][part] = {metric: found.metrics[metric] for metric in METRICS} | {
                "n_users": found.n_users
            }
            columns = {metric: pl.Series(values).fill_nan(None) for metric, values in found.per_user.items()}
            frames.append(
                pl.DataFrame({"user": found.users.astype(np.int32), **columns}).select(
                    pl.lit(name).alias("state"), pl.lit(part).alias("part"), pl.all()
                )
            )
    return means, pl.concat(frames)
