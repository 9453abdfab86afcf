"""Content graphs, interaction graphs and what is done to their edges."""

from magnet.graph.approximate import ApproximateGraph, approximate_knn_graph
from magnet.graph.build import (
    bipartite,
    combine,
    drop_edges,
    interactions,
    lift,
    lift_weights,
    pseudo_edges,
    shared_items,
    similarity,
    union_max,
)
from magnet.graph.cache import cached_knn
from magnet.graph.content import content_regression
from magnet.graph.core import k_core
from magnet.graph.knn import knn_graph
from magnet.graph.precomputed import neighbours_to_graph
from magnet.graph.ridge import local_ridge

__all__ = [
    "ApproximateGraph",
    "approximate_knn_graph",
    "bipartite",
    "cached_knn",
    "combine",
    "content_regression",
    "drop_edges",
    "interactions",
    "k_core",
    "knn_graph",
    "lift",
    "lift_weights",
    "local_ridge",
    "neighbours_to_graph",
    "pseudo_edges",
    "shared_items",
    "similarity",
    "union_max",
]
