"""ChebyCF: a filter of items with a flat middle, as a Chebyshev series, beside the lowest frequencies."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.polynomial import chebyshev
from pydantic import Field

from magnet.config import Config
from magnet.graph.spectrum import low_frequencies, no_frequencies
from magnet.models.signals.base import register_signal
from magnet.operators import SpectralOperator

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray
    from scipy.sparse import csr_array

    from magnet.data import Modality

__all__ = ["ChebyCFConfig", "plateau", "prepare_chebycf"]


class ChebyCFConfig(Config):
    """Settings of ChebyCF.

    Attributes:
        order: K, of the series: how many hops it walks.
        flatness: φ, of the filter's middle; 1 is a straight line.
        rank: η, singular vectors that pass whole beside it.
        ideal_weight: α, the weight of what they pass; 0 leaves them out.
        exponent: β, the power of an item's degree that signals are divided by before and multiplied by after.
    """

    order: int = Field(8, ge=1, le=64)
    flatness: float = Field(15.0, gt=0)
    rank: int = Field(256, ge=1, le=4096)
    ideal_weight: float = Field(0.1, ge=0)
    exponent: float = Field(0.2, ge=-1, le=1)


def prepare_chebycf(
    train: csr_array, modalities: Mapping[str, Modality], config: ChebyCFConfig
) -> SpectralOperator:
    r"""Interpolate a filter that passes low frequencies, halves the middle and stops high ones.

    .. math:: s_u = r_u D_I^{-\beta} \left( \sum_{k \leq K} c_k T_k(\tilde L) + \alpha \bar V \bar V^\top \right)
        D_I^{\beta}, \qquad \tilde L = I - 2 \tilde R^\top \tilde R

    (Kim et al., *Graph Spectral Filtering with Chebyshev Interpolation for Recommendation*, SIGIR 2025, section 4). The
    coefficients interpolate :func:`plateau` at the roots of :math:`T_{K+1}`. The published code takes the filter's
    values from other points, the extrema of :math:`T_K`, and rounds them to three digits; we do neither. Defaults are
    the authors' for Last-FM.
    """
    del modalities
    # Written in 2P - I = -L̃, which turns the series round.
    roots = chebyshev.chebpts1(config.order + 1)
    coefficients = chebyshev.chebfit(roots, plateau(-roots, config.flatness), config.order)
    vectors = low_frequencies(train, config.rank) if config.ideal_weight else no_frequencies(train)
    return SpectralOperator(
        train, coefficients.tolist(), config.exponent, vectors, config.ideal_weight, config.exponent
    )


def plateau(x: NDArray[np.float64], flatness: float) -> NDArray[np.float64]:
    """``(1 − sign(x) |x|^φ) / 2``: 1 at the lowest frequency x = −1, ½ at 0, 0 at the highest x = 1."""
    return (1 - np.sign(x) * np.abs(x) ** flatness) / 2


register_signal(
    "chebycf",
    ChebyCFConfig,
    prepare_chebycf,
    space={
        "order": [4, 8, 16],
        "flatness": (1.0, 50.0),
        "rank": [64, 128, 256, 512],
        "ideal_weight": (0.0, 1.0),
        "exponent": (0.0, 0.5),
    },
)
