"""Votes of neighbours: the items of a history vote for those near to them, by content or by shared users."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from magnet.config import Config
from magnet.graph.build import shared_items, similarity
from magnet.graph.cache import cached_knn
from magnet.models.signals.base import modality_of, register_signal
from magnet.operators import SparseOperator

if TYPE_CHECKING:
    from collections.abc import Mapping

    from scipy.sparse import csr_array

    from magnet.data import Modality

__all__ = ["ItemKNNConfig", "prepare_item_knn"]


class ItemKNNConfig(Config):
    """Settings of neighbours' votes.

    Attributes:
        modality: Whose neighbours vote; None takes the items that share most users.
        neighbours: k of the graph.
    """

    modality: str | None = None
    neighbours: int = Field(10, ge=1, le=1000)


def prepare_item_knn(
    train: csr_array, modalities: Mapping[str, Modality], config: ItemKNNConfig
) -> SparseOperator:
    """The k nearest of each item, made symmetric and normalised by degree on both sides."""
    if config.modality is None:
        return SparseOperator(similarity(shared_items(train, config.neighbours)))
    modality = modality_of(modalities, config.modality, model="item-knn")
    return SparseOperator(
        similarity(cached_knn(modality.features, config.neighbours, present=modality.present))
    )


# The range of Ferrari Dacrema et al., Are We Really Making Much Progress?, RecSys 2019.
register_signal("item-knn", ItemKNNConfig, prepare_item_knn, space={"neighbours": (5, 1000)})
