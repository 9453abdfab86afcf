"""Gates from spectra of weights against those from the spectra of every item."""

from __future__ import annotations

import pytest
import torch

from magnet.nn.spectrum import SpectralGates


def of_items(net, features):
    """The same, item by item as the paper has it."""
    *own, last = torch.view_as_complex(net.filters)
    spectra = [
        torch.fft.rfft(project(rows), norm="ortho")
        for project, rows in zip(net.projections, features, strict=True)
    ]
    fused = torch.ones_like(spectra[0])
    for spectrum in spectra:
        fused = fused * spectrum
    filtered = [*(q * spectrum for q, spectrum in zip(own, spectra, strict=True)), last * fused]
    rows = [torch.fft.irfft(spectrum, n=net.dim, norm="ortho") for spectrum in filtered]
    return [torch.sigmoid(gate(row)) for gate, row in zip(net.gates, rows, strict=True)]


@pytest.mark.parametrize("dim", [1, 2, 7, 8])
@pytest.mark.parametrize("widths", [[3], [3, 5], [2, 3, 4]])
def test_gates_and_gradients_are_those_of_the_items_spectra(dim, widths):
    torch.manual_seed(dim)
    net = SpectralGates(widths, dim).double()
    features = [torch.randn(6, width, dtype=torch.float64) for width in widths]
    found, expected = net(features), of_items(net, features)
    assert len(found) == len(widths) + 1
    grads = []
    for gates in (found, expected):
        torch.testing.assert_close(torch.stack(gates), torch.stack(expected), rtol=1e-12, atol=1e-12)
        weighed = sum((gate * torch.arange(1, dim + 1)).square().sum() for gate in gates)
        grads.append(torch.autograd.grad(weighed, list(net.parameters())))
    for own, theirs in zip(*grads, strict=True):
        torch.testing.assert_close(own, theirs, rtol=1e-9, atol=1e-9)
    assert all(grad.abs().max() > 0 for grad in grads[0])
