"""Nearest neighbours on the device where the features are."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from scipy.sparse import csr_array

from magnet.errors import DataError

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["knn_graph_of_tensor"]

# A block of products on the device has at most this many numbers.
_BLOCK = 1 << 27


def knn_graph_of_tensor(features: Tensor, k: int, *, present: Tensor | None = None) -> csr_array:
    """Connect each row of a tensor to the ``k`` rows of largest cosine, on the tensor's device.

    Blocks of rows are multiplied with all rows in float32; whatever lies within the rounding error of a row's
    ``k`` best is decided by its cosine in float64, ties going to the lower row. The graph is that of
    :func:`~magnet.graph.knn.knn_graph` up to the last bit of a cosine. On CUDA, float32 products must not
    be lowered to TF32 (torch does not, unless told to).

    Args:
        features: ``(I, d)``, floating point, on any device.
        k: Neighbours of a row, at least 1.
        present: Which rows have features, ``(I,)``, bool; all by default.

    Returns:
        Cosines, ``(I, I)``, at most ``k`` in a row, in the memory of the host.

    Raises:
        DataError: If a present row holds NaN or infinity (rows are named), or a shape or type is wrong.
    """
    if features.ndim != 2 or not features.is_floating_point():
        raise DataError(
            "features must be a matrix of floating-point numbers, one row for each item; "
            f"got {features.dtype} of shape {tuple(features.shape)}"
        )
    if k < 1:
        raise DataError(f"the number of neighbours k must be at least 1, got {k}")
    n_rows = features.shape[0]
    if present is not None and (present.dtype != torch.bool or present.shape != (n_rows,)):
        raise DataError(
            f"present must hold one bool for each of the {n_rows} rows; "
            f"got {present.dtype} of shape {tuple(present.shape)}"
        )
    with torch.no_grad():
        lengths = torch.linalg.vector_norm(features.detach(), dim=1, dtype=torch.float64)  # (I,)
        if present is not None:
            lengths = torch.where(present.to(lengths.device), lengths, 0)
        bad = torch.nonzero(~torch.isfinite(lengths)).flatten()
        if bad.numel():
            raise DataError(
                f"features must be finite; found NaN or infinity in {bad.numel()} of {n_rows} rows, first in rows "
                f"{bad[:10].tolist()}; repair them, or mark these rows as missing"
            )
        rows = torch.nonzero(lengths > 0).flatten()  # (A,)
        scores, neighbours = _nearest(features.detach(), lengths, rows, k)
    numbers = rows.cpu().numpy().repeat(scores.shape[1])
    entries = scores.cpu().numpy().ravel(), (numbers, neighbours.cpu().numpy().ravel())
    graph = csr_array(entries, shape=(n_rows, n_rows))
    graph.sort_indices()
    return graph


def _nearest(features: Tensor, lengths: Tensor, rows: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """Scores and neighbours, ``(A, min(k, A - 1))`` each, of the rows that take part."""
    device, n = features.device, rows.numel()
    k = min(k, max(n - 1, 0))
    scores = torch.empty((n, k), dtype=torch.float32, device=device)
    found = torch.empty((n, k), dtype=torch.int64, device=device)
    if k == 0:
        return scores, found
    unit = (features[rows].double() / lengths[rows, None]).float()  # (A, d)
    # The error of one product: rounding to float32, and a sum of d rounded products. Comparing two doubles it.
    slack = 4 * (unit.shape[1] + 8) * torch.finfo(torch.float32).eps
    block = max(1, _BLOCK // n)
    for start in range(0, n, block):
        mine = torch.arange(start, min(start + block, n), device=device)  # (B,)
        products = unit[mine] @ unit.T  # (B, A)
        products[mine - start, mine] = -torch.inf
        limits = products.topk(k, dim=1).values[:, -1:] - slack
        # Every row takes as many candidates as the row that has most; the row itself is at -inf, which leaves n - 1.
        depth = int((products >= limits).sum(1).max())
        near = rows[products.topk(depth, dim=1).indices.sort(dim=1).values]  # (B, depth), ascending
        piece = max(1, _BLOCK // (depth * max(unit.shape[1], 1)))
        for part, others in zip(torch.split(mine, piece), torch.split(near, piece), strict=True):
            own = rows[part]
            exact = torch.einsum("bd,bnd->bn", features[own].double(), features[others].double())
            cosines = (exact / (lengths[own, None] * lengths[others])).float()
            # Stable, so that equal cosines keep the order of their rows.
            order = cosines.sort(dim=1, descending=True, stable=True).indices[:, :k]
            scores[part], found[part] = cosines.gather(1, order), others.gather(1, order)
    return scores, found
