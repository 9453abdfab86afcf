"""Full-ranking evaluation of a trained state on one part of the data, under one of two protocols."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, get_args

import numpy as np
from scipy.sparse import csr_array

from magnet.choices import HeldOut, Protocol
from magnet.data.given import as_wholes
from magnet.errors import DataError, nearest
from magnet.evaluate.evaluation import Evaluation, mean_of, slices_of
from magnet.evaluate.metrics import DEFAULT_METRICS, find_metrics, measure
from magnet.evaluate.places import places
from magnet.evaluate.rank import Ranking, rank
from magnet.evaluate.rankings import Rankings
from magnet.states import popularity_state

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from magnet.data import Dataset
    from magnet.evaluate.metrics import Metric
    from magnet.states import State

__all__ = ["DEFAULT_KS", "evaluate"]

DEFAULT_KS = (5, 10, 20, 50)


def evaluate(
    state: State,
    dataset: Dataset,
    part: str,
    *,
    protocol: str = "strict",
    ks: int | Sequence[int] = DEFAULT_KS,
    metrics: str | Metric | Sequence[str | Metric] = DEFAULT_METRICS,
    slices: bool = False,
) -> Evaluation:
    """Rank the whole catalogue for every user with held-out items and measure where those items ended up.

    Training items are masked. At test, ``strict`` masks validation items as well; ``mmrec`` does not, as the
    code behind many published tables does not. Users without a training interaction are left out under
    ``mmrec``; under ``strict`` they are answered by popularity (most training interactions first, ties to the
    lower item index).

    Args:
        state: What a trained model left behind, for the users and items of ``dataset``.
        dataset: The data it was trained on.
        part: ``"valid"`` or ``"test"``.
        protocol: ``"strict"`` or ``"mmrec"``.
        ks: Cut-offs, one or several, each at least 1. One beyond the catalogue counts the ranks that there are, so that
            a small data set has the same metrics as a large one.
        metrics: One or several: names of registered metrics, or functions as :func:`magnet.register_metric` takes
            them.
        slices: Whether to average over groups as well: users by the number of their training items, and Recall of
            the items of the head, of the tail, of those without training interactions and of those that lack a
            modality.

    Raises:
        DataError: If the state is of another shape than the data, the part or protocol is unknown, a cut-off is out
            of range, or there is no user to evaluate.
        ConfigError: If there is no metric of a name.
    """
    checked_part, checked_protocol = _choose("part", part, HeldOut), _choose("protocol", protocol, Protocol)
    cuts = as_wholes(ks, "ks", least=1)
    asked = find_metrics(metrics)
    if tuple(state.shape) != (dataset.n_users, dataset.n_items):
        raise DataError(
            f"{dataset.name}: the {type(state).__name__} scores {state.shape[0]} users and {state.shape[1]} items, the "
            f"data have {dataset.n_users} and {dataset.n_items}"
        )
    held_out = dataset.part(checked_part)
    if not held_out.nnz:
        raise DataError(f"{dataset.name}: part '{part}' has no interactions, so there is nothing to evaluate")
    has_history = np.diff(dataset.train.indptr) > 0  # (U,)
    counted = np.diff(held_out.indptr) > 0  # (U,)
    if checked_protocol == "mmrec":
        counted &= has_history
    users = np.flatnonzero(counted).astype(np.int32)
    if not len(users):
        raise DataError(
            f"{dataset.name}: no user of part '{part}' has a training interaction, so protocol 'mmrec' "
            "leaves nobody to evaluate; protocol 'strict' answers such users by popularity"
        )
    seen = dataset.train_valid if (checked_part, checked_protocol) == ("test", "strict") else dataset.train

    # Who is ranked by what: everyone by the model, but users without history by popularity.
    counts = np.bincount(dataset.train.indices, minlength=dataset.n_items)
    by_popularity = popularity_state(counts, dataset.n_users)
    ranked_by = [(state, has_history[users]), (by_popularity, ~has_history[users])]
    lists = Ranking(
        np.empty((len(users), max(cuts)), np.int32), np.empty((len(users), max(cuts)), np.float32)
    )
    for ranker, who in ranked_by:
        if who.any():
            lists.items[who], lists.scores[who] = rank(ranker, users[who], seen, max(cuts))
    relevant = csr_array(held_out[users])

    def find_places() -> NDArray[np.int64]:
        found = np.empty(relevant.nnz, np.int64)
        for ranker, who in ranked_by:
            if who.any():
                theirs = np.repeat(who, np.diff(relevant.indptr))
                found[theirs] = places(ranker, users[who], seen, csr_array(relevant[who]))
        return found

    rankings = Rankings(lists.items, relevant, dataset, users, seen, find_places)
    per_user, together = measure(rankings, cuts, asked)
    # In the order in which they were asked for.
    averages = {name: mean_of(values) for name, values in per_user.items()} | together
    order = [name for kind in asked for name in averages if name == kind or name.startswith(f"{kind}@")]
    return Evaluation(
        part=checked_part,
        protocol=checked_protocol,
        n_users=len(users),
        n_left_out=dataset.n_users - len(users),
        n_popular=int(np.count_nonzero(~has_history[users])),
        metrics={name: averages[name] for name in order},
        per_user=per_user,
        users=users,
        lists=lists,
        slices=slices_of(rankings, per_user, cuts) if slices else (),
    )


def _choose(what: str, name: str, options: Any) -> Any:
    if name not in get_args(options):
        raise DataError(f"{what} '{name}' cannot be evaluated{nearest(str(name), get_args(options))}")
    return name
