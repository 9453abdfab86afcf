"""Multimodal recommendation with a mixture of graph experts."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

# Threads are watched over from the first import on: a fork may come before anything else is imported.
from magnet import forks as forks

if TYPE_CHECKING:
    from magnet import data, errors, graph, synthetic, testing
    from magnet._core import __version__
    from magnet.api import EASE, LightGCN, Magnet, Popularity, Recommender, load
    from magnet.config import Config
    from magnet.data import Dataset
    from magnet.data.readers import register_reader
    from magnet.engine import Trainer
    from magnet.errors import MagnetError
    from magnet.evaluate import Evaluation, register_metric
    from magnet.models.registry import register
    from magnet.models.signals.base import register_signal
    from magnet.nn.losses import register_loss
    from magnet.nn.mixture.roles import register_role
    from magnet.runtime import set_num_threads
    from magnet.states import register_state
    from magnet.study.ablate import ablate
    from magnet.study.compare import compare
    from magnet.study.tune import tune
    from magnet.train.config import TrainConfig

# Importing torch takes seconds, and `magnet --help` needs none of it: a name is imported when it is first used.
_HOMES = {
    "Config": "magnet.config",
    "Dataset": "magnet.data",
    "EASE": "magnet.api",
    "Evaluation": "magnet.evaluate",
    "LightGCN": "magnet.api",
    "Magnet": "magnet.api",
    "MagnetError": "magnet.errors",
    "Popularity": "magnet.api",
    "Recommender": "magnet.api",
    "TrainConfig": "magnet.train.config",
    "Trainer": "magnet.engine",
    "__version__": "magnet._core",
    "ablate": "magnet.study.ablate",
    "compare": "magnet.study.compare",
    "load": "magnet.api",
    "register": "magnet.models.registry",
    "register_loss": "magnet.nn.losses",
    "register_metric": "magnet.evaluate",
    "register_reader": "magnet.data.readers",
    "register_signal": "magnet.models.signals.base",
    "register_role": "magnet.nn.mixture.roles",
    "register_state": "magnet.states",
    "set_num_threads": "magnet.runtime",
    "tune": "magnet.study.tune",
}
_MODULES = ("data", "errors", "graph", "synthetic", "testing")

__all__ = [
    "EASE",
    "Config",
    "Dataset",
    "Evaluation",
    "LightGCN",
    "Magnet",
    "MagnetError",
    "Popularity",
    "Recommender",
    "TrainConfig",
    "Trainer",
    "__version__",
    "ablate",
    "compare",
    "data",
    "errors",
    "graph",
    "load",
    "register",
    "register_loss",
    "register_metric",
    "register_reader",
    "register_role",
    "register_signal",
    "register_state",
    "set_num_threads",
    "synthetic",
    "testing",
    "tune",
]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    if name in _MODULES:
        return import_module(f"magnet.{name}")
    raise AttributeError(f"module 'magnet' has no attribute '{name}'")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
