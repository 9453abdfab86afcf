"""A data set in figures: sizes, degrees and modalities, to look at before training."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from magnet.data.dataset import PARTS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from magnet.data.dataset import Dataset

__all__ = ["Description", "ModalityDescription", "describe"]

QUANTILES = (0.0, 0.25, 0.5, 0.75, 0.9, 1.0)


@dataclass(frozen=True)
class ModalityDescription:
    """One modality in figures.

    Attributes:
        width: Number of features.
        dtype: Of the features, as given.
        missing: Number of items without it.
        lift: How many times more users two neighbours in it share than two random items; 1 says nothing, None
            if not asked.
    """

    width: int
    dtype: str
    missing: int
    lift: float | None


@dataclass(frozen=True)
class Description:
    """A data set in figures.

    Attributes:
        name: Of the data set.
        n_users: Number of users, U.
        n_items: Number of items, I.
        n_interactions: Number of interactions of all parts.
        density: Share of all U · I pairs that occur.
        parts: Number of interactions in train, valid and test.
        users_in: Number of users with an interaction in each part.
        cold_users: Users without a training interaction.
        cold_items: Items without a training interaction.
        user_degrees: Quantiles of training interactions by user, over all users.
        item_degrees: Quantiles of training interactions by item, over all items.
        modalities: By name.
        messages: What was found odd while reading.
    """

    name: str
    n_users: int
    n_items: int
    n_interactions: int
    density: float
    parts: dict[str, int]
    users_in: dict[str, int]
    cold_users: int
    cold_items: int
    user_degrees: dict[str, float]
    item_degrees: dict[str, float]
    modalities: dict[str, ModalityDescription]
    messages: list[str]

    def as_dict(self) -> dict[str, Any]:
        """The same as JSON-compatible data."""
        return dataclasses.asdict(self)


def describe(dataset: Dataset, *, lifts: Mapping[str, float] | None = None) -> Description:
    """Put a data set into figures.

    Args:
        dataset: Any data set.
        lifts: By modality, as :func:`magnet.graph.build.lift` computes them, where they are wanted.

    Example:
        >>> from magnet.synthetic import generate
        >>> figures = describe(generate("tiny").dataset)
        >>> figures.parts
        {'train': 1851, 'valid': 292, 'test': 319}
        >>> figures.modalities["image"]
        ModalityDescription(width=64, dtype='float32', missing=16, lift=None)
    """
    user_degrees = np.diff(dataset.train.indptr)
    item_degrees = np.bincount(dataset.train.indices, minlength=dataset.n_items)
    matrices = {name: dataset.part(name) for name in PARTS}
    return Description(
        name=dataset.name,
        n_users=dataset.n_users,
        n_items=dataset.n_items,
        n_interactions=int(dataset.users.size),
        density=dataset.users.size / (dataset.n_users * dataset.n_items),
        parts={name: int(matrix.nnz) for name, matrix in matrices.items()},
        users_in={name: int(np.count_nonzero(np.diff(matrix.indptr))) for name, matrix in matrices.items()},
        cold_users=int(np.count_nonzero(user_degrees == 0)),
        cold_items=int(np.count_nonzero(item_degrees == 0)),
        user_degrees=_quantiles(user_degrees),
        item_degrees=_quantiles(item_degrees),
        modalities={
            name: ModalityDescription(
                width=modality.width,
                dtype=str(modality.features.dtype),
                missing=modality.n_missing,
                lift=None if lifts is None or name not in lifts else float(lifts[name]),
            )
            for name, modality in dataset.modalities.items()
        },
        messages=list(dataset.messages),
    )


def _quantiles(values: NDArray[np.integer]) -> dict[str, float]:
    names = ("min", "25%", "median", "75%", "90%", "max")
    return dict(zip(names, np.quantile(values, QUANTILES).tolist(), strict=True))
