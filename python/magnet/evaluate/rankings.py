"""What every metric reads: rankings, the items that had to be found, and the data behind them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.sparse import csr_array

from magnet.data.unit_length import unit_length
from magnet.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from magnet.data import Dataset

__all__ = ["Rankings"]


@dataclass(frozen=True, eq=False)
class Rankings:
    """The rankings of some users beside the items that had to be found. What every metric reads.

    :func:`magnet.evaluate.evaluate` fills in all of it. Rankings without the fields that may be None can be measured
    too, by the metrics that do not need them.

    Attributes:
        items: Ranked item indices, best first, ``(B, k)``; -1 where there was nothing left to rank, which is a miss.
        relevant: The held-out items of the same users, ``(B, I)``; every stored entry counts, its value does not.
        dataset: The data; their training part is what the model was trained on.
        users: Who the rows are, ``(B,)``, indices of the data's users.
        seen: What was not ranked, ``(U, I)``.
        find_places: What computes :attr:`places`.
    """

    items: NDArray[np.integer[Any]]
    relevant: csr_array
    dataset: Dataset | None = None
    users: NDArray[np.int32] | None = None
    seen: csr_array | None = None
    find_places: Callable[[], NDArray[np.int64]] | None = None

    @property
    def n_items(self) -> int:
        """Items of the catalogue, I."""
        return int(self.relevant.shape[1])

    @cached_property
    def hits(self) -> NDArray[np.bool_]:
        """Which ranked items are relevant, ``(B, k)``."""
        return _hits(self.items, self.relevant)

    @cached_property
    def n_relevant(self) -> NDArray[np.int64]:
        """How many items had to be found, ``(B,)``; at least 1."""
        return np.diff(self.relevant.indptr).astype(np.int64)

    @cached_property
    def n_hits(self) -> NDArray[np.int64]:
        """How many were found up to each place, ``(B, k)``."""
        return np.cumsum(self.hits, axis=1, dtype=np.int64)

    @cached_property
    def discounts(self) -> NDArray[np.float64]:
        """What a hit at each place is worth to NDCG, ``(k,)``."""
        return 1.0 / np.log2(np.arange(2, self.items.shape[1] + 2, dtype=np.float64))

    @cached_property
    def gains(self) -> NDArray[np.float64]:
        """Discounted hits up to each place, ``(B, k)``."""
        return np.cumsum(self.hits * self.discounts, axis=1)

    @cached_property
    def ranked(self) -> NDArray[np.bool_]:
        """Which places hold an item, ``(B, k)``."""
        return self.items >= 0

    @cached_property
    def popularity(self) -> NDArray[np.int64]:
        """Training interactions of every item, ``(I,)``.

        Raises:
            DataError: If the rankings came without data; likewise below.
        """
        return np.bincount(self._data().train.indices, minlength=self.n_items).astype(np.int64)

    @cached_property
    def n_trained(self) -> int:
        """Users with a training interaction."""
        return int(np.count_nonzero(np.diff(self._data().train.indptr)))

    @cached_property
    def history(self) -> csr_array:
        """The training interactions of the same users, ``(B, I)``."""
        return csr_array(self._data().train[self._rows()])

    @cached_property
    def content(self) -> dict[str, NDArray[np.float32]]:
        """For every modality a row of unit length for each item, ``(I, d)``; zeros where the item lacks it."""
        return {name: unit_length(modality.features) for name, modality in self._data().modalities.items()}

    @cached_property
    def n_unseen(self) -> NDArray[np.int64]:
        """How many items there were to rank, ``(B,)``."""
        if self.seen is None:
            raise self._lacking("what each user has seen")
        return (self.n_items - np.diff(self.seen.indptr)[self._rows()]).astype(np.int64)

    @cached_property
    def places(self) -> NDArray[np.int64]:
        """How many unseen items stand before each relevant one in the full ranking.

        In the order in which ``relevant`` stores them; -1 for an item that cannot be ranked, as its score is NaN or
        -inf.
        """
        if self.find_places is None:
            raise self._lacking("the full ranking")
        return self.find_places()

    def _data(self) -> Dataset:
        if self.dataset is None:
            raise self._lacking("the data")
        return self.dataset

    def _rows(self) -> NDArray[np.int32]:
        if self.users is None:
            raise self._lacking("which users they are of")
        return self.users

    @staticmethod
    def _lacking(what: str) -> DataError:
        return DataError(
            f"these rankings came without {what}, which this metric reads; measure the model itself with evaluate(…)"
        )


def _hits(items: NDArray[np.integer[Any]], relevant: csr_array) -> NDArray[np.bool_]:
    """Which ranked items are relevant, ``(B, k)``, by one search in the sorted pairs of row and column."""
    n_rows, n_items = relevant.shape
    rows = np.repeat(np.arange(n_rows, dtype=np.int64), np.diff(relevant.indptr))
    pairs = np.sort(rows * n_items + relevant.indices)  # (nnz,)
    wanted = np.arange(n_rows, dtype=np.int64)[:, None] * n_items + items  # (B, k)
    if not len(pairs):
        return np.zeros(items.shape, dtype=np.bool_)
    place = np.minimum(np.searchsorted(pairs, wanted), len(pairs) - 1)
    # Without the second condition, -1 would be the last item of the row before.
    found: NDArray[np.bool_] = (pairs[place] == wanted) & (items >= 0)
    return found
