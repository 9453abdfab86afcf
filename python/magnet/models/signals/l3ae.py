"""The linear item–item model that content speaks in."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from pydantic import Field

from magnet.config import Config
from magnet.graph.content import content_regression
from magnet.graph.ridge import local_ridge
from magnet.models.signals.base import modality_of, register_signal
from magnet.operators import SparseOperator

if TYPE_CHECKING:
    from collections.abc import Mapping

    from scipy.sparse import csr_array

    from magnet.data import Modality

__all__ = ["L3AEConfig", "prepare_l3ae"]


class L3AEConfig(Config):
    """Settings of the linear model with content.

    Attributes:
        modality: Which content; may be left out where there is one.
        regularization: λ, draws the weights towards zero.
        content_weight: λ_s, draws them towards what the features say.
        feature_regularization: λ_F, of the regression among features of unit length.
        support: Items that an item is predicted from at most.
    """

    modality: str | None = None
    regularization: float = Field(50.0, gt=0)
    content_weight: float = Field(150.0, ge=0)
    feature_regularization: float = Field(1.0, gt=0)
    support: int = Field(200, ge=1, le=32_768)


def prepare_l3ae(train: csr_array, modalities: Mapping[str, Modality], config: L3AEConfig) -> SparseOperator:
    """Regress items on items twice: by their features, then by their users, drawn towards the first.

    (L3AE; see :func:`magnet.graph.ridge.local_ridge` for the formula. We solve it on the items of largest right-hand
    side instead of all.)
    """
    modality = modality_of(modalities, config.modality, model="l3ae")
    rows = modality.features.astype(np.float32)
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    rows = np.divide(rows, lengths, out=np.zeros_like(rows), where=lengths > 0)
    content = content_regression(
        rows, present=modality.present, ridge=config.feature_regularization, neighbours=config.support
    )
    return SparseOperator(
        local_ridge(
            train,
            ridge=config.regularization,
            content=content,
            content_weight=config.content_weight,
            support=config.support,
        )
    )


register_signal("l3ae", L3AEConfig, prepare_l3ae)
