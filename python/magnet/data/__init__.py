"""Data sets: interactions, raw ids and modalities, from folders and frames."""

from magnet.data.dataset import PARTS, Dataset, DataSource, Modality
from magnet.data.describe import Description, describe

__all__ = ["PARTS", "DataSource", "Dataset", "Description", "Modality", "describe"]
