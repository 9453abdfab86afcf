"""Models by the user's own ids: fit, recommend, score, explain, save, load."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any, ClassVar, Self

from magnet.answers import Answers
from magnet.engine import Trainer
from magnet.errors import DataError, MagnetError
from magnet.evaluate import evaluate
from magnet.explain import ModelExplanation, PairExplanation, explain_model, explain_pair
from magnet.models.registry import find_model
from magnet.run.folder import RunContents, RunDescription, RunFolder

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable
    from pathlib import Path

    import numpy as np
    import polars as pl
    from numpy.typing import NDArray

    from magnet.choices import Unknown
    from magnet.data import Dataset
    from magnet.evaluate import Evaluation

__all__ = ["EASE", "LightGCN", "Magnet", "Popularity", "Recommender", "load"]


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
        self.__dict__.pop("_answers", None)

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
    def _answers(self) -> Answers:
        return Answers(self.contents)

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
        return self._answers.recommend(users, k, exclude_seen=exclude_seen, unknown=unknown)

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
        return self._answers.score(users, items)

    def evaluate(self, dataset: Dataset, part: str = "test", *, protocol: str = "strict") -> Evaluation:
        """Measure the fitted model on a held-out part of the data it was trained on.

        Args:
            dataset: The same data.
            part: ``valid`` or ``test``.
            protocol: ``strict`` or ``mmrec``; they differ in what is masked and who counts.

        Returns:
            Averages and per-user values, see :class:`magnet.Evaluation`.

        Raises:
            DataError: If these are other data, or the part is empty.
        """
        if dataset.content_hash != self.description.content_hash:
            raise DataError(
                f"{dataset.name} is not the data this model was trained on: their content differs; fit again, or "
                "evaluate on the data of the training"
            )
        return evaluate(self.contents.state, dataset, part, protocol=protocol)

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
        u, i = self._answers.user(user), self._answers.item(item)
        return explain_pair(self.contents, u, i, model=self.name)

    def save(self, folder: str | Path, *, overwrite: bool = False) -> None:
        """Write a run folder that predicts without the training data.

        Raises:
            RunError: If the folder exists and ``overwrite`` is not given, or an id cannot be kept.
        """
        RunFolder.create(folder, self.description, overwrite=overwrite).finish(self.contents)


class Magnet(Recommender):
    """MAGNET: dual-view graphs, experts with roles, a router on pairs, two stages (arXiv 2602.20723).

    Example:
        >>> import magnet
        >>> data = magnet.synthetic.generate("tiny").dataset
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
