"""The behaviour encoder against its formula, gradients included."""

from __future__ import annotations

import pytest
import torch
from scipy.sparse import csr_array
from torch import Tensor

from magnet.nn.propagate import Graph
from support.small_world import N_USERS, world


def dense(graph: Graph) -> Tensor:
    indptr, indices, values = (part.numpy() for part in graph.forward)
    return torch.from_numpy(
        csr_array((values, indices, indptr), shape=(graph.n_rows, graph.n_cols)).toarray()
    )


@pytest.mark.parametrize("layers", [0, 1, 2])
@pytest.mark.parametrize(("view", "near"), [("dual", True), ("dual", False), ("augmented", True)])
def test_views_gate_and_neighbours_are_those_of_the_formula(layers: int, view: str, near: bool) -> None:
    model, _, views = world(behaviour={"layers": layers, "content_weight": 0.7, "gate_start": 0.4})
    generator = torch.Generator().manual_seed(4)
    indptr, indices, values = views.interactions.forward
    halves = (indptr, indices, 0.5 * values)
    other = Graph(views.interactions.n_rows, views.interactions.n_cols, halves, halves)
    first = views.interactions if view == "dual" else None
    views = views._replace(interactions=first, augmented=other, items=views.items if near else None)
    encoder = model.behaviour
    with torch.no_grad():
        encoder.gate.add_(torch.randn(encoder.gate.shape, generator=generator))
    z = encoder(views)
    g = torch.randn(z.shape, generator=generator)
    found = torch.autograd.grad((z * g).sum(), [encoder.embeddings, encoder.gate], allow_unused=True)

    e, gate = (p.detach().clone().requires_grad_() for p in (encoder.embeddings, encoder.gate))

    def mean(graph: Graph) -> Tensor:
        powers = [e]
        for _ in range(layers):
            powers.append(dense(graph) @ powers[-1])
        return torch.stack(powers).mean(0)

    expected = mean(other)
    if first is not None:
        expected = mean(first) + torch.sigmoid(gate) * (expected - mean(first))
    if near:
        expected = torch.cat(
            [expected[:N_USERS], expected[N_USERS:] + 0.7 * dense(views.items) @ e[N_USERS:]]
        )
    torch.testing.assert_close(z, expected, atol=1e-5, rtol=1e-4)
    slopes = torch.autograd.grad((expected * g).sum(), [e, gate], allow_unused=True)
    torch.testing.assert_close(found[0], slopes[0], atol=1e-5, rtol=1e-4)
    assert (found[1] is None) == (slopes[1] is None)
    if found[1] is not None:
        torch.testing.assert_close(found[1], slopes[1], atol=1e-5, rtol=1e-4)
