"""Content graphs, interaction graphs and what is done to their edges."""

from magnet.graph.build import (
    bipartite,
    combine,
    drop_edges,
    interactions,
    knn_graph,
    lift,
    lift_weights,
    pseudo_edges,
    similarity,
    union_max,
)
from magnet.graph.cache import cached_knn
from magnet.graph.core import k_core

__all__ = [
    "bipartite",
    "cached_knn",
    "combine",
    "drop_edges",
    "interactions",
    "k_core",
    "knn_graph",
    "lift",
    "lift_weights",
    "pseudo_edges",
    "similarity",
    "union_max",
]
