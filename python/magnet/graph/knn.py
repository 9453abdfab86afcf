"""Exact nearest neighbours, wherever the features are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from magnet import core
from magnet.errors import DataError
from magnet.graph.arrays import checked_features, checked_present, from_rust

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from scipy.sparse import csr_array
    from torch import Tensor

__all__ = ["knn_graph"]


def knn_graph(
    features: NDArray[np.float32 | np.float16] | Tensor,
    k: int,
    *,
    present: NDArray[np.bool_] | Tensor | None = None,
) -> csr_array:
    """Connect each row to the ``k`` rows of largest cosine, exactly.

    A row is never its own neighbour; rows that are absent or all zero have no neighbours and are neighbours of no row.
    Cosines are computed in float64, rounded to float32 and ranked as such: the higher first, then the lower
    row. The graph is the same, bit for bit, on every machine. Negative cosines are kept.

    Args:
        features: ``(I, d)``. float16 is converted to float32 first; float32 that is contiguous is not copied. A tensor
            on another device is searched there, with the same neighbours up to the last bit of a cosine.
        k: Neighbours of a row, at least 1. Where fewer others exist, all of them are neighbours.
        present: Which rows have features, ``(I,)``; all by default. The values of absent rows are not read.

    Returns:
        Cosines, ``(I, I)``, at most ``k`` in a row.

    Raises:
        DataError: If a present row holds NaN or infinity (rows are named), or a shape or type is wrong.

    Example:
        >>> graph = knn_graph(np.array([[1, 0], [3, 4], [2, 0], [0, 0]], dtype=np.float32), 1)
        >>> graph.indptr.tolist(), graph.indices.tolist(), graph.data
        ([0, 1, 2, 3, 3], [2, 0, 0], array([1. , 0.6, 1. ], dtype=float32))
    """
    if isinstance(features, np.ndarray):
        return _of_array(features, k, present)
    import torch

    from magnet.graph.tensors import knn_graph_of_tensor

    if features.device.type == "cpu":
        flags = present.numpy() if isinstance(present, torch.Tensor) else present
        return _of_array(features.detach().numpy(), k, flags)
    return knn_graph_of_tensor(features, k, present=None if present is None else torch.as_tensor(present))


def _of_array(features: NDArray[Any], k: int, present: Any) -> csr_array:
    features = checked_features(features)
    if k < 1:
        raise DataError(f"the number of neighbours k must be at least 1, got {k}")
    n_rows = features.shape[0]
    values = np.ascontiguousarray(features, dtype=np.float32)
    return from_rust(core.knn(values, checked_present(present, n_rows), k), (n_rows, n_rows))
