"""Multimodal recommendation with a mixture of graph experts."""

from magnet import data, errors
from magnet._core import __version__
from magnet.api import EASE, LightGCN, Magnet, Popularity, Recommender, load
from magnet.data import Dataset
from magnet.engine import Trainer
from magnet.evaluate import Evaluation, evaluate
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
    "evaluate",
    "load",
    "set_num_threads",
]
