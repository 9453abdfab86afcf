"""The models by name: what configures them, and how they come to a state."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from magnet.errors import ConfigError
from magnet.registry import Registry

if TYPE_CHECKING:
    from collections.abc import Callable

    from magnet.config import Config
    from magnet.models.space import Dimension, Space
    from magnet.states import State
    from magnet.train.task import Task

__all__ = ["MODELS", "ModelEntry", "find_model", "register"]


@dataclass(frozen=True)
class ModelEntry:
    """One model. It is either trained by the loop or solved in closed form.

    Attributes:
        name: As ``--model`` takes it.
        config: Class of its configuration; one with a part ``train`` is trained.
        task: Makes its training task: ``task(dataset, config, *, seed)``.
        fit: Makes its state: ``fit(dataset, config, *, seed)``.
        space: What tuning searches unless it is told otherwise, by key; empty where nothing was declared.
    """

    name: str
    config: type[Config]
    task: Callable[..., Task] | None = None
    fit: Callable[..., State] | None = None
    space: dict[str, Dimension] = field(default_factory=dict)

    @property
    def module(self) -> str:
        """The module of its configuration, to be imported before a run of this model is loaded."""
        return self.config.__module__


MODELS: Registry[ModelEntry] = Registry(
    "model",
    modules={
        "magnet": "magnet.models.magnet",
        "lightgcn": "magnet.models.lightgcn",
        "bpr-mf": "magnet.models.bpr_mf",
        "vbpr": "magnet.models.vbpr",
        "lattice": "magnet.models.lattice",
        "bm3": "magnet.models.bm3",
        "freedom": "magnet.models.freedom",
        "mgcn": "magnet.models.mgcn",
        "lgmrec": "magnet.models.lgmrec",
        "gume": "magnet.models.gume",
        "smore": "magnet.models.smore",
        "msca": "magnet.models.msca",
        "ease": "magnet.models.signals.ease",
        "l3ae": "magnet.models.signals.l3ae",
        "add-ease": "magnet.models.signals.add_ease",
        "cease": "magnet.models.signals.cease",
        "gf-cf": "magnet.models.signals.gf_cf",
        "chebycf": "magnet.models.signals.chebycf",
        "filter": "magnet.models.signals.filter",
        "item-knn": "magnet.models.signals.item_knn",
        "profile": "magnet.models.signals.profile",
        "user-knn": "magnet.models.user_knn",
        "implicit-als": "magnet.models.implicit",
        "implicit-bpr": "magnet.models.implicit",
        "popularity": "magnet.models.popularity",
        "random": "magnet.models.random",
    },
    group="magnet.models",
)


def register(
    name: str,
    config: type[Config],
    *,
    fit: Callable[..., State] | None = None,
    task: Callable[..., Task] | None = None,
    space: Space | None = None,
    replace: bool = False,
) -> None:
    """Add a model, so that ``magnet.Recommender(name)``, ``magnet.load`` and the command know it.

    A package makes its models known by entry points of the group ``magnet.models``: the name is the model's, the value
    is the module that registers it.

    Args:
        name: How the model is asked for.
        config: Class of its settings, a subclass of :class:`magnet.config.Config`. That of a trained model has a field
            ``train`` of :class:`magnet.TrainConfig`.
        fit: For a model in closed form: ``fit(dataset, config, *, seed)`` returns what scores, such as a
            :class:`magnet.states.DotState`. Only ``dataset.train`` may be looked at.
        task: For a trained model: ``task(dataset, config, *, seed)`` returns a :class:`magnet.train.Task`, which is
            most easily a :class:`magnet.train.OnePhaseTask`.
        space: What :func:`magnet.tune` searches by default: by setting, parts with dots, a tuple of two ends or a list
            of values, as in ``{"l2": (1e-4, 1e-1), "layers": [1, 2, 3]}``. Positive ends of a factor of ten or more are
            searched by their logarithm.
        replace: Whether a model of that name may be replaced, as when a notebook's cell runs again.

    Raises:
        ConfigError: If the name is taken, if not exactly one of ``fit`` and ``task`` is given, if ``config`` is no
            configuration, or if ``space`` does not fit it.
    """
    # pydantic is not cheap, and the command's help reads MODELS
    from magnet.config import Config
    from magnet.models.space import check_space

    if (fit is None) == (task is None):
        raise ConfigError(
            f"model {name!r}: give fit= for a closed form or task= for a trained model, one of them"
        )
    if not (isinstance(config, type) and issubclass(config, Config)):
        raise ConfigError(
            f"model {name!r}: config must be a subclass of magnet.config.Config, got {config!r}"
        )
    if task is not None and "train" not in config.model_fields:
        raise ConfigError(
            f"model {name!r}: the configuration of a trained model needs a field `train: TrainConfig = TrainConfig()`; "
            f"{config.__name__} has {', '.join(config.model_fields) or 'no fields'}"
        )
    searched = check_space(config, space or {}, where=f"space of {name}")
    entry = ModelEntry(name, config, task, fit, searched)
    MODELS.add(name, entry, module=entry.module, replace=replace)


def find_model(name: str) -> ModelEntry:
    """The model of that name.

    Raises:
        ConfigError: If there is none; the nearest name is suggested.
    """
    return MODELS.find(name)
