"""Models by the user's own ids: fit, recommend, score, explain, save, load."""

from __future__ import annotations

import copy
import functools
from importlib import import_module
from typing import TYPE_CHECKING, Any, Self

from magnet.answers import Answers
from magnet.answers.new_items import grown_contents, new_items
from magnet.config import changed
from magnet.data.given import as_whole
from magnet.engine import Trainer
from magnet.errors import ConfigError, DataError, MagnetError, RunError
from magnet.evaluate import DEFAULT_KS, DEFAULT_METRICS, evaluate
from magnet.explain import ModelExplanation, PairExplanation, explain_model, explain_pair
from magnet.models.registry import MODELS, find_model
from magnet.run.contents import check_contents
from magnet.run.folder import RunContents, RunDescription, RunFolder
from magnet.train.schedule import schedule_of

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
    from pathlib import Path

    import numpy as np
    import polars as pl
    from narwhals.typing import IntoDataFrame
    from numpy.typing import NDArray

    from magnet.answers.choice import Condition
    from magnet.choices import Unknown
    from magnet.data import Dataset
    from magnet.data.given import Keys
    from magnet.data.vectors import Features
    from magnet.evaluate import Evaluation, Metric

__all__ = ["EASE", "LightGCN", "Magnet", "Popularity", "Recommender", "load", "make"]


# The class of each model that has one.
_CLASSES: dict[str, type[Recommender]] = {}


class Recommender:
    """A model that is fitted to a data set and answers by the user's own ids.

    :class:`Magnet`, :class:`LightGCN`, :class:`EASE` and :class:`Popularity` are the same with the model's name fixed.

    Args:
        model: Name of a model, one of Magnet's own or one that was registered (:func:`magnet.register`). A subclass may
            fix it as its attribute ``name``.
        seed: Of the weights and of every draw in training.
        **config: The model's settings; parts are mappings, such as ``train={"epochs": 20}``.

    Raises:
        ConfigError: If there is no such model, or a setting is unknown or out of range.

    Example:
        >>> import magnet
        >>> data = magnet.synthetic.generate("tiny").dataset
        >>> magnet.Recommender("ease", regularization=50.0).fit(data)
        Recommender('ease', regularization=50.0): 240 users x 160 items, valid/strict recall@20 0.4355
    """

    name: str

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        if "name" in cls.__dict__:
            # The first class of a model is the one that load() gives back.
            _CLASSES.setdefault(cls.name, cls)

    def __init__(self, model: str | None = None, /, *, seed: int = 0, **config: Any) -> None:
        fixed = getattr(type(self), "name", None)
        name = fixed if model is None else model
        if name is None:
            raise ConfigError(f"name a model, such as Recommender('ease'); there are {', '.join(MODELS)}")
        if fixed is not None and name != fixed:
            raise ConfigError(f"{type(self).__name__} is the model {fixed!r}, and {name!r} was asked for")
        self.name = name
        self.seed = as_whole(seed, "seed")
        where = type(self).__name__ if fixed is not None else name
        self.config = find_model(name).config.build(config, where=where)
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
        final: bool = False,
    ) -> Self:
        """Train on the training part and choose by the validation part.

        With ``final``, a model that was fitted to these data (or loaded) is trained again on all of them, training,
        validation and test, for as many epochs in each phase as validation chose before. Nothing is measured then, and
        nothing can be: every interaction was seen. Models in closed form need not have been fitted before.

        Args:
            dataset: Interactions and features.
            protocol: Of validation, ``strict`` or ``mmrec``.
            folder: Run folder to write while training.
            overwrite: Whether a run folder that is there may be replaced.
            resume: Go on from the folder's last checkpoint.
            progress: Whether to show progress on standard error.
            final: Whether to refit on everything.

        Returns:
            The model itself.

        Raises:
            DataError: If the data have no validation part and the model needs one, or with ``final`` if it was not
                fitted to these data before.
        """
        Trainer(
            self,
            dataset.whole() if final else dataset,
            protocol=protocol,
            folder=folder,
            overwrite=overwrite,
            resume=resume,
            progress=progress,
            schedule=self._schedule(dataset) if final else None,
        ).fit()
        return self

    def _schedule(self, dataset: Dataset) -> list[int | None] | None:
        """How long each phase takes in a final training; None for a model in closed form."""
        if find_model(self.name).task is None:
            return None
        if self._contents is None or self._description is None or not self._contents.facts.get("best"):
            raise DataError(
                f"{dataset.name}: final=True trains for as many epochs as validation chose, and this {self.name} was "
                "not fitted to data with a validation part yet; call fit(data) first, or magnet.load(run)"
            )
        if self._description.content_hash != dataset.content_hash:
            raise DataError(
                f"{dataset.name} is not the data this model was fitted to: their content differs; epochs are chosen on "
                "the same data, so call fit(data) first"
            )
        return schedule_of(self._contents.events, self._contents.facts)

    def __repr__(self) -> str:
        default = find_model(self.name).config.build().resolved()
        settings = changed(self.config.resolved(), default)
        arguments = [f"{key}={value!r}" for key, value in settings.items()]
        if self.seed:
            arguments.append(f"seed={self.seed}")
        fixed = getattr(type(self), "name", None)
        if fixed is None:
            arguments.insert(0, repr(self.name))
        text = f"{type(self).__name__}({', '.join(arguments)})"
        if self._contents is None:
            return f"{text}: not fitted"
        return f"{text}: {self._contents.summary()}"

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
        return Answers(self.contents, self.config.resolved())

    @property
    def user_ids(self) -> list[Hashable]:
        """The users' own ids, by user index."""
        return list(self.contents.user_ids)

    @property
    def item_ids(self) -> list[Hashable]:
        """The items' own ids, by item index."""
        return list(self.contents.item_ids)

    def recommend(
        self,
        users: Keys | None = None,
        k: int = 10,
        *,
        history: Keys | Mapping[Hashable, Keys] | None = None,
        exclude_seen: bool = True,
        unknown: Unknown = "error",
        candidates: Keys | Mapping[Hashable, Keys] | None = None,
        exclude: Keys | Mapping[Hashable, Keys] | None = None,
        where: Condition | None = None,
        diversity: float = 0.0,
        calibrate: str | None = None,
        calibration: float = 0.5,
        reasons: bool = False,
        probability: bool = False,
        weights: Mapping[str, float] | None = None,
        roles: Mapping[str, float] | None = None,
        watch: Callable[[int, int], None] | None = None,
    ) -> pl.DataFrame:
        """Rank the catalogue for some users, or for people whom the model has never seen.

        Args:
            users: Their ids: one, or several in a list, an array, a tensor, a column, or a frame with a user column;
                everyone is ``model.user_ids``.
            k: Items for each, from 1 to the size of the catalogue.
            history: Instead of users, what somebody new took: item ids (``users`` may then give the person a name); a
                mapping from person to item ids; or a frame with a user and an item column. Nothing is trained:
                item–item models answer as if the history had always been there, vectors are folded in by the linear map
                that best makes the users' own vectors of their items.
            exclude_seen: Leave out what the user took in the training and validation parts, or in ``history``.
            unknown: What to do about ids the model has never seen: ``error`` names them, ``skip`` leaves them out,
                ``popular`` answers with the most popular items.
            candidates: Item ids that alone may stand in a list; or by user id in a mapping, for these users.
            exclude: Item ids that may not; or by user id.
            where: Conditions on columns of the items, such as ``"price<=10"``, ``["category=tea|cup", "year>2020"]``,
                ``{"category": ["tea", "cup"]}``, or an expression of polars. A missing value meets none.
            diversity: From 0 to 1. Above 0 the list is put together by maximal marginal relevance from the best
                ``max(100, 5 k)`` items: a score counts for less by this share, likeness to the items before it (in
                content, or in users where there is no content) by as much.
            calibrate: A column of the items whose values are to have the shares in the list that they have in the
                user's history (Steck, RecSys 2018).
            calibration: From 0 to 1, how much that counts beside the scores.
            reasons: Whether to say why, in a column ``because``.
            probability: Whether to say how often the item at such a place was right: the share of users who took it
                in the validation part. Null for popular lists.
            weights: Factors on what cues add, such as ``{"text": 2, "image": 0}``: lists turned by hand, of a model
                that mixes signals. Nothing is trained.
            roles: Factors on what the experts of a role add, such as ``{"complementary": 0}``.
            watch: Called with the number of users that are done and of all, now and then.

        Returns:
            Columns ``user_id`` (null for a single history without a name), ``item_id``, ``rank`` from 1, ``score``,
            ``probability`` if asked for, ``title`` if the data have titles, ``reason``: ``model``, or ``popular`` for
            somebody without a history in training, and ``because`` if asked for. Scores are the model's own and can be
            compared within a user only; they are no probabilities. Users in the order given; fewer than k rows where
            fewer items are left, and none where nothing is left. A polars frame; for a frame one of the same library.

        Raises:
            UnknownIdError: If users or items are unknown; always if an id is known in another type, such as ``"7"``
                for 7.
            DataError: If k is no whole number or out of range, an id is missing, no item is left to choose from, or
                probabilities are asked of a model without a validation part.
            ConfigError: If the model has no such cue, role or column, or mixes no signals.
            MagnetError: If the model is from outside and cannot score histories.
        """
        return self._answers.recommend(
            users,
            k,
            history=history,
            exclude_seen=exclude_seen,
            unknown=unknown,
            candidates=candidates,
            exclude=exclude,
            where=where,
            diversity=diversity,
            calibrate=calibrate,
            calibration=calibration,
            reasons=reasons,
            probability=probability,
            weights=weights,
            roles=roles,
            watch=watch,
        )

    def similar_items(
        self, items: Keys, k: int = 10, *, by: str = "model", where: Condition | None = None
    ) -> pl.DataFrame:
        """The items most like some items.

        Args:
            items: Their ids, in whatever holds them.
            k: How many for each.
            by: ``model``: by cosine of the model's vectors; where the model is an item–item operator, by what an item
                says of the others; in a mixture by both, as its experts weigh them on average. ``taken``: by the users
                who took both (cosine). Or a modality, by cosine of its features.
            where: Conditions on columns of the items that are named, as :meth:`recommend` takes them.

        Returns:
            Columns ``item_id``, ``similar_id``, ``rank`` from 1, ``score`` and ``title`` of the similar item. An item
            is never like itself; one without features, or without users, is like none by these.

        Raises:
            UnknownIdError: If an item is unknown.
            ConfigError: If items cannot be compared by that; the text names by what they can.
        """
        return self._answers.similar_items(items, k, by=by, where=where)

    def similar_users(self, users: Keys, k: int = 10, *, by: str = "model") -> pl.DataFrame:
        """The users most like some users.

        Args:
            users: Their ids, in whatever holds them.
            k: How many for each.
            by: ``model``: by cosine of the model's vectors, or where there are none as ``taken``: by the items that
                both took (cosine).

        Returns:
            Columns ``user_id``, ``similar_id``, ``rank`` from 1 and ``score``.

        Raises:
            UnknownIdError: If a user is unknown.
            ConfigError: If users cannot be compared by that.
        """
        return self._answers.similar_users(users, k, by=by)

    def add_items(
        self,
        items: Keys,
        *,
        features: Mapping[str, Features] | None = None,
        titles: Sequence[str | None] | Mapping[Hashable, str | None] | None = None,
        item_table: IntoDataFrame | None = None,
        neighbours: int = 20,
    ) -> Self:
        """A model that knows new items as well, by their content and without training; this one stays as it is.

        Each new item stands for the mean of the ``neighbours`` items of the training that are most like it, weighted by
        the mean cosine over the modalities it has: whoever likes those gets the new one.

        Args:
            items: Ids; or a frame with an item column, whose columns of vectors named like a modality are features and
                whose others are kept as titles and columns of the items.
            features: By modality, as :meth:`magnet.Dataset.from_frame` takes them, made by the encoder that made those
                of the training.
            titles: Likewise.
            item_table: Likewise.
            neighbours: Items that each is made of at most.

        Returns:
            A model of the same kind that recommends, scores, explains and saves the new items like the others.

        Raises:
            DataError: If an id is there already, features do not fit those of the training, or an item is like none.
            ConfigError: If the model knows no such modality, or ranks by what new items cannot have.
        """
        if self.name in ("popularity", "random"):
            raise ConfigError(
                f"the model '{self.name}' does not look at items, so that it can say nothing of new ones"
            )
        contents = self.contents
        new = new_items(contents, items, features=features, titles=titles, item_table=item_table)
        grown = copy.copy(self)
        grown.receive(
            self.description, grown_contents(contents, new, as_whole(neighbours, "neighbours", least=1))
        )
        return grown

    def score(self, users: Keys, items: Keys) -> NDArray[np.float32]:
        """Score every given user with every given item.

        Args:
            users: Ids of n users, as :meth:`recommend` takes them.
            items: Ids of m items, likewise.

        Returns:
            ``(n, m)``; higher is better, comparable within a user.

        Raises:
            UnknownIdError: If an id is unknown.
        """
        return self._answers.score(users, items)

    def evaluate(
        self,
        dataset: Dataset,
        part: str = "test",
        *,
        protocol: str = "strict",
        ks: int | Sequence[int] = DEFAULT_KS,
        metrics: str | Metric | Sequence[str | Metric] = DEFAULT_METRICS,
    ) -> Evaluation:
        """Measure the fitted model on a held-out part of the data it was trained on.

        Args:
            dataset: The same data.
            part: ``valid`` or ``test``.
            protocol: ``strict`` or ``mmrec``; they differ in what is masked and who counts.
            ks: Cut-offs, one or several.
            metrics: One or several: names of registered metrics, or functions as :func:`magnet.register_metric` takes
                them.

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
        return evaluate(self.contents.state, dataset, part, protocol=protocol, ks=ks, metrics=metrics)

    def explain(self, user: Hashable = None, item: Hashable = None) -> PairExplanation | ModelExplanation:
        """Explain one score, or without arguments the model as a whole.

        Args:
            user: Id of a user.
            item: Id of an item.

        Returns:
            An explanation with ``text()``, ``to_json()`` and ``plot(path)``.

        Raises:
            UnknownIdError: If an id is unknown.
            DataError: If only one of the two is given, or one is no single id.
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
            RunError: If the folder exists and ``overwrite`` is not given, or an id or the state cannot be kept.
        """
        check_contents(self.contents)
        RunFolder.create(folder, self.description, overwrite=overwrite).finish(self.contents)


class Magnet(Recommender):
    """MAGNET: dual-view graphs, experts with roles, a router on pairs, two stages (arXiv 2602.20723).

    Example:
        >>> import magnet
        >>> data = magnet.synthetic.generate("tiny").dataset
        >>> quick = {"epochs": 2, "batch_size": 256}
        >>> model = magnet.Magnet(dim=8, train=quick).fit(data, progress=False)
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


def make(name: str, /, *, seed: int = 0, **config: Any) -> Recommender:
    """A model by its name: an instance of the model's own class where it has one, such as :class:`EASE`.

    Raises:
        ConfigError: If there is no such model, or a setting is unknown or out of range.
    """
    cls = _CLASSES.get(name)
    return Recommender(name, seed=seed, **config) if cls is None else cls(seed=seed, **config)


def load(folder: str | Path, *, allow: str | Iterable[str] = ()) -> Recommender:
    """Load a run folder.

    Args:
        folder: Of a finished run.
        allow: Modules that may be imported to find the run's model, if it is not one of Magnet's own. The folder names
            the module that it needs; nothing that it names is imported unless it stands here.

    Raises:
        RunError: If there is none, it is damaged, unfinished or newer than this version, or its model is not
            registered; the text names the module to import.
    """
    run = RunFolder.open(folder)
    description = run.description
    if description.model not in MODELS:
        _import_model(description, run.path, {allow} if isinstance(allow, str) else set(allow))
    model = make(description.model, seed=description.seed, **description.config)
    model.receive(description, run.load())
    return model


def _import_model(description: RunDescription, path: Path, allowed: set[str]) -> None:
    module = description.module
    if module is not None and module in allowed:
        try:
            import_module(module)
        except ImportError as error:
            raise RunError(
                f"{path}: its model '{description.model}' needs the module {module!r}: {error}"
            ) from error
    if description.model in MODELS:
        return
    if module is None or module == "__main__":
        where = "a script or notebook registered it; run the same magnet.register call first"
    else:
        where = (
            f"import {module} first, which registers it, or pass allow={module!r}; for the command: "
            f"magnet --import {module} …"
        )
    raise RunError(f"{path}: made by the model '{description.model}', which is not registered here; {where}")
