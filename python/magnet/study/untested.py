"""Data without their test part: what cannot be seen cannot be tuned on."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING

from magnet.data import PARTS, Dataset
from magnet.errors import DataError

if TYPE_CHECKING:
    from scipy.sparse import csr_array

    from magnet.data.dataset import Part

__all__ = ["Untested", "without_test"]


class Untested(Dataset):
    """A data set whose test interactions are not in memory; see :func:`without_test`."""

    def part(self, name: Part) -> csr_array:
        """The interactions of ``"train"`` or ``"valid"``, ``(U, I)``.

        Raises:
            DataError: If the test part is asked for, or there is no such part.
        """
        if name == "test":
            raise DataError(
                f"{self.name}: the test part is not scored while tuning; settings are chosen on validation, and the "
                "chosen ones are scored by magnet compare"
            )
        return super().part(name)


def without_test(dataset: Dataset) -> Untested:
    """The same users, items, features, training and validation interactions, and no test interaction at all.

    The content hash stays that of the whole: no training reads the test part, so that runs on either data are the same.
    """
    kept = dataset.parts != PARTS.index("test")
    rest = dataset.only(kept)
    values = {field.name: getattr(rest, field.name) for field in fields(rest)}
    found = Untested(**values | {"source": dataset.source})
    # Where cached_property looks first.
    vars(found)["content_hash"] = dataset.content_hash
    return found
