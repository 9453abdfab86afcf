"""Embeddings that begin as the items' features."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
import torch.nn.functional as F
from scipy.sparse import csr_array

from magnet.data.unit_length import unit_tensor
from magnet.nn.propagate import Graph, multiply
from magnet.seeds import torch_generator

if TYPE_CHECKING:
    from torch import Tensor

    from magnet.data import Dataset, Modality
    from magnet.models.graphs import Graphs

__all__ = ["content_start"]


def content_start(dataset: Dataset, graphs: Graphs, dim: int, *, seed: int) -> Tensor:
    """Embeddings made of features: a rotated PCA for items, and the mean of what they took for users.

    The unit features of all modalities, centred, stand side by side, each by the root of its graph's weight, so that
    inner products are the weighted sum of the modalities'. Their leading directions keep these products, and a random
    rotation keeps them as well while it gives no coordinate more to say than another. Users and items each have the
    spread of Xavier's start; items without features stay at 0 and have their neighbours.

    Args:
        dataset: Interactions and features.
        graphs: Their weights.
        dim: Width D.
        seed: Of the rotation.

    Returns:
        ``(U + I, D)``, float32.
    """
    parts = [
        _centred(modality) * graphs.weights[name] ** 0.5
        for name, modality in dataset.modalities.items()
        if graphs.weights[name] > 0
    ]
    x = torch.cat(parts, 1)
    _, vectors = torch.linalg.eigh((x.T @ x).double())
    x = x @ vectors[:, -dim:].float()
    x = F.pad(x, (0, dim - x.shape[1]))
    turn = torch.linalg.qr(
        torch.randn(dim, dim, generator=torch_generator(seed, "rotation"), dtype=torch.double)
    )
    x = x @ turn.Q.float()
    taken = np.maximum(np.diff(graphs.train.indptr), 1)
    share = np.repeat(1 / taken, np.diff(graphs.train.indptr)).astype(np.float32)
    means = csr_array((share, graphs.train.indices, graphs.train.indptr), shape=graphs.train.shape)
    users = multiply(Graph.from_csr(means, symmetric=False), x.contiguous())
    spread = (2 / (dataset.n_users + dataset.n_items + dim)) ** 0.5
    return torch.cat([rows * (spread / rows.std().clamp(min=1e-12)) for rows in (users, x)])


def _centred(modality: Modality) -> Tensor:
    """Unit rows about their mean, of unit length again; missing ones are zero."""
    there = torch.from_numpy(modality.present)
    x = unit_tensor(modality.features)
    x = unit_tensor((x - x[there].mean(0)).numpy())
    x[~there] = 0.0
    return x
