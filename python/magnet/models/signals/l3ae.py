"""The linear item–item model that content speaks in."""

from __future__ import annotations

from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from pydantic import Field

from magnet.config import Config
from magnet.data.unit_length import unit_length
from magnet.graph.content import content_regression
from magnet.graph.ridge import local_ridge
from magnet.models.signals.base import modality_of, register_signal
from magnet.operators import SparseOperator

if TYPE_CHECKING:
    from collections.abc import Mapping

    from scipy.sparse import csr_array

    from magnet.data import Modality

__all__ = ["L3AEConfig", "prepare_l3ae"]

# The last matrix that was made of a modality, for as long as that is there: as large as one operator.
_KEPT: WeakKeyDictionary[Modality, tuple[tuple[float, int], csr_array]] = WeakKeyDictionary()


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
    return SparseOperator(
        local_ridge(
            train,
            ridge=config.regularization,
            content=_content(modality, config.feature_regularization, config.support),
            content_weight=config.content_weight,
            support=config.support,
        )
    )


def _content(modality: Modality, ridge: float, support: int) -> csr_array:
    """What features alone say, kept for the next time: a mixture solves the model for two sets of interactions."""
    settings = ridge, support
    if _KEPT.get(modality, (None,))[0] != settings:
        rows = unit_length(modality.features)
        made = content_regression(rows, present=modality.present, ridge=ridge, neighbours=support)
        _KEPT[modality] = settings, made
    return _KEPT[modality][1]


register_signal(
    "l3ae",
    L3AEConfig,
    prepare_l3ae,
    space={
        "regularization": (1.0, 1000.0),
        "content_weight": (1.0, 1000.0),
        "feature_regularization": (0.1, 100.0),
    },
)
