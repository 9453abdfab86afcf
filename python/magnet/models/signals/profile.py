"""Likeness of an item's content to the mean of a user's items."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from magnet.config import Config
from magnet.data.unit_length import unit_length
from magnet.models.signals.base import modality_of, register_signal
from magnet.operators import FactorOperator

if TYPE_CHECKING:
    from collections.abc import Mapping

    from scipy.sparse import csr_array

    from magnet.data import Modality

__all__ = ["ProfileConfig", "prepare_profile"]


class ProfileConfig(Config):
    """Settings of content profiles.

    Attributes:
        modality: Which content; may be left out where there is one.
    """

    modality: str | None = None


def prepare_profile(
    train: csr_array, modalities: Mapping[str, Modality], config: ProfileConfig
) -> FactorOperator:
    """Products of centred unit rows: a user's scores rank as the cosines with the mean of the user's items do.

    Features are centred, since unit rows of real features point much the same way, and without that every item is near
    to every other.
    """
    del train
    modality = modality_of(modalities, config.modality, model="profile")
    present = modality.present
    rows = unit_length(modality.features.astype(np.float32) * present[:, None])
    if present.any():
        rows[present] -= rows[present].mean(axis=0)
    rows = unit_length(rows)
    return FactorOperator(rows, rows)


register_signal("profile", ProfileConfig, prepare_profile)
