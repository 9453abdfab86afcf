"""Full-ranking evaluation of a trained state on one part of the data, under one of two protocols."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, get_args

import numpy as np
from scipy.sparse import csr_array

from magnet.choices import HeldOut, Protocol
from magnet.data.given import as_wholes
from magnet.errors import DataError, nearest
from magnet.evaluate.metrics import DEFAULT_METRICS, ranking_metrics
from magnet.evaluate.rank import rank
from magnet.states import popularity_state

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from magnet.data import Dataset
    from magnet.evaluate.metrics import Metric
    from magnet.states import State

__all__ = ["DEFAULT_KS", "Evaluation", "evaluate"]

DEFAULT_KS = (5, 10, 20, 50)


@dataclass(frozen=True, eq=False, repr=False)
class Evaluation:
    """What an evaluation found.

    Attributes:
        part: The part whose items had to be found.
        protocol: What was masked, and who counted.
        n_users: Users that the metrics average over.
        n_left_out: The other users: without held-out items or, under ``mmrec``, without a training
            interaction.
        n_popular: Users among ``n_users`` without a training interaction, whom popularity answered.
        metrics: Averages over users by name, such as ``"recall@20"``, unrounded.
        per_user: Each user's own values, ``(n_users,)`` float64, by the same names.
        users: Whose values they are, ``(n_users,)`` int32, ascending.
    """

    part: HeldOut
    protocol: Protocol
    n_users: int
    n_left_out: int
    n_popular: int
    metrics: dict[str, float]
    per_user: dict[str, NDArray[np.float64]]
    users: NDArray[np.int32]

    def __repr__(self) -> str:
        cuts: dict[str, list[str]] = {}
        for name, value in self.metrics.items():
            kind, cut = name.rsplit("@", 1)
            cuts.setdefault(cut, []).append(f"{kind} {value:.4f}")
        left_out = f", {self.n_left_out:,} left out" if self.n_left_out else ""
        popular = f", {self.n_popular:,} answered by popularity" if self.n_popular else ""
        users = f"{self.n_users:,} users{left_out}{popular}"
        head = f"Evaluation of part '{self.part}', protocol '{self.protocol}': {users}"
        return "\n".join([head, *(f"  @{cut}: {', '.join(values)}" for cut, values in cuts.items())])

    def to_json(self, model: str) -> dict[str, Any]:
        """The document that ``magnet evaluate --json`` prints, as JSON-ready data with unrounded values.

        Args:
            model: The name of the model that was evaluated.
        """
        return {
            "model": model,
            "part": self.part,
            "protocol": self.protocol,
            "n_users": self.n_users,
            "metrics": dict(self.metrics),
        }


def evaluate(
    state: State,
    dataset: Dataset,
    part: str,
    *,
    protocol: str = "strict",
    ks: int | Sequence[int] = DEFAULT_KS,
    metrics: str | Metric | Sequence[str | Metric] = DEFAULT_METRICS,
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

    Raises:
        DataError: If the state is of another shape than the data, the part or protocol is unknown, a cut-off is out
            of range, or there is no user to evaluate.
        ConfigError: If there is no metric of a name.
    """
    checked_part, checked_protocol = _choose("part", part, HeldOut), _choose("protocol", protocol, Protocol)
    cuts = as_wholes(ks, "ks", least=1)
    asked = [metrics] if isinstance(metrics, str) or callable(metrics) else list(metrics)
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

    known, unknown = users[has_history[users]], users[~has_history[users]]
    items = np.empty((len(users), max(cuts)), dtype=np.int32)
    items[has_history[users]] = rank(state, known, seen, max(cuts)).items
    if len(unknown):
        counts = np.bincount(dataset.train.indices, minlength=dataset.n_items)
        popularity = popularity_state(counts, dataset.n_users)
        items[~has_history[users]] = rank(popularity, unknown, seen, max(cuts)).items

    per_user = ranking_metrics(items, csr_array(held_out[users]), cuts, asked)
    return Evaluation(
        part=checked_part,
        protocol=checked_protocol,
        n_users=len(users),
        n_left_out=dataset.n_users - len(users),
        n_popular=len(unknown),
        metrics={name: float(values.mean()) for name, values in per_user.items()},
        per_user=per_user,
        users=users,
    )


def _choose(what: str, name: str, options: Any) -> Any:
    if name not in get_args(options):
        raise DataError(f"{what} '{name}' cannot be evaluated{nearest(str(name), get_args(options))}")
    return name
