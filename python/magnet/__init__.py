"""Multimodal recommendation with a mixture of graph experts."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from magnet import data, errors, graph, synthetic
    from magnet._core import __version__
    from magnet.api import EASE, LightGCN, Magnet, Popularity, Recommender, load
    from magnet.data import Dataset
    from magnet.engine import Trainer
    from magnet.evaluate import Evaluation
    from magnet.runtime import set_num_threads
    from magnet.train.config import TrainConfig

__all__ = [
    "EASE",
    "Dataset",
    "Evaluation",
    "LightGCN",
    "Magnet",
    "Popularity",
    "Recommender",
    "TrainConfig",
    "Trainer",
    "__version__",
    "data",
    "errors",
    "graph",
    "load",
    "set_num_threads",
    "synthetic",
]

# Importing torch takes seconds, and `magnet --help` needs none of it: a name is imported when it is first used.
_HOMES = {
    "EASE": "magnet.api",
    "Dataset": "magnet.data",
    "Evaluation": "magnet.evaluate",
    "LightGCN": "magnet.api",
    "Magnet": "magnet.api",
    "Popularity": "magnet.api",
    "Recommender": "magnet.api",
    "TrainConfig": "magnet.train.config",
    "Trainer": "magnet.engine",
    "__version__": "magnet._core",
    "load": "magnet.api",
    "set_num_threads": "magnet.runtime",
}


_MODULES = ("data", "errors", "graph", "synthetic")


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    if name in _MODULES:
        return import_module(f"magnet.{name}")
    raise AttributeError(f"module 'magnet' has no attribute '{name}'")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
