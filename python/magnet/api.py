"""Models by the user's own ids: fit, recommend, score, explain, save, load."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Self

from magnet.answers import Fitted
from magnet.config import changed
from magnet.data.given import as_whole
from magnet.engine import Trainer
from magnet.errors import ConfigError, DataError, RunError, with_command
from magnet.evaluate import DEFAULT_KS, DEFAULT_METRICS, evaluate
from magnet.explain import ModelExplanation, PairExplanation, explain_model, explain_pair
from magnet.export import ExportedModel, export_model
from magnet.models.registry import MODELS, find_model
from magnet.run.contents import check_contents
from magnet.run.folder import RunDescription, RunFolder
from magnet.train.schedule import schedule_of

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable, Sequence
    from pathlib import Path

    from magnet.data import Dataset
    from magnet.evaluate import Evaluation, Metric

__all__ = ["EASE", "LightGCN", "Magnet", "Popularity", "Recommender", "load", "make"]


# The class of each model that has one.
_CLASSES: dict[str, type[Recommender]] = {}


class Recommender(Fitted):
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
        super().__init__()
        self.name = name
        self.seed = as_whole(seed, "seed")
        where = type(self).__name__ if fixed is not None else name
        self.config = find_model(name).config.build(config, where=where)

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
            raise with_command(
                DataError(
                    f"{dataset.name}: final=True trains for as many epochs as validation chose, and this {self.name} "
                    "was not fitted to data with a validation part yet; call fit(data) first, or magnet.load(run)"
                ),
                f"{dataset.name}: --final trains for as many epochs as validation chose, and this {self.name} was not "
                "trained with a validation part; train it with one first, and name that run",
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

    def evaluate(
        self,
        dataset: Dataset,
        part: str = "test",
        *,
        protocol: str = "strict",
        ks: int | Sequence[int] = DEFAULT_KS,
        metrics: str | Metric | Sequence[str | Metric] = DEFAULT_METRICS,
        slices: bool = False,
    ) -> Evaluation:
        """Measure the fitted model on a held-out part of the data it was trained on.

        Args:
            dataset: The same data.
            part: ``valid`` or ``test``.
            protocol: ``strict`` or ``mmrec``; they differ in what is masked and who counts.
            ks: Cut-offs, one or several.
            metrics: One or several: names of registered metrics, or functions as :func:`magnet.register_metric` takes
                them.
            slices: Whether to average over groups as well: users by the number of their training items, and Recall of
                the items of the head, of the tail, of cold ones and of those that lack a modality.

        Returns:
            Averages and per-user values, see :class:`magnet.Evaluation`; it writes TREC runs too.

        Raises:
            DataError: If these are other data, or the part is empty.
        """
        if dataset.content_hash != self.description.content_hash:
            raise DataError(
                f"{dataset.name} is not the data this model was trained on: their content differs; fit again, or "
                "evaluate on the data of the training"
            )
        return evaluate(
            self.contents.state, dataset, part, protocol=protocol, ks=ks, metrics=metrics, slices=slices
        )

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

    def export(
        self,
        folder: str | Path,
        what: str | Sequence[str] = ("vectors", "card"),
        *,
        rank: int = 256,
        backbone: bool = False,
        top: int = 200,
        overwrite: bool = False,
    ) -> ExportedModel:
        """Write the model for other programs, into a folder that is whole or not there.

        ``vectors`` are ``users.npy`` and ``items.npy``, float32, whose inner products order a user's items, for
        faiss, usearch and their like: the model's own where it is one of vectors, and otherwise an approximation.
        How many of the model's 20 best unseen items they give back is measured, written into the folder's README and
        ``export.json``, and is part of the answer. ``onnx`` is the same with the search, as ``model.onnx``.
        ``operators`` are the item–item matrices of a linear model or of a mixture's cues, in SciPy's ``.npz``.
        ``card`` is ``card.md``, a page about the model. Ids and what was seen lie beside.

        Args:
            folder: Where to; missing parents are made.
            what: ``vectors``, ``operators``, ``onnx`` and ``card``, one or several.
            rank: Width of the vectors where they approximate the model, 1 to 4,096.
            backbone: Take the vectors of a mixture's trained backbone instead of an approximation of the whole.
            top: Weights that are kept in each column of a dense operator; sparse ones stay whole.
            overwrite: Whether an export that is there may be replaced; nothing else ever is.

        Returns:
            What was written and how near it comes to the model; ``text()`` and ``to_json()`` say it.

        Raises:
            ConfigError: If there is nothing of a name, or a backbone is asked of a model that is none beside signals.
            DataError: If the folder is not free, a number is out of range, or the model has no operators.
            RunError: If an id cannot be kept in JSON.
            MissingExtraError: If onnx is asked for and not installed.
            StorageError: If the disk refuses it.
        """
        return export_model(
            self.contents,
            self.description,
            folder,
            what=what,
            rank=rank,
            backbone=backbone,
            top=top,
            overwrite=overwrite,
        )


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
