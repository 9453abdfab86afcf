"""The k-core of an interaction matrix, by which public data sets are usually cut."""

from __future__ import annotations

from typing import TYPE_CHECKING

from magnet import core
from magnet.errors import DataError
from magnet.graph.arrays import to_rust

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from scipy.sparse import csr_array

__all__ = ["k_core"]


def k_core(
    taken: csr_array, per_user: int = 5, per_item: int = 5
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Find the largest part in which all users and all items have enough interactions with one another.

    Users and items with too few interactions are left out, then those that have too few because of that, and so on. The
    order does not matter. ``taken[users][:, items]`` with the two results is the filtered matrix.

    Args:
        taken: Interactions, ``(U, I)``; only which entries there are counts.
        per_user: Items that a user must have, at least 0.
        per_item: Users that an item must have, at least 0.

    Returns:
        Which users and which items remain, bool, ``(U,)`` and ``(I,)``; none, where there is no such part.

    Raises:
        DataError: If a number is negative, or ``taken`` is no CSR matrix.

    Example:
        >>> import numpy as np
        >>> from scipy.sparse import csr_array
        >>> taken = csr_array(np.array([[1, 1, 0], [1, 1, 0], [0, 1, 1]], dtype=np.float32))
        >>> users, items = k_core(taken, 2, 2)
        >>> users.tolist(), items.tolist()
        ([True, True, False], [True, True, False])
    """
    if per_user < 0 or per_item < 0:
        raise DataError(f"per_user and per_item must be at least 0; got {per_user}, {per_item}")
    return core.k_core(to_rust(taken, "taken"), per_user, per_item)
