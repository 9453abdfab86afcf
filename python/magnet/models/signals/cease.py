"""CEASE: EASE over users and features at once, the features being further rows of the matrix."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from pydantic import Field

from magnet.config import Config
from magnet.errors import DataError
from magnet.memory import check_memory
from magnet.models.signals.add_ease import unit_rows
from magnet.models.signals.base import register_signal
from magnet.models.signals.ease import WHOLE_UP_TO, ease_weights
from magnet.operators import DenseOperator

if TYPE_CHECKING:
    from collections.abc import Mapping

    from scipy.sparse import csr_array

    from magnet.data import Modality

__all__ = ["CEASEConfig", "prepare_cease"]


class CEASEConfig(Config):
    """Settings of CEASE.

    Attributes:
        modality: Which content; None takes all that there is, side by side.
        regularization: λ, of the one regression.
        content_weight: Weight of the squared error of the features, whose rows have unit length.
    """

    modality: str | None = None
    regularization: float = Field(200.0, gt=0)
    content_weight: float = Field(30.0, ge=0)


def prepare_cease(train: csr_array, modalities: Mapping[str, Modality], config: CEASEConfig) -> DenseOperator:
    r"""EASE of the interactions with the features below them: each feature is one more user.

    .. math:: P = (X^\top X + w F F^\top + \lambda I)^{-1}, \qquad B = I - P \, \mathrm{diag}(1 / \mathrm{diag}(P))

    (Jeunen et al., *Closed-Form Models for Collaborative Filtering with Side-Information*, RecSys 2020, section 3.1;
    F has a row for each item.) Memory is 16 I² bytes at its peak.

    Raises:
        DataError: If the data have no modality, or too many items for a matrix of all of them.
        ConfigError: If there is no modality of that name.
    """
    rows = unit_rows(modalities, config.modality, model="cease").astype(np.float64)
    if len(rows) > WHOLE_UP_TO:
        raise DataError(
            f"cease solves a matrix of all items, of which there may be {WHOLE_UP_TO:,}, and the data have "
            f"{len(rows):,}; take add-ease or l3ae, which go item by item"
        )
    check_memory(
        16.0 * len(rows) ** 2,  # two matrices in float64: of the users and of the features
        f"cease on {len(rows):,} items",
        "take add-ease with a support, or l3ae, which go item by item",
    )
    taken = train.copy()
    taken.data = np.ones_like(taken.data, dtype=np.float64)
    gram = (taken.T @ taken).toarray(order="F")
    content = rows @ rows.T
    content *= config.content_weight
    gram += content.T  # symmetric; read in the order of the other
    del content
    return DenseOperator(ease_weights(gram, config.regularization, model="cease"))


register_signal(
    "cease",
    CEASEConfig,
    prepare_cease,
    space={"regularization": (10.0, 5000.0), "content_weight": (1.0, 1000.0)},
)
