"""Training: the loop, and what a model has to be for the loop to drive it."""

from magnet.train.config import TrainConfig
from magnet.train.one_phase import OnePhaseTask
from magnet.train.task import Batch, Task, Terms

__all__ = ["Batch", "OnePhaseTask", "Task", "Terms", "TrainConfig"]
