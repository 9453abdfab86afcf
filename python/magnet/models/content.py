"""What multimodal baselines read of the items: features of unit length, and fixed graphs of nearest items."""

from __future__ import annotations

from functools import reduce
from typing import TYPE_CHECKING, Literal

import numpy as np
from scipy.sparse import block_array, csr_array, diags_array

from magnet.errors import DataError
from magnet.graph.build import lift
from magnet.graph.cache import cached_knn
from magnet.models.graphs import unit_features, weigh_modalities

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from torch import Tensor

    from magnet.data import Dataset, Modality

__all__ = ["content_features", "graph_weights", "joined_by_content", "nearest_items_graph", "normalised"]


def content_features(dataset: Dataset, *, model: str) -> list[Tensor]:
    """The unit rows of every modality, ``(I, d_m)``, float32; those of items that lack it are zero.

    Raises:
        DataError: If the data have no modality.
    """
    if not dataset.modalities:
        raise DataError(
            f"{dataset.name}: {model} needs at least one modality and the data have none; add a .npy of item features, "
            "or train a model without content, such as lightgcn"
        )
    return [unit_features(modality, 0) for modality in dataset.modalities.values()]


def nearest_items_graph(modality: Modality, k: int, *, weighted: bool) -> csr_array:
    r"""The graph of nearest items that LATTICE introduced and many models took over.

    Each item is joined to the k items of largest cosine, itself among them: its cosine of 1 is always the largest.
    Negative cosines are no edges. Then :math:`\tilde S = D^{-1/2} S D^{-1/2}` with D the sums of the *rows*: S is not
    symmetric, since j may be near to i and i not among the nearest of j. (Zhang et al., *Mining Latent Structures for
    Multimedia Recommendation*, MM 2021, equations 2 to 5.) Items that lack the modality have no edges.

    Args:
        modality: Features.
        k: Edges of an item, at least 1.
        weighted: Whether an edge weighs its cosine, or 1.

    Returns:
        ``(I, I)``, float32, not symmetric.
    """
    there = modality.present & np.any(modality.features, axis=1)
    joined = csr_array(diags_array(there.astype(np.float32)))
    if k > 1:
        near = cached_knn(modality.features, k - 1, present=modality.present).copy()
        near.data = np.maximum(near.data, 0) if weighted else (near.data > 0).astype(np.float32)
        joined = csr_array(joined + near)
        joined.eliminate_zeros()
    return normalised(joined)


def joined_by_content(train: csr_array, near: Sequence[csr_array]) -> csr_array:
    """Normalised interactions, with an edge from an item to each other one that is near to it in all modalities.

    (Lin et al., *GUME: Graphs and User Modalities Enhancement for Long-Tail Multimodal Recommendation*, CIKM 2024.)

    Args:
        train: Interactions, ``(U, I)``.
        near: The graph of nearest items of each modality, ``(I, I)``, without negative weights.

    Returns:
        ``(U + I, U + I)``, users first, normalised by the sums of its rows; not symmetric where nearness is not.
    """
    # Of graphs of ones, a product by entries has the edges that all of them have.
    common = reduce(lambda a, b: a.multiply(b), [graph.sign() for graph in near])
    others = csr_array(common - diags_array(common.diagonal()))
    others.eliminate_zeros()
    return normalised(csr_array(block_array([[None, train], [train.T, others]], format="csr")))


def graph_weights(
    dataset: Dataset, graphs: list[csr_array], weights: Literal["lift", "equal"] | dict[str, float]
) -> NDArray[np.float64]:
    """The weight of each modality's graph of nearest items; see :func:`magnet.models.graphs.weigh_modalities`.

    Args:
        dataset: Interactions and the names of the modalities.
        graphs: Of each modality, ``(I, I)``.
        weights: ``lift``, ``equal``, or fixed ones by name.
    """
    lifts = {}
    for name, graph in zip(dataset.modalities, graphs, strict=True):
        # An item shares all its users with itself, which says nothing of content.
        others = graph - diags_array(graph.diagonal())
        others.eliminate_zeros()
        lifts[name] = lift(dataset.train, csr_array(others))
    return weigh_modalities(weights, lifts)


def normalised(graph: csr_array) -> csr_array:
    """``D^-1/2 S D^-1/2`` with D the sums of the rows of S, ``(I, I)``; rows without entries stay empty."""
    sums = np.asarray(graph.sum(axis=1), dtype=np.float64).ravel()
    root = np.divide(1, np.sqrt(sums), out=np.zeros_like(sums), where=sums > 0)
    rows = np.repeat(root, np.diff(graph.indptr))
    scaled = (graph.data * rows * root[graph.indices]).astype(np.float32)
    made = csr_array((scaled, graph.indices, graph.indptr), shape=graph.shape)
    made.sort_indices()
    return made
