"""What costs depend on, and what they come to."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from magnet.data import Dataset

__all__ = ["GROUND", "Need", "Sizes"]

GROUND = 10e6
"""Bytes that any fit takes: blocks of scores and what libraries load when first used."""


class Sizes(NamedTuple):
    """Of a data set."""

    users: int  # U
    items: int  # I
    pairs: int  # of the training part
    widths: tuple[int, ...]  # of the modalities

    @classmethod
    def of(cls, dataset: Dataset) -> Sizes:
        """Those of a data set."""
        widths = tuple(modality.width for modality in dataset.modalities.values())
        return cls(dataset.n_users, dataset.n_items, int(dataset.train.nnz), widths)


class Need(NamedTuple):
    """What a fit takes beside the data."""

    memory: float  # bytes at the peak
    seconds: float
    at_most: float
    validation: float  # seconds of one ranking of all users
    guesses: tuple[str, ...]
