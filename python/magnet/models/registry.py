"""The models by name: what configures them, and how they come to a state."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from magnet.errors import ConfigError, nearest
from magnet.models.ease import EASEConfig, fit_ease
from magnet.models.lightgcn import LightGCNConfig, LightGCNTask
from magnet.models.magnet import MagnetConfig, MagnetTask
from magnet.models.popularity import PopularityConfig, fit_popularity

if TYPE_CHECKING:
    from collections.abc import Callable

    from magnet.config import Config
    from magnet.data import Dataset
    from magnet.states import State
    from magnet.train.task import Task

__all__ = ["MODELS", "ModelEntry", "find_model"]


@dataclass(frozen=True)
class ModelEntry:
    """One model. It is either trained by the loop or solved in closed form.

    Attributes:
        name: As ``--model`` takes it.
        config: Class of its configuration; one with a part ``train`` is trained.
        task: Makes its training task from data, configuration and ``seed=``.
        solve: Makes its state from data and configuration.
    """

    name: str
    config: type[Config]
    task: Callable[..., Task] | None = None
    solve: Callable[[Dataset, Any], State] | None = None


MODELS = {
    entry.name: entry
    for entry in (
        ModelEntry("magnet", MagnetConfig, task=MagnetTask),
        ModelEntry("lightgcn", LightGCNConfig, task=LightGCNTask),
        ModelEntry("ease", EASEConfig, solve=fit_ease),
        ModelEntry("popularity", PopularityConfig, solve=fit_popularity),
    )
}


def find_model(name: str) -> ModelEntry:
    """The model of that name.

    Raises:
        ConfigError: If there is none; the nearest name is suggested.
    """
    if name not in MODELS:
        raise ConfigError(f"no model '{name}'{nearest(name, MODELS)}")
    return MODELS[name]
