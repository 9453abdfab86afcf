"""GF-CF: one hop between items over the users that they share, and the lowest frequencies of that graph."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from magnet.config import Config
from magnet.graph.spectrum import low_frequencies, no_frequencies
from magnet.models.signals.base import register_signal
from magnet.operators import SpectralOperator

if TYPE_CHECKING:
    from collections.abc import Mapping

    from scipy.sparse import csr_array

    from magnet.data import Modality

__all__ = ["GFCFConfig", "prepare_gf_cf"]

# (1 + T_1(2P - I)) / 2 is P.
_ONE_HOP = (0.5, 0.5)


class GFCFConfig(Config):
    """Settings of GF-CF.

    Attributes:
        rank: Singular vectors that pass whole.
        ideal_weight: α, the weight of what they pass; 0 leaves them out, which the authors do on their sparsest data.
    """

    rank: int = Field(256, ge=1, le=4096)
    ideal_weight: float = Field(0.3, ge=0)


def prepare_gf_cf(
    train: csr_array, modalities: Mapping[str, Modality], config: GFCFConfig
) -> SpectralOperator:
    r"""A linear filter and an ideal low-pass filter, added.

    .. math:: s_u = r_u \left( \tilde R^\top \tilde R + \alpha D_I^{-1/2} \bar V \bar V^\top D_I^{1/2} \right)

    (Shen et al., *How Powerful is Graph Convolution for Recommendation?*, CIKM 2021, section 4.3), with
    :math:`\bar V` the leading right singular vectors of :math:`\tilde R = D_U^{-1/2} R D_I^{-1/2}`. Rank and α are the
    authors'.
    """
    del modalities
    vectors = low_frequencies(train, config.rank) if config.ideal_weight else no_frequencies(train)
    return SpectralOperator(train, _ONE_HOP, 0.0, vectors, config.ideal_weight, 0.5)


register_signal(
    "gf-cf", GFCFConfig, prepare_gf_cf, space={"rank": [64, 128, 256, 512], "ideal_weight": (0.0, 1.0)}
)
