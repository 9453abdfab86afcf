"""What an evaluation found: averages, each user's own values, slices, and the lists themselves."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from magnet.errors import DataError
from magnet.evaluate.groups import group_recall, item_groups, user_groups
from magnet.evaluate.metrics import find_metrics, measure, name_parts

if TYPE_CHECKING:
    import os
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from magnet.choices import HeldOut, Protocol
    from magnet.data import Dataset
    from magnet.evaluate.rank import Ranking
    from magnet.evaluate.rankings import Rankings

__all__ = ["Evaluation", "Slice", "mean_of", "slices_of"]


@dataclass(frozen=True)
class Slice:
    """A group of users, or of items that had to be found, with its averages.

    Attributes:
        of: Whether it is a group of users or of items.
        name: Such as ``"1-4"`` (training items of a user), ``"tail"`` or ``"without image"``.
        n_users: Users that the averages are of: the group's, or those with held-out items of the group.
        n_items: Items of the group, None for a group of users.
        metrics: By name: all metrics of users for a group of users, Recall for a group of items.
    """

    of: Literal["users", "items"]
    name: str
    n_users: int
    n_items: int | None
    metrics: dict[str, float]


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
        metrics: Averages over users by name, such as ``"recall@20"``, unrounded, and metrics of all lists together,
            such as ``"coverage@20"``. Users for whom a value is not defined are left out of its average; NaN where it
            is defined for nobody.
        per_user: Each user's own values, ``(n_users,)`` float64, by the same names; NaN where one is not defined.
            Metrics of all lists together are not among them.
        users: Whose values they are, ``(n_users,)`` int32, ascending.
        lists: What was ranked for the same users, ``(n_users, K)`` for the largest cut-off K.
        slices: Groups of users and items, if they were asked for.
    """

    part: HeldOut
    protocol: Protocol
    n_users: int
    n_left_out: int
    n_popular: int
    metrics: dict[str, float]
    per_user: dict[str, NDArray[np.float64]]
    users: NDArray[np.int32]
    lists: Ranking | None = None
    slices: tuple[Slice, ...] = ()

    def __repr__(self) -> str:
        left_out = f", {self.n_left_out:,} left out" if self.n_left_out else ""
        popular = f", {self.n_popular:,} answered by popularity" if self.n_popular else ""
        users = f"{self.n_users:,} users{left_out}{popular}"
        lines = [f"Evaluation of part '{self.part}', protocol '{self.protocol}': {users}"]
        cuts: dict[str, list[str]] = {}
        for name, value in self.metrics.items():
            kind, cut = name_parts(name)
            cuts.setdefault(cut, []).append(f"{kind} {value:.4f}")
        lines += [f"  {f'@{cut}' if cut else 'uncut'}: {', '.join(values)}" for cut, values in cuts.items()]
        for part in self.slices:
            first, _ = name_parts(next(iter(part.metrics), ""))
            values = [f"{name} {x:.4f}" for name, x in part.metrics.items() if name_parts(name)[0] == first]
            lines.append(f"  {part.of} {part.name} ({part.n_users:,} users): {', '.join(values)}")
        return "\n".join(lines)

    def to_json(self, model: str) -> dict[str, Any]:
        """The document that ``magnet evaluate --json`` prints, as JSON-ready data with unrounded values.

        Args:
            model: The name of the model that was evaluated.
        """
        document = {
            "model": model,
            "part": self.part,
            "protocol": self.protocol,
            "n_users": self.n_users,
            "metrics": dict(self.metrics),
        }
        return document | ({"slices": [asdict(part) for part in self.slices]} if self.slices else {})

    def write_run(
        self,
        path: str | os.PathLike[str],
        dataset: Dataset,
        *,
        tag: str = "magnet",
        overwrite: bool = False,
    ) -> None:
        """Write the lists as a TREC run, ``user Q0 item rank score tag``, for ``trec_eval`` and its like.

        Such tools sort by score and break ties by name: scores that are equal are written a last digit apart, in the
        order of the list.

        Args:
            path: Of the file.
            dataset: The data of the evaluation, for their ids.
            tag: Names the run; without blanks.
            overwrite: Whether a file that is there may be replaced.

        Raises:
            DataError: If the file exists, these are data of another size, or the format cannot keep an id: one with
                blanks, an empty one, or two that are written alike.
            StorageError: If the disk refuses it.
        """
        from magnet.evaluate.trec import run_lines, write_lines

        write_lines(path, run_lines(self, dataset, tag=tag), overwrite=overwrite)

    def write_qrels(self, path: str | os.PathLike[str], dataset: Dataset, *, overwrite: bool = False) -> None:
        """Write the items that had to be found as TREC judgements, ``user 0 item 1``.

        Args:
            path: Of the file.
            dataset: The data of the evaluation.
            overwrite: Whether a file that is there may be replaced.

        Raises:
            DataError: As :meth:`write_run`.
            StorageError: If the disk refuses it.
        """
        from magnet.evaluate.trec import qrels_lines, write_lines

        write_lines(path, qrels_lines(self, dataset), overwrite=overwrite)


def mean_of(values: NDArray[np.float64]) -> float:
    """The mean of what is defined, NaN where nothing is."""
    defined = values[~np.isnan(values)]
    return float(defined.mean()) if len(defined) else float("nan")


def slices_of(
    rankings: Rankings, per_user: Mapping[str, NDArray[np.float64]], ks: Sequence[int]
) -> tuple[Slice, ...]:
    """Averages over groups of users by degree, and Recall of groups of items.

    Args:
        rankings: With the data and users they are of.
        per_user: Each user's own values, ``(B,)``, by metric.
        ks: Cut-offs of Recall.

    Raises:
        DataError: If the rankings came without data.
    """
    if rankings.dataset is None:
        raise DataError(
            "slices are groups of the data's users and items, and these rankings came without data"
        )
    degree = np.diff(rankings.history.indptr)  # (B,)
    parts = [
        Slice(
            "users",
            name,
            int(members.sum()),
            None,
            {metric: mean_of(values[members]) for metric, values in per_user.items()},
        )
        for name, members in user_groups(degree).items()
    ]
    for name, members in item_groups(rankings.dataset).items():
        found, _ = measure(rankings, ks, find_metrics(group_recall({name: members})))
        # Who has no such item to be found has no value, at any cut-off.
        n_users = int(np.count_nonzero(~np.isnan(next(iter(found.values())))))
        metrics = {metric.removeprefix(f"{name} "): mean_of(values) for metric, values in found.items()}
        parts.append(Slice("items", name, n_users, int(members.sum()), metrics))
    return tuple(parts)
