"""The behaviour encoder against its formula, gradients included."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.sparse import csr_array
from scipy.sparse import random_array as sparse_random
from torch import Tensor

from magnet.nn.propagate import Graph
from support.small_world import N_ITEMS, N_USERS, world


def dense(graph: Graph) -> Tensor:
    indptr, indices, values = (part.numpy() for part in graph.forward)
    return torch.from_numpy(
        csr_array((values, indices, indptr), shape=(graph.n_rows, graph.n_cols)).toarray()
    )


def rectangle(n_rows: int, n_cols: int, seed: int) -> Graph:
    matrix = sparse_random((n_rows, n_cols), density=0.4, format="csr", rng=seed, dtype=np.float32)
    return Graph.from_csr(csr_array(matrix), symmetric=False)


@pytest.mark.parametrize("layers", [0, 1, 2, 3])
@pytest.mark.parametrize("first_layer", [0, 1])
@pytest.mark.parametrize(
    ("view", "near", "side", "gate"),
    [
        ("dual", True, "both", "none"),
        ("dual", False, "items", "none"),
        ("augmented", True, "items", "none"),
        ("interactions", True, "both", "features"),
        ("interactions", True, "items", "features"),
    ],
)
def test_both_parts_and_their_gradients_are_those_of_the_formula(
    layers: int, first_layer: int, view: str, near: bool, side: str, gate: str
) -> None:
    settings = {"layers": layers, "first_layer": first_layer, "content_weight": 0.7, "gate_start": 0.4}
    model, inputs, views = world(**{**settings, "content_side": side, "content_gate": gate})
    generator = torch.Generator().manual_seed(4)
    indptr, indices, values = views.interactions.forward
    halves = (indptr, indices, 0.5 * values)
    augmented = Graph(views.interactions.n_rows, views.interactions.n_cols, halves, halves)
    # Two modalities, and behind them a graph whose embeddings have no gate.
    items = rectangle(N_ITEMS, 3 * N_ITEMS, 7) if gate == "features" else views.items
    views = views._replace(
        interactions=None if view == "augmented" else views.interactions,
        augmented=None if view == "interactions" else augmented,
        items=items if near else None,
        users=rectangle(N_USERS, N_ITEMS, 6) if side == "both" else None,
    )
    encoder = model.behaviour
    with torch.no_grad():
        for parameter in encoder.parameters():
            parameter.add_(0.3 * torch.randn(parameter.shape, generator=generator))
    found = encoder(views, inputs.features)
    shape = encoder.embeddings.shape
    g, h = (torch.randn(shape, generator=generator) for _ in range(2))
    parameters = dict(encoder.named_parameters())
    total = (found.z * g).sum() + ((found.content * h).sum() if near else 0.0)
    slopes = torch.autograd.grad(total, list(parameters.values()), allow_unused=True)

    own = {name: p.detach().double().requires_grad_() for name, p in parameters.items()}
    e = own["embeddings"]

    def mean(graph: Graph) -> Tensor:
        powers = [e]
        for _ in range(layers):
            powers.append(dense(graph).double() @ powers[-1])
        return torch.stack(powers[min(first_layer, layers) :]).mean(0)

    firsts = [mean(graph) for graph in (views.interactions, views.augmented) if graph is not None]
    expected = firsts[0]
    if len(firsts) == 2:
        expected = firsts[0] + torch.sigmoid(own["gate"]) * (firsts[1] - firsts[0])
    content = torch.zeros_like(expected)
    if near:
        spread = e[N_USERS:]
        if gate == "features":
            logits = [f.double() @ own[f"content_gates.{m}.weight"].T for m, f in enumerate(inputs.features)]
            spread = torch.cat([*(spread * 2 * torch.sigmoid(x) for x in logits), spread])
        x = dense(views.items).double() @ spread
        of_users = dense(views.users).double() @ x if side == "both" else content[:N_USERS]
        content = torch.cat([of_users, x])
    z = expected + 0.7 * content
    near_enough = {"atol": 1e-5, "rtol": 1e-4, "check_dtype": False}
    torch.testing.assert_close(found.z, z, **near_enough)
    some = torch.tensor([3, 0, N_USERS + 2, 3])
    torch.testing.assert_close(found.join(*found.rows(some)), z[some], **near_enough)
    wanted = torch.autograd.grad(
        (z * g).sum() + (content * h).sum() if near else (z * g).sum(), list(own.values()), allow_unused=True
    )
    for slope, want in zip(slopes, wanted, strict=True):
        assert (slope is None) == (want is None)
        if slope is not None:
            torch.testing.assert_close(slope, want, **near_enough)


def test_gates_begin_as_none() -> None:
    plain, inputs, views = world(content_side="items")
    gated, _, _ = world(content_gate="features")
    with torch.no_grad():
        for layer in gated.behaviour.content_gates:
            layer.weight.zero_()
    square = dense(views.items)
    side_by_side = Graph.from_csr(
        csr_array(torch.cat([0.4 * square, 0.6 * square], 1).numpy()), symmetric=False
    )
    found = gated.behaviour(views._replace(items=side_by_side), inputs.features)
    torch.testing.assert_close(found.z, plain.behaviour(views).z)
