"""LightGCN's propagation: three layers and their mean, forward and backward, width 64."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import torch

from contests.inputs import SIZES, taken
from magnet import graph
from magnet.nn.propagate import Graph, multiply, propagate_mean

if TYPE_CHECKING:
    from scipy.sparse import csr_array

    from contests.race import Contest

LAYERS, WIDTH = 3, 64
S, Z = ("amx", "avx512"), ("avx2",)
BEST, COO = "torch CSR, Horner, symmetric backward", "torch COO, as MMRec"
TARGETS = {
    160_000: {BEST: dict.fromkeys((*S, *Z), (1.8, 3)), COO: dict.fromkeys((*S, *Z), (5, 8))},
    1_600_000: {
        BEST: dict.fromkeys(S, (2.7, 4)) | dict.fromkeys(Z, (3, 4)),
        COO: dict.fromkeys(S, (9, 15)) | dict.fromkeys(Z, (12, 15)),
    },
}


class BestTorch:
    """CSR in int32, Horner's form, the same product as backward, buffers kept between calls."""

    def __init__(self, matrix: csr_array) -> None:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Sparse CSR")
            self.matrix = torch.sparse_csr_tensor(
                torch.from_numpy(matrix.indptr),
                torch.from_numpy(matrix.indices),
                torch.from_numpy(matrix.data),
                matrix.shape,
                check_invariants=False,
            )
        self.buffers: dict[str, tuple[torch.Tensor, torch.Tensor]] = {}

    def mean(self, x: torch.Tensor, name: str) -> torch.Tensor:
        """H ← x + A h, then one division."""
        if name not in self.buffers:
            self.buffers[name] = torch.empty_like(x), torch.empty_like(x)
        h, (out, spare) = x, self.buffers[name]
        for _ in range(LAYERS):
            torch.addmm(x, self.matrix, h, out=out)
            h, out, spare = out, spare, out
        return h.mul_(1 / (LAYERS + 1))

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        """Differentiable in x."""
        form = self

        class Op(torch.autograd.Function):
            @staticmethod
            def forward(ctx: Any, x: torch.Tensor) -> torch.Tensor:
                return form.mean(x, "forward")

            @staticmethod
            def backward(ctx: Any, gradient: torch.Tensor) -> torch.Tensor:
                return form.mean(gradient, "backward")

        return Op.apply(x)


def coo(matrix: csr_array) -> torch.Tensor:
    """The format of MMRec's models."""
    entries = matrix.tocoo()
    at = torch.stack([torch.from_numpy(index).long() for index in (entries.row, entries.col)])
    return torch.sparse_coo_tensor(
        at, torch.from_numpy(entries.data), matrix.shape, check_invariants=False
    ).coalesce()


def by_stack(matrix: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
    """Layer by layer, stacked and averaged, as LightGCN's models are written."""
    layers = [x]
    for _ in range(LAYERS):
        layers.append(torch.sparse.mm(matrix, layers[-1]))
    return torch.stack(layers, dim=1).mean(dim=1)


def run(contest: Contest) -> None:
    for size in SIZES if contest.size == "full" else SIZES[:2]:
        n_users, n_items, n = contest.scaled(*size)
        adjacency = graph.bipartite(taken(n_users, n_items, n))
        ours, best, theirs = Graph.from_csr(adjacency, symmetric=True), BestTorch(adjacency), coo(adjacency)
        x = torch.randn(adjacency.shape[0], WIDTH, generator=torch.Generator().manual_seed(0))
        leaf = x.clone().requires_grad_()
        weight = torch.randn(x.shape, generator=torch.Generator().manual_seed(1))

        def gradient(form: Any, leaf: torch.Tensor = leaf, weight: torch.Tensor = weight) -> torch.Tensor:
            # The gradient comes in from outside, so that no loss is timed.
            return torch.autograd.grad(form(leaf), leaf, weight)[0]

        forms = {
            "magnet": lambda leaf, ours=ours: propagate_mean(ours, leaf, LAYERS),
            BEST: best,
            COO: lambda leaf, theirs=theirs: by_stack(theirs, leaf),
        }
        values, gradients = ({}, {})
        for name, form in forms.items():
            values[name], gradients[name] = form(leaf).detach().clone(), gradient(form).clone()
            torch.testing.assert_close(values[name], values["magnet"], atol=1e-5, rtol=1e-4)
            torch.testing.assert_close(gradients[name], gradients["magnet"], atol=1e-5, rtol=1e-4)
        contest.race(
            f"3 layers and mean, forward and backward, {n:,} pairs",
            lambda forms=forms, gradient=gradient: gradient(forms["magnet"]),
            {name: lambda form=forms[name], gradient=gradient: gradient(form) for name in (BEST, COO)},
            targets=TARGETS.get(size[2], {}),
        )
        h = x.numpy()
        contest.race(
            f"one product, {n:,} pairs",
            lambda ours=ours, x=x: multiply(ours, x),
            {"torch CSR int32": lambda best=best, x=x: best.matrix @ x},
            slow={"scipy": lambda adjacency=adjacency, h=h: adjacency @ h},
        )
