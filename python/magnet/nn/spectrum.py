"""Modalities as spectra over the numbers of a row: each filtered for itself, and all of them fused into one."""

from __future__ import annotations

from functools import reduce
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

__all__ = ["SpectralGates"]


class SpectralGates(nn.Module):
    r"""Gates ``(I, D)`` in [0, 1] from features: one for each modality, and one of all of them together, the last.

    Features are projected, :math:`h_m = W_m f_m + b_m`, and seen as spectra :math:`\tilde h_m = \mathcal F(h_m)`, of
    the real Fourier transform along their D numbers. A filter, complex and learnt, takes noise out of each modality,
    :math:`\mathcal F^{-1}(q_m ⊙ \tilde h_m)`, and one more makes the fused spectrum
    :math:`\mathcal F^{-1}(q_f ⊙ \prod_m \tilde h_m)`; a linear map and a sigmoid make gates of them.

    (Ong & Khong, *Spectrum-based Modality Representation Fusion Graph Convolutional Network for Multimodal
    Recommendation*, WSDM 2025, sections 3.2 and 3.3.)

    Args:
        widths: Width of each modality's features.
        dim: Width D.
    """

    def __init__(self, widths: list[int], dim: int) -> None:
        super().__init__()
        self.dim = dim
        self.projections = nn.ModuleList(nn.Linear(width, dim) for width in widths)
        # Real and imaginary parts, of each modality and of the fused spectrum last.
        self.filters = nn.Parameter(torch.randn(len(widths) + 1, dim // 2 + 1, 2))
        self.gates = nn.ModuleList(nn.Linear(dim, dim) for _ in range(len(widths) + 1))

    def forward(self, features: list[Tensor]) -> list[Tensor]:
        """The gates, ``(I, D)`` each.

        A spectrum is linear in what it is of, and so is all that happens to that of one modality. Spectra are taken of
        the weights of a projection, D rows, and never of the items: a product with the features does the rest.

        Args:
            features: Of each modality, ``(I, d_m)``.
        """
        *own, last = torch.view_as_complex(self.filters)  # (F,) each, of F frequencies
        *gates, of_fused = (cast("nn.Linear", layer) for layer in self.gates)
        logits, spectra = [], []
        for rows, layer, kernel, gate in zip(features, self.projections, own, gates, strict=True):
            projection = cast("nn.Linear", layer)
            affine = torch.cat([projection.weight, projection.bias[:, None]], 1)  # (D, d + 1)
            spectrum = torch.fft.rfft(affine, dim=0, norm="ortho")  # (F, d + 1)
            clean = gate.weight @ self.inverse(kernel[:, None] * spectrum, 0)  # (D, d + 1)
            logits.append(F.linear(rows, clean[:, :-1], clean[:, -1] + gate.bias))
            parts = torch.view_as_real(spectrum).movedim(-1, 1).flatten(0, 1)  # (2 F, d + 1)
            of_items = F.linear(rows, parts[:, :-1], parts[:, -1])
            spectra.append(torch.view_as_complex(of_items.view(len(rows), -1, 2)))  # (I, F)
        fused = torch.view_as_real(reduce(torch.mul, spectra)).flatten(1)  # (I, 2 F)
        # What a filter and the inverse transform make of a real and of an imaginary unit at each frequency.
        units = torch.diag(last)
        back = self.inverse(torch.stack([units, 1j * units], 1), -1).flatten(0, 1)  # (2 F, D)
        logits.append(F.linear(fused, of_fused.weight @ back.T, of_fused.bias))
        return [torch.sigmoid(each) for each in logits]

    def inverse(self, spectrum: Tensor, along: int) -> Tensor:
        """The D numbers of spectra that lie along an axis."""
        rows: Tensor = torch.fft.irfft(spectrum, n=self.dim, dim=along, norm="ortho")
        return rows
