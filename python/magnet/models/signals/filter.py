"""A graph filter: how far to walk between items over the users that they share."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from magnet.config import Config
from magnet.models.signals.base import register_signal
from magnet.operators import FilterOperator

if TYPE_CHECKING:
    from collections.abc import Mapping

    from scipy.sparse import csr_array

    from magnet.data import Modality

__all__ = ["FilterConfig", "prepare_filter"]


class FilterConfig(Config):
    """Settings of a filter; see :class:`magnet.operators.FilterOperator`.

    Attributes:
        coefficients: Of P, P², P³ …: ``[0, 0, 1]`` walks three hops, ``[2, -1]`` reaches less far than one.
        exponent: β, the power of an item's degree that its scores are multiplied by; larger favours popular items.
    """

    coefficients: list[float] = Field([0.0, 1.0], min_length=1, max_length=8)
    exponent: float = Field(0.25, ge=-1, le=1)


def prepare_filter(
    train: csr_array, modalities: Mapping[str, Modality], config: FilterConfig
) -> FilterOperator:
    """A polynomial of the normalised graph of shared users, as graph filters for recommendation use it.

    (Shen et al., *How Powerful is Graph Convolution for Recommendation?*, CIKM 2021, take one hop and the low-pass
    of a truncated decomposition; we walk hops, since with many small components of singular value 1 a truncation is
    arbitrary.)
    """
    del modalities
    return FilterOperator(train, config.coefficients, config.exponent)


register_signal(
    "filter",
    FilterConfig,
    prepare_filter,
    space={"coefficients": [[1.0], [0.0, 1.0], [2.0, -1.0], [0.0, 0.0, 1.0]], "exponent": (0.0, 0.5)},
)
