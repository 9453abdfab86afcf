"""The linear item-item model at any size."""

from __future__ import annotations

from typing import TYPE_CHECKING

from magnet import core
from magnet.errors import DataError
from magnet.graph.arrays import from_rust, to_rust
from magnet.memory import check_memory
from magnet.runtime import num_threads

if TYPE_CHECKING:
    from scipy.sparse import csr_array

__all__ = ["local_ridge"]


def local_ridge(
    train: csr_array,
    *,
    ridge: float,
    content: csr_array | None = None,
    content_weight: float = 0.0,
    support: int = 200,
) -> csr_array:
    r"""Regress each item on the few items that say most about it.

    With :math:`G = X^\top X` for the interactions X and a matrix S that content suggests, the weights of item j are

    .. math:: b_C = (G_{CC} + (\lambda + \lambda_s) I)^{-1} (G_{Cj} + \lambda_s S_{Cj})

    which minimises :math:`|x_j - X b|^2 + \lambda |b|^2 + \lambda_s |b - S_j|^2` over weights b on the support C: the
    ``support`` items other than j of largest :math:`|G_{cj} + \lambda_s S_{cj}|`, the lower item first among equals.
    Without content this is EASE (Steck, *Embarrassingly Shallow Autoencoders for Sparse Data*, WWW 2019), with it L3AE
    (a linear model of two steps, whose first step is :func:`content_regression`). Both invert a matrix over all items;
    we solve a small system for each item, so that time and memory are linear in the number of items. Where the
    support has room for all items, the result is theirs.

    The weights are the same, bit for bit, for every number of threads and on every instruction path.

    Args:
        train: Interactions, ``(U, I)``; only which entries there are counts.
        ridge: λ, positive, in units of users; larger draws the weights towards zero.
        content: S, ``(I, I)``, finite: entry (c, j) says how much item c should speak for item j. Its diagonal is not
            read. None stands for no content.
        content_weight: λ_s, at least 0; how much the weights are drawn towards ``content``.
        support: Items that an item may be predicted from, 1 to 32,768. Time grows with its cube, memory linearly.

    Returns:
        Weights, ``(I, I)``, at most ``support`` in a column: the sum of the rows of a user's items scores all items.
        Columns of items that nothing is known of are empty, and so is the diagonal.

    Raises:
        DataError: If a shape or a number is wrong, ``content`` holds NaN or infinity, the counts are too large for so
            small a ridge, or the systems do not fit in memory.

    Example:
        >>> import numpy as np
        >>> from scipy.sparse import csr_array
        >>> train = csr_array(np.array([[1, 1, 0], [1, 1, 0], [0, 1, 1]], dtype=np.float32))
        >>> local_ridge(train, ridge=1.0, support=1).toarray().round(2)
        array([[0.  , 0.67, 0.  ],
               [0.5 , 0.  , 0.25],
               [0.  , 0.  , 0.  ]], dtype=float32)
    """
    if content is None and content_weight != 0:
        raise DataError(f"content_weight is {content_weight}, but there is no content to weigh")
    if support < 1:
        raise DataError(f"support must be at least 1, got {support}")
    n_items = train.shape[1]
    size = min(support, n_items)
    check_memory(
        4.0 * size**2 * num_threads() + 8.0 * size * n_items,  # a system for each thread, and the result
        f"systems of {size:,} equations for {n_items:,} items",
        "choose a smaller support",
    )
    of_content = None if content is None else to_rust(content, "content")
    weights = core.local_ridge(to_rust(train, "train"), of_content, ridge, content_weight, support)
    return from_rust(weights, (n_items, n_items))
