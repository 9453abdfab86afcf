"""What a data set is made of beside its interactions."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

__all__ = ["Choice", "DataSource", "Modality"]


@dataclass(frozen=True, eq=False, repr=False)
class Modality:
    """What one source of content says about every item.

    Attributes:
        name: Unique within a data set.
        features: One row for each item, ``(I, d_m)``, finite, float32 or float16 as they were given. Sums
            over float16 rows overflow: convert them first.
        present: Which items have the modality, ``(I,)``. Rows of the others are zero and mean nothing.
    """

    name: str
    features: NDArray[np.float32] | NDArray[np.float16]
    present: NDArray[np.bool_]

    def __repr__(self) -> str:
        missing = f", {self.n_missing:,} items lack it" if self.n_missing else ""
        return f"Modality '{self.name}': {self.width:,} features in {self.features.dtype}{missing}"

    @property
    def width(self) -> int:
        """Number of features, ``d_m``."""
        return int(self.features.shape[1])

    @property
    def n_missing(self) -> int:
        """Number of items without the modality."""
        return int(self.present.size - np.count_nonzero(self.present))


@dataclass(frozen=True)
class Choice:
    """What of the data is read, and how: the options of :meth:`magnet.Dataset.read`.

    Attributes:
        split: A column, a rule, or None: the column ``split`` if there is one, else all is for training.
        modalities: The chosen modalities in order, None for all.
        user: The user column where it was named.
        item: The item column where it was named.
        seed: What a drawn split depends on.
        min_rating: The least rating of interactions that count, None for all.
        rating: The column of ratings where it was named.
    """

    split: str | None = "split"
    modalities: list[str] | None = None
    user: str | None = None
    item: str | None = None
    seed: int = 0
    min_rating: float | None = None
    rating: str | None = None

    def source(self, path: Path, reader: str | None = None) -> DataSource:
        """Where data were read from with these options."""
        return DataSource(str(path.resolve()), **vars(self), reader=reader)


@dataclass(frozen=True)
class DataSource:
    """Where a data set was read from, so that it can be read again. Every value is JSON-compatible.

    Attributes:
        path: The folder or file, absolute.
        split: A column of the interaction file, or a rule, see :mod:`magnet.data.rules`; None for the column ``split``
            if there is one.
        modalities: The chosen modalities in order, or None for all feature files of the folder.
        user: The user column where it was named.
        item: The item column where it was named.
        seed: What a drawn split depends on.
        reader: Name of the reader, None for a folder or file of Magnet's own.
        min_rating: The least rating of interactions that count, None for all.
        rating: The column of ratings where it was named.
    """

    path: str
    split: str | None = "split"
    modalities: list[str] | None = None
    user: str | None = None
    item: str | None = None
    seed: int = 0
    reader: str | None = None
    min_rating: float | None = None
    rating: str | None = None

    def to_json(self) -> dict[str, Any]:
        """The attributes by name; those that came later only where they say something."""
        late = ("reader", "min_rating", "rating")
        return {name: value for name, value in asdict(self).items() if value is not None or name not in late}
