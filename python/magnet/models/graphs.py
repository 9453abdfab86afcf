"""The graphs that MAGNET trains on, made from a data set: once, and anew for each epoch's edge dropout."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

import numpy as np
import torch
from pydantic import Field
from scipy.sparse import csr_array, hstack

from magnet.config import Config
from magnet.data.unit_length import unit_tensor
from magnet.errors import ConfigError, DataError, nearest
from magnet.graph.build import (
    bipartite,
    combine,
    drop_edges,
    lift,
    lift_weights,
    pseudo_edges,
    shared_items,
    similarity,
    union_max,
)
from magnet.graph.cache import cached_knn
from magnet.nn.backbone import BackboneInputs
from magnet.nn.behaviour import Views
from magnet.nn.propagate import Graph

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

    from magnet.data import Dataset, Modality
    from magnet.nn.behaviour import BehaviourConfig

__all__ = [
    "GraphConfig",
    "Graphs",
    "backbone_inputs",
    "build_graphs",
    "full_views",
    "leading_axes",
    "thinned_views",
    "unit_features",
    "weigh_modalities",
]

GATE_WIDTH = 512  # of the features that gate embeddings at most


class GraphConfig(Config):
    """Content graphs, content-induced edges and edge dropout.

    Attributes:
        neighbours: k of each modality's cosine graph.
        search: ``exact`` neighbours, ``approximate`` ones, or ``auto``: exact up to a size that takes minutes.
        weights: How the content graphs are summed: by ``lift``, ``equal``, or fixed weights by modality name.
        shared_weight: Share, among the graphs of items, of the one of items that users share; 0 for none.
        shared_neighbours: Neighbours of an item in it, among those shared by more than one user.
        content_edges: Which edges content induces: pseudo edges between users and items, item–item edges, or both.
        per_user: Pseudo edges a user.
        per_item: Pseudo edges an item under the median degree.
        strength: ρ, the weight of a user's strongest pseudo edge; an observed edge has 1.
        keep: Share of the observed edges kept in each epoch of training; 1 keeps all.
        drop_by: ``degree`` drops edges between popular ends more often; ``uniform`` all alike.
    """

    neighbours: int = Field(10, ge=1, le=1000)
    search: Literal["auto", "exact", "approximate"] = "auto"
    weights: Literal["lift", "equal"] | dict[str, float] = "lift"
    shared_weight: float = Field(0.0, ge=0, le=1)
    shared_neighbours: int = Field(10, ge=1, le=1000)
    content_edges: Literal["both", "user-item", "item-item"] = "item-item"
    per_user: int = Field(10, ge=0, le=1000)
    per_item: int = Field(5, ge=0, le=1000)
    strength: float = Field(0.5, gt=0, le=1)
    keep: float = Field(1.0, gt=0, le=1)
    drop_by: Literal["degree", "uniform"] = "degree"


@dataclass(frozen=True)
class Graphs:
    """What is built once for a data set."""

    train: csr_array  # (U, I)
    pseudo: csr_array | None  # (U, I)
    content: list[csr_array]  # (I, I) each, normalised
    shared: csr_array | None  # (I, I), items that users share, normalised
    items: csr_array  # (I, I), the weighted sum of all of these
    lifts: dict[str, float]
    weights: dict[str, float]


def build_graphs(dataset: Dataset, config: GraphConfig) -> Graphs:
    """Build the content graphs and the pseudo edges from the training interactions.

    Raises:
        DataError: If the data set has no modality.
        ConfigError: If fixed weights do not name the modalities.
    """
    if not dataset.modalities:
        raise DataError(
            f"{dataset.name}: MAGNET needs at least one modality and the data have none; add a .npy of item features, "
            "or train a model without content, such as lightgcn"
        )
    train = dataset.train
    neighbours = [
        cached_knn(m.features, config.neighbours, present=m.present, search=config.search)
        for m in dataset.modalities.values()
    ]
    lifts = {name: lift(train, knn) for name, knn in zip(dataset.modalities, neighbours, strict=True)}
    weights = weigh_modalities(config.weights, lifts)
    content = [similarity(knn) for knn in neighbours]
    shared = None
    if config.shared_weight:
        shared = similarity(shared_items(train, config.shared_neighbours))
    named = dict(zip(dataset.modalities, map(float, weights), strict=True))
    graphs = Graphs(train, None, content, shared, combine(content, weights), lifts, named)
    # Pseudo edges are of content alone: what users share is in the graph of interactions already.
    graphs = replace(graphs, pseudo=_pseudo(graphs, config, train))
    return replace(graphs, items=combine(*_of_items(graphs, config)))


def _of_items(graphs: Graphs, config: GraphConfig) -> tuple[list[csr_array], list[float]]:
    """All graphs between items, and their weights."""
    weights = [(1 - config.shared_weight) * weight for weight in graphs.weights.values()]
    if graphs.shared is None:
        return graphs.content, weights
    return [*graphs.content, graphs.shared], [*weights, config.shared_weight]


def _pseudo(graphs: Graphs, config: GraphConfig, observed: csr_array) -> csr_array | None:
    if config.content_edges == "item-item":
        return None
    return pseudo_edges(
        observed,
        combine(graphs.content, list(graphs.weights.values())),
        per_user=config.per_user,
        per_item=config.per_item,
        strength=config.strength,
    )


def weigh_modalities(
    weights: Literal["lift", "equal"] | dict[str, float], lifts: dict[str, float]
) -> NDArray[np.float64]:
    """The weight of each modality's graph of items; they sum to 1.

    Args:
        weights: By ``lift``, ``equal``, or fixed ones by modality name; those that are not named get 0.
        lifts: Of each modality, see :func:`magnet.graph.lift`.

    Raises:
        ConfigError: If fixed weights do not name the modalities, or are negative or all 0.
    """
    names = list(lifts)
    if weights == "lift":
        return lift_weights(list(lifts.values()))
    if weights == "equal":
        return np.full(len(names), 1 / len(names))
    fixed = weights
    assert isinstance(fixed, dict)
    for name in fixed:
        if name not in lifts:
            raise ConfigError(f"[graph] weights: no modality '{name}'{nearest(name, names)}")
    values = np.array([fixed.get(name, 0.0) for name in names])
    if (values < 0).any() or values.sum() <= 0:
        raise ConfigError(f"[graph] weights must be at least 0 and not all 0, got {fixed}")
    normed: NDArray[np.float64] = values / values.sum()
    return normed


def full_views(graphs: Graphs, config: GraphConfig, behaviour: BehaviourConfig) -> Views:
    """The graphs over all edges, as they are used to predict."""
    return _views(graphs, config, behaviour, graphs.train, graphs.pseudo)


def thinned_views(
    graphs: Graphs, config: GraphConfig, behaviour: BehaviourConfig, *, seed: int, epoch: int
) -> Views:
    """The graphs of one epoch of training: some observed edges dropped, pseudo edges weakened in proportion.

    Pseudo edges are made of the edges that were kept: those of all edges would remember the ones that were dropped.
    """
    if config.keep == 1:
        return full_views(graphs, config, behaviour)
    kept = drop_edges(graphs.train, keep=config.keep, by=config.drop_by, seed=seed, epoch=epoch)
    pseudo = None if behaviour.view == "interactions" else _pseudo(graphs, config, kept)
    if pseudo is not None:
        pseudo = pseudo * np.float32(config.keep)
    return _views(graphs, config, behaviour, kept, pseudo)


def _views(
    graphs: Graphs,
    config: GraphConfig,
    behaviour: BehaviourConfig,
    observed: csr_array,
    pseudo: csr_array | None,
) -> Views:
    content = behaviour.view != "interactions"
    normalised = bipartite(observed)
    interactions = augmented = items = users = None
    if behaviour.view != "augmented" or pseudo is None:
        interactions = Graph.from_csr(normalised, symmetric=True)
    if pseudo is not None and content:
        augmented = Graph.from_csr(bipartite(union_max(observed, pseudo)), symmetric=True)
    if content and config.content_edges != "user-item":
        items = Graph.from_csr(graphs.items, symmetric=True)
        if behaviour.content_gate == "features":
            # What each graph spreads differs: they stand side by side.
            parts = [
                matrix * np.float32(weight) for matrix, weight in zip(*_of_items(graphs, config), strict=True)
            ]
            items = Graph.from_csr(csr_array(hstack(parts, format="csr")), symmetric=False)
        if behaviour.content_side == "both":
            n_users = observed.shape[0]
            users = Graph.from_csr(csr_array(normalised[:n_users, n_users:]), symmetric=False)
    return Views(interactions, augmented, items, users)


def backbone_inputs(dataset: Dataset, graphs: Graphs) -> BackboneInputs:
    """The constant tensors of the backbone."""
    degree = np.bincount(graphs.train.indices, minlength=dataset.n_items)
    return BackboneInputs(
        features=[unit_features(m, GATE_WIDTH) for m in dataset.modalities.values()],
        item_degree=torch.from_numpy(degree.astype(np.float32)),
    )


def unit_features(modality: Modality, max_width: int) -> Tensor:
    """Features of unit length in float32, ``(I, min(d_m, max_width))``; missing rows are zero.

    Args:
        modality: Features as they were given.
        max_width: Wider ones pass through a fixed PCA; 0 never.
    """
    x = unit_tensor(modality.features)
    x[~torch.from_numpy(modality.present)] = 0.0
    if max_width and x.shape[1] > max_width:
        x = x @ leading_axes(x, max_width)
    return x.contiguous()


def leading_axes(rows: Tensor, width: int) -> Tensor:
    """Directions that rows ``(I, d)`` are turned to where they are too wide, ``(d, width)``, float32.

    The leading directions of the uncentred rows keep products, and with them cosines, as well as can be.
    """
    _, vectors = torch.linalg.eigh((rows.T @ rows).double())
    axes: Tensor = vectors[:, -width:].flip(1).float()
    return axes
