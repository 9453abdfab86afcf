"""Add-EASE: one linear item–item model of the users and one of the features, added."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import Field

from magnet.config import Config
from magnet.data.unit_length import unit_length
from magnet.graph.content import content_regression
from magnet.memory import check_memory
from magnet.models.signals.base import modality_of, register_signal
from magnet.models.signals.ease import WHOLE_UP_TO, EASEConfig, ease_weights, prepare_ease
from magnet.operators import DenseOperator, SparseOperator

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray
    from scipy.sparse import csr_array

    from magnet.data import Modality

__all__ = ["AddEASEConfig", "prepare_add_ease", "unit_rows"]


class AddEASEConfig(Config):
    """Settings of Add-EASE.

    Attributes:
        modality: Which content; None takes all that there is, side by side.
        regularization: λ of the regression among users.
        feature_regularization: λ of the regression among features; the rows of each modality have unit length.
        content_weight: Share of the model of the features; the model of the users has the rest.
        support: Items that an item is predicted from at most; as for EASE.
    """

    modality: str | None = None
    regularization: float = Field(200.0, gt=0)
    feature_regularization: float = Field(30.0, gt=0)
    content_weight: float = Field(0.5, ge=0, le=1)
    support: int | None = Field(default=None, ge=1, le=32_768)


def prepare_add_ease(
    train: csr_array, modalities: Mapping[str, Modality], config: AddEASEConfig
) -> DenseOperator | SparseOperator:
    r"""Solve EASE twice, with users and with features in their place, and add both.

    .. math:: B = (1 - \alpha) \, \mathrm{EASE}(X; \lambda) + \alpha \, \mathrm{EASE}(F^\top; \lambda_F)

    (Jeunen et al., *Closed-Form Models for Collaborative Filtering with Side-Information*, RecSys 2020, section 3.2;
    F has a row for each item.) The paper has tags, ours are features of unit length. Memory is 20 I² bytes at its peak;
    where EASE solves item by item, both models do, and each keeps ``support`` weights of an item.

    Raises:
        DataError: If the data have no modality, or the matrices do not fit in memory.
        ConfigError: If there is none of that name.
    """
    n_items = train.shape[1]
    if config.support is None and n_items <= WHOLE_UP_TO:
        check_memory(
            20.0 * n_items**2,  # the weights of the users beside a matrix in float64, twice for a moment
            f"add-ease on {n_items:,} items",
            "take support=200, which goes item by item",
        )
    users = prepare_ease(train, {}, EASEConfig(regularization=config.regularization, support=config.support))
    rows = unit_rows(modalities, config.modality, model="add-ease")
    share, rest = np.float32(config.content_weight), np.float32(1 - config.content_weight)
    if isinstance(users, SparseOperator):
        support = config.support or 200
        present: NDArray[np.bool_] = np.any(rows, axis=1)
        content = content_regression(
            rows, present=present, ridge=config.feature_regularization, neighbours=support
        )
        return SparseOperator(users.weights * rest + content * share)
    gram: NDArray[Any] = np.asfortranarray(rows.astype(np.float64) @ rows.T.astype(np.float64))
    weights = ease_weights(gram, config.feature_regularization, model="add-ease")
    weights *= share
    weights += users.weights * rest
    return DenseOperator(weights)


def unit_rows(modalities: Mapping[str, Modality], name: str | None, *, model: str) -> NDArray[np.float32]:
    """Unit rows of one modality, or those of all side by side, ``(I, d)``; missing ones are zero.

    Raises:
        DataError: If the data have no modality.
        ConfigError: If there is none of that name.
    """
    everything = name is None and bool(modalities)
    chosen = list(modalities.values()) if everything else [modality_of(modalities, name, model=model)]
    blocks = [unit_length(m.features.astype(np.float32) * m.present[:, None]) for m in chosen]
    return np.concatenate(blocks, axis=1)


register_signal(
    "add-ease",
    AddEASEConfig,
    prepare_add_ease,
    space={
        "regularization": (10.0, 5000.0),
        "feature_regularization": (1.0, 1000.0),
        "content_weight": (0.0, 1.0),
    },
)
