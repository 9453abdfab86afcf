"""Models by the user's own ids: fit, recommend, score, explain, save, load."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

import numpy as np
import polars as pl

from magnet.engine import Trainer
from magnet.errors import DataError, MagnetError, UnknownIdError
from magnet.evaluate.rank import rank, score
from magnet.explain import ModelExplanation, PairExplanation, explain_model, explain_pair
from magnet.nn.states import DotState
from magnet.train.registry import find_model
from magnet.train.run_folder import RunContents, RunDescription, RunFolder

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from magnet.data import Dataset

__all__ = ["EASE", "LightGCN", "Magnet", "Popularity", "Recommender", "load"]

Unknown = Literal["error", "skip", "popular"]
# Ids named in an error; more would hide the sentence around them.
_NAMED = 5


class Recommender:
    """A model that is fitted to a data set and answers by the user's own ids.

    Use one of its subclasses, which fix the model: :class:`Magnet`, :class:`LightGCN`, :class:`EASE`,
    :class:`Popularity`.

    Args:
        seed: Of the weights and of every draw in training.
        **config: The model's settings; parts are mappings, such as ``train={"epochs": 20}``.

    Raises:
        ConfigError: If a setting is unknown or out of range.
    """

    name: ClassVar[str]

    def __init__(self, *, seed: int = 0, **config: Any) -> None:
        self.seed = seed
        self.config = find_model(self.name).config.build(config, where=type(self).__name__)
        self._description: RunDescription | None = None
        self._contents: RunContents | None = None

    def fit(
        self,
        dataset: Dataset,
        *,
        protocol: str = "strict",
        folder: str | Path | None = None,
        overwrite: bool = False,
        resume: bool = False,
        progress: bool = True,
    ) -> Self:
        """Train on the training part and choose by the validation part.

        Args:
            dataset: Interactions and features.
            protocol: Of validation, ``strict`` or ``mmrec``.
            folder: Run folder to write while training.
            overwrite: Whether a run folder that is there may be replaced.
            resume: Go on from the folder's last checkpoint.
            progress: Whether to show progress on standard error.

        Returns:
            The model itself.
        """
        Trainer(
            self,
            dataset,
            protocol=protocol,
            folder=folder,
            overwrite=overwrite,
            resume=resume,
            progress=progress,
        ).fit()
        return self

    def receive(self, description: RunDescription, contents: RunContents) -> None:
        """Take a trained model; what the trainer and :func:`load` call."""
        self._description, self._contents = description, contents
        for index in ("_user_index", "_item_index"):
            self.__dict__.pop(index, None)

    @property
    def contents(self) -> RunContents:
        """What the fitted model knows.

        Raises:
            MagnetError: If it is not fitted.
        """
        if self._contents is None:
            raise MagnetError(
                f"this {type(self).__name__} is not fitted; call fit(dataset), or magnet.load(folder)"
            )
        return self._contents

    @property
    def description(self) -> RunDescription:
        """What was trained, on what.

        Raises:
            MagnetError: If the model is not fitted.
        """
        if self._description is None:
            raise MagnetError(
                f"this {type(self).__name__} is not fitted; call fit(dataset), or magnet.load(folder)"
            )
        return self._description

    @property
    def metrics(self) -> dict[str, Any]:
        """Results by part and protocol, such as ``metrics["valid/strict"]``."""
        return self.contents.metrics

    @functools.cached_property
    def _user_index(self) -> dict[Hashable, int]:
        return {key: index for index, key in enumerate(self.contents.user_ids)}

    @functools.cached_property
    def _item_index(self) -> dict[Hashable, int]:
        return {key: index for index, key in enumerate(self.contents.item_ids)}

    def recommend(
        self,
        users: Iterable[Hashable],
        k: int = 10,
        *,
        exclude_seen: bool = True,
        unknown: Unknown = "error",
    ) -> pl.DataFrame:
        """Rank the catalogue for some users.

        Args:
            users: Their ids.
            k: Items for each.
            exclude_seen: Leave out what the user took in the training and validation parts.
            unknown: What to do about ids the model has never seen: ``error`` names them, ``skip`` leaves them out,
                ``popular`` answers with the most popular items.

        Returns:
            Columns ``user_id``, ``item_id``, ``rank`` from 1, ``score``, ``title`` if the data have titles, and
            ``reason``: ``model``, or ``popular`` for a user without training interactions. Users in the order given;
            fewer than k rows where a user has fewer unseen items left.

        Raises:
            UnknownIdError: If users are unknown.
            DataError: If k is out of range, or a user has seen every item.
        """
        keys = list(users)
        contents = self.contents
        if not 1 <= k <= len(contents.item_ids):
            raise DataError(
                f"k must be from 1 to the {len(contents.item_ids)} items of the catalogue, got {k}"
            )
        if unknown not in ("error", "skip", "popular"):
            raise DataError(f"unknown must be 'error', 'skip' or 'popular', got {unknown!r}")
        if unknown == "error":
            self._indices(keys, self._user_index, "user", "; unknown='skip' or 'popular' goes on without")
        elif unknown == "skip":
            keys = [key for key in keys if key in self._user_index]
        rows = np.array([self._user_index.get(key, -1) for key in keys], dtype=np.int32)
        seen = (contents.train + contents.valid).tocsr() if exclude_seen else None
        if seen is not None:
            seen.sort_indices()
            self._refuse_sated(keys, rows, seen)
        trained = np.diff(contents.train.indptr) > 0
        cold = (rows < 0) | ~trained[rows]
        items = np.full((len(keys), k), -1, dtype=np.int32)
        scores = np.full((len(keys), k), -np.inf, dtype=np.float32)
        if (~cold).any():
            items[~cold], scores[~cold] = rank(contents.state, rows[~cold], seen, k)
        if cold.any():
            # One row that nobody has seen anything in stands for all unknown users.
            at = np.where(rows[cold] < 0, len(contents.user_ids), rows[cold]).astype(np.int32)
            items[cold], scores[cold] = rank(*self._popular(at, seen), k)
        return self._frame(keys, items, scores, cold)

    def _refuse_sated(self, keys: list[Hashable], rows: NDArray[np.int32], seen: Any) -> None:
        counts = np.diff(seen.indptr)
        sated = [
            key for key, row in zip(keys, rows, strict=True) if row >= 0 and counts[row] == seen.shape[1]
        ]
        if sated:
            raise DataError(
                f"nothing is left to recommend: users {_first(sated)} have seen all {seen.shape[1]} items; leave them "
                "out, or pass exclude_seen=False"
            )

    def _popular(self, users: NDArray[np.int32], seen: Any) -> tuple[DotState, NDArray[np.int32], Any]:
        import scipy.sparse as sp
        import torch

        n_users, n_items = self.contents.train.shape
        popularity = torch.from_numpy(self.contents.popularity.astype(np.float32))[:, None]
        state = DotState(torch.ones(n_users + 1, 1), popularity)
        if seen is not None:
            seen = sp.csr_array(sp.vstack([seen, sp.csr_array((1, n_items), dtype=np.float32)]))
            seen.indices, seen.indptr = seen.indices.astype(np.int32), seen.indptr.astype(np.int32)
        return state, users, seen

    def _frame(
        self,
        keys: list[Hashable],
        items: NDArray[np.int32],
        scores: NDArray[np.float32],
        cold: NDArray[np.bool_],
    ) -> pl.DataFrame:
        row, column = np.nonzero(items >= 0)
        item_ids, titles = self.contents.item_ids, self.contents.titles
        chosen = items[row, column]
        columns: dict[str, Any] = {
            "user_id": _series("user_id", [keys[r] for r in row]),
            "item_id": _series("item_id", [item_ids[i] for i in chosen]),
            "rank": (column + 1).astype(np.int32),
            "score": scores[row, column],
        }
        if titles is not None:
            columns["title"] = pl.Series([titles[i] for i in chosen], dtype=pl.String)
        columns["reason"] = pl.Series(["popular" if cold[r] else "model" for r in row], dtype=pl.String)
        return pl.DataFrame(columns)

    def score(self, users: Iterable[Hashable], items: Iterable[Hashable]) -> NDArray[np.float32]:
        """Score every given user with every given item.

        Args:
            users: Ids of n users.
            items: Ids of m items.

        Returns:
            ``(n, m)``; higher is better, comparable within a user.

        Raises:
            UnknownIdError: If an id is unknown.
        """
        u = self._indices(list(users), self._user_index, "user")
        i = self._indices(list(items), self._item_index, "item")
        pairs = score(self.contents.state, np.repeat(u, len(i)), np.tile(i, len(u)))
        return np.asarray(pairs, dtype=np.float32).reshape(len(u), len(i))

    def explain(self, user: Hashable = None, item: Hashable = None) -> PairExplanation | ModelExplanation:
        """Explain one score, or without arguments the model as a whole.

        Args:
            user: Id of a user.
            item: Id of an item.

        Returns:
            An explanation with ``text()``, ``to_json()`` and ``plot(path)``.

        Raises:
            UnknownIdError: If an id is unknown.
            DataError: If only one of the two is given.
        """
        if user is None and item is None:
            return explain_model(self.contents, model=self.name)
        if user is None or item is None:
            raise DataError("explain takes a user and an item, or neither to explain the whole model")
        (u,) = self._indices([user], self._user_index, "user")
        (i,) = self._indices([item], self._item_index, "item")
        return explain_pair(self.contents, int(u), int(i), model=self.name)

    def save(self, folder: str | Path, *, overwrite: bool = False) -> None:
        """Write a run folder that predicts without the training data.

        Raises:
            RunError: If the folder exists and ``overwrite`` is not given, or an id cannot be kept.
        """
        RunFolder.create(folder, self.description, overwrite=overwrite).finish(self.contents)

    @staticmethod
    def _indices(
        keys: Sequence[Hashable], index: dict[Hashable, int], what: str, advice: str = ""
    ) -> NDArray[np.int32]:
        missing = [key for key in keys if key not in index]
        if missing:
            raise UnknownIdError(f"unknown {what} ids {_first(missing)}{advice}", missing)
        return np.array([index[key] for key in keys], dtype=np.int32)


class Magnet(Recommender):
    """MAGNET: dual-view graphs, experts with roles, a router on pairs, two stages (arXiv 2602.20723).

    Example:
        >>> import magnet
        >>> data = magnet.data.synthetic.generate("tiny").dataset
        >>> quick = {"epochs": 2, "batch_size": 256}
        >>> model = magnet.Magnet(dim=8, train=quick, schedule={"epochs": 1}).fit(data, progress=False)
        >>> model.recommend(data.user_ids[:1], k=3)["rank"].to_list()
        [1, 2, 3]
    """

    name = "magnet"


class LightGCN(Recommender):
    """LightGCN (He et al., SIGIR 2020): propagation over interactions alone."""

    name = "lightgcn"


class EASE(Recommender):
    """EASE (Steck, WWW 2019): a linear item–item model in closed form."""

    name = "ease"


class Popularity(Recommender):
    """The same list for everyone: most training interactions first."""

    name = "popularity"


def load(folder: str | Path) -> Recommender:
    """Load a run folder.

    Raises:
        RunError: If there is none, or it is damaged, unfinished or newer than this version.
    """
    run = RunFolder.open(folder)
    description = run.description
    classes = {cls.name: cls for cls in (Magnet, LightGCN, EASE, Popularity)}
    find_model(description.model)
    model = classes[description.model](seed=description.seed, **description.config)
    model.receive(description, run.load())
    return model


def _series(name: str, keys: list[Hashable]) -> pl.Series:
    """A column of ids: of their own type where they share one that polars knows, else of Python objects."""
    kinds = {type(key) for key in keys}
    if len(kinds) == 1 and kinds <= {int, str, float, bool}:
        return pl.Series(name, keys)
    return pl.Series(name, keys, dtype=pl.Object) if keys else pl.Series(name, [], dtype=pl.String)


def _first(keys: Sequence[Hashable]) -> str:
    named = ", ".join(map(repr, keys[:_NAMED]))
    return named if len(keys) <= _NAMED else f"{named} and {len(keys) - _NAMED} more"
