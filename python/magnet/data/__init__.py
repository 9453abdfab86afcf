"""Data sets: interactions, raw ids and modalities, from folders, frames or a generator with planted truth."""

from magnet.data import synthetic
from magnet.data.dataset import PARTS, Dataset, DataSource, Modality
from magnet.data.describe import Description, describe

__all__ = ["PARTS", "DataSource", "Dataset", "Description", "Modality", "describe", "synthetic"]
