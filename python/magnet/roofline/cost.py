"""What a training step has to do, counted from the shapes of the model: multiply–adds and bytes, part by part.

Counted are the products, dense and sparse; what goes number by number (activations, Adam) is counted by its traffic
alone. Traffic is what the arithmetic needs: each operation reads its inputs once and writes its outputs once, what
follows a product number by number counts as one pass, and a sparse product reads each row of its operand once. Numbers
are float32, column indices int32, row indices int64.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

__all__ = ["Cost", "Op", "Shapes", "dots", "gather", "matmul", "pointwise", "sparse", "step_costs"]

_FLOAT, _INDEX, _ROW = 4, 4, 8


@dataclass(frozen=True)
class Cost:
    """What some operations take.

    Attributes:
        gemm: Floating-point operations of dense matrix products, a multiply–add being two.
        other: Those of sparse products and of sums of products.
        bytes: Read and written.
    """

    gemm: float = 0
    other: float = 0
    bytes: float = 0

    @property
    def flops(self) -> float:
        """All floating-point operations that are counted."""
        return self.gemm + self.other

    def __add__(self, more: Cost) -> Cost:
        """Both."""
        return Cost(self.gemm + more.gemm, self.other + more.other, self.bytes + more.bytes)

    def __mul__(self, times: float) -> Cost:
        """Many times."""
        return Cost(self.gemm * times, self.other * times, self.bytes * times)


@dataclass(frozen=True)
class Op:
    """An operation and its gradient."""

    forward: Cost = Cost()
    backward: Cost = Cost()

    def __add__(self, more: Op) -> Op:
        """Both, one after the other."""
        return Op(self.forward + more.forward, self.backward + more.backward)

    def __mul__(self, times: int) -> Op:
        """Many of them."""
        return Op(self.forward * times, self.backward * times)


def matmul(m: int, k: int, n: int, *, grads: int = 2) -> Op:
    """``(m, k) @ (k, n)``: 2mkn; each operand that has a gradient (``grads`` of them) takes a product of that size."""
    forward = Cost(gemm=2 * m * k * n, bytes=_FLOAT * (m * k + k * n + m * n))
    return Op(forward, forward * grads)


def sparse(rows: int, columns: int, entries: int, width: int, *, grad: bool = True) -> Op:
    """A sparse ``(rows, columns)`` times ``(columns, width)``; the gradient is a product with the transpose."""

    def product(n: int) -> Cost:
        graph = entries * (_INDEX + _FLOAT) + _ROW * (n + 1)
        return Cost(other=2 * entries * width, bytes=graph + _FLOAT * width * (rows + columns))

    return Op(product(rows), product(columns) if grad else Cost())


def gather(rows: int, width: int, table: int, *, grad: bool = True) -> Op:
    """``rows`` of a table; the gradient is a table of zeros to which they are added."""
    index = _ROW * rows
    forward = Cost(bytes=index + _FLOAT * 2 * rows * width)
    backward = Cost(bytes=index + _FLOAT * (table * width + 3 * rows * width))
    return Op(forward, backward if grad else Cost())


def pointwise(read: int, written: int, *, grad: bool = True) -> Op:
    """Number by number; the gradient reads inputs and the output's gradient and writes that of the inputs."""
    forward = Cost(bytes=_FLOAT * (read + written))
    return Op(forward, Cost(bytes=_FLOAT * (2 * read + written)) if grad else Cost())


def dots(pairs: int, width: int, *, grads: int = 2) -> Op:
    """Inner products of paired rows; each operand that has a gradient takes as many multiplications and a result."""
    read = 2 * pairs * width
    forward = Cost(other=2 * pairs * width, bytes=_FLOAT * (read + pairs))
    if not grads:
        return Op(forward)
    backward = Cost(other=grads * pairs * width, bytes=_FLOAT * (read + pairs + grads * pairs * width))
    return Op(forward, backward)


class Shapes(NamedTuple):
    """All that the cost of one step depends on."""

    users: int  # U
    items: int  # I
    dim: int  # D
    layers: int  # L
    views: tuple[int, ...]  # entries of each view that is encoded
    near: int  # entries of the backbone's graph of items; 0 without one
    spread: int  # columns of that graph
    pool: int  # entries of the graph that pools the content view to users; 0 without one
    gates: tuple[int, ...]  # widths of the features that gate what items pass on
    aligned: tuple[int, ...]  # rows that the backbone's InfoNCE compares, for each side
    pairs: int  # B
    negatives: int  # B, or N shared ones
    shared: bool
    penalised: bool  # L2 on the batch's embeddings
    weights: int  # numbers that the optimiser moves
    averaged: bool


def step_costs(shapes: Shapes) -> dict[str, Cost]:
    """The parts of a step in their order.

    Args:
        shapes: Of the model and the batch.
    """
    s = shapes
    parts: dict[str, Op] = {}
    parts["propagation"] = _propagation(s)
    parts["gather and loss"] = _backbone_scores(s)
    costs = {name: op.forward for name, op in parts.items()}
    costs["backward"] = sum((op.backward for op in parts.values()), Cost())
    # Adam reads and writes weight and both moments and reads the gradient; an average reads two and writes one.
    costs["optimiser"] = Cost(bytes=_FLOAT * s.weights * (7 + 3 * s.averaged))
    return costs


def _propagation(s: Shapes) -> Op:
    nodes = s.users + s.items
    op = Op()
    for entries in s.views:
        # Horner: each layer is one product, and adds the rows it began with.
        layer = sparse(nodes, nodes, entries, s.dim)
        start = Cost(bytes=_FLOAT * nodes * s.dim)
        op += (layer + Op(start, start)) * s.layers
    if len(s.views) == 2:
        op += pointwise(2 * nodes * s.dim, nodes * s.dim)  # the gate between the views
    for width in s.gates:
        op += matmul(s.items, width, s.dim, grads=1)  # features have no gradient
        op += pointwise(2 * s.items * s.dim, s.items * s.dim)
    if s.near:
        op += sparse(s.items, s.spread, s.near, s.dim)
        if s.pool:
            op += sparse(s.users, s.items, s.pool, s.dim)
        op += pointwise(nodes * s.dim, nodes * s.dim)  # users and items in one array
    return op


def _backbone_scores(s: Shapes) -> Op:
    nodes = s.users + s.items
    rows = 2 * s.pairs + s.negatives
    op = gather(rows + sum(s.aligned), s.dim, nodes)
    if s.near:
        op += gather(rows + sum(s.aligned), s.dim, nodes) + pointwise(2 * rows * s.dim, rows * s.dim)
    for compared in s.aligned:
        op += matmul(compared, s.dim, compared) + pointwise(compared * compared, 0)
    op += dots(s.pairs, s.dim)
    if s.shared:
        op += matmul(s.pairs, s.dim, s.negatives)
        op += pointwise(s.pairs * s.negatives, 0)  # the softmax
    else:
        op += dots(s.pairs, s.dim)
    if s.penalised:
        op += gather(2 * s.pairs + (0 if s.shared else s.negatives), s.dim, nodes)
    return op
