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
    mixing: bool
    resting: bool
    weights: int  # numbers that the optimiser moves
    averaged: bool
    # Of the mixture alone:
    distinct: int = 0  # items in the batch, each once
    keys: int = 0  # the same, those that are positives and negatives twice
    widths: tuple[int, ...] = ()  # of the features, M of them
    smoothing: int = 0  # entries of all modalities' graphs; 0 without smoothing
    gated: bool = False
    history: int = (
        0  # training interactions of the batch's users but the positives, of one as often as it has pairs
    )
    experts: int = 0  # E
    dominant: bool = False  # whether any expert's shares of the cues are learnt
    transform: bool = False
    rank: int = 0  # R
    contrast: tuple[int, ...] = ()  # rows that InfoNCE compares, for each modality


def step_costs(shapes: Shapes) -> dict[str, Cost]:
    """The parts of a step in their order.

    Args:
        shapes: Of the model and the batch. Controls of the router count as the router that they stand for.
    """
    s = shapes
    parts: dict[str, Op] = {}
    if not s.resting:
        parts["propagation"] = _propagation(s)
    if s.mixing:
        parts["content cues"] = _content(s)
        parts["profiles"] = _profiles(s)
        parts["experts"] = _experts(s)
        parts["router"] = _router(s)
        parts["scores and loss"] = _backbone_scores(s) + _mixture_scores(s) + _contrast(s)
    else:
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
    nodes, grad = s.users + s.items, not s.resting
    rows = 2 * s.pairs + s.negatives
    op = gather(rows + sum(s.aligned), s.dim, nodes, grad=grad)
    if s.near and grad:
        op += gather(rows + sum(s.aligned), s.dim, nodes) + pointwise(2 * rows * s.dim, rows * s.dim)
    for compared in s.aligned:
        op += matmul(compared, s.dim, compared) + pointwise(compared * compared, 0)
    op += dots(s.pairs, s.dim, grads=2 * grad)
    if s.shared:
        op += matmul(s.pairs, s.dim, s.negatives, grads=2 * grad)
        op += pointwise(s.pairs * s.negatives, 0)  # the softmax
    else:
        op += dots(s.pairs, s.dim, grads=2 * grad)
    if s.penalised and not s.resting:
        op += gather(2 * s.pairs + (0 if s.shared else s.negatives), s.dim, nodes)
    return op


def _content(s: Shapes) -> Op:
    d, op = s.dim, Op()
    for width in s.widths:
        op += matmul(s.items, width, d, grads=1)  # features have no gradient
        op += pointwise(s.items * d, s.items * d) + matmul(s.items, d, d)
        if s.gated:
            op += matmul(s.items, d, d) + pointwise(2 * s.items * d, s.items * d)
        op += pointwise(s.items * d, s.items * d)  # to unit length
    if s.smoothing:
        nodes = len(s.widths) * s.items
        start = Cost(bytes=_FLOAT * nodes * d)  # to which the neighbours are added
        op += sparse(nodes, nodes, s.smoothing, d) + Op(start, start)
    return op


def _profiles(s: Shapes) -> Op:
    n = len(s.widths)
    op = sparse(s.pairs, s.items, s.history, s.dim) * n
    op += sparse(s.pairs, s.items, s.history, n, grad=False)  # how many items have each cue
    return op + pointwise(s.pairs * n * s.dim, s.pairs * n * s.dim)


def _experts(s: Shapes) -> Op:
    d, n_cues = s.dim, len(s.widths) + 1
    n = s.pairs + s.distinct
    op = gather(n, d, s.users + s.items, grad=not s.resting)
    op += gather(s.distinct, len(s.widths) * d, s.items)
    op += matmul(n, d, d) * n_cues  # the projections
    op += matmul(n, d, d, grads=1) * n_cues  # what a cue explains of the others is not learnt
    op += pointwise(n_cues * n * d, n_cues * n * d)  # to unit length, with dropout
    if not s.transform:
        op += _component_products(s, n, sides=1)  # the lengths
    if s.transform or s.shared:
        op += matmul(s.experts, 2 * n_cues, d, grads=2 if s.dominant or not s.transform else 1) * n
    if s.transform:
        op += matmul(n, d, d) * (2 * s.experts) + pointwise(s.experts * n * d, s.experts * n * d)
    return op


def _component_products(s: Shapes, rows: int, sides: int) -> Op:
    """Products of the 2C components of a row, or of the rows of a pair; combining them costs little beside that."""
    k = 2 * (len(s.widths) + 1)
    numbers = sides * (k * s.dim + s.experts * k)  # components and shares
    forward = Cost(other=2 * rows * k * k * s.dim, bytes=_FLOAT * rows * (numbers + s.experts))
    # The products once more, and the gradient of each side's components.
    backward = Cost(other=(1 + sides) * forward.other, bytes=_FLOAT * rows * (2 * numbers + s.experts))
    return Op(forward, backward)


def _router(s: Shapes) -> Op:
    n = len(s.widths)
    width = s.dim * (n + 1) + n + 1
    op = Op()
    for rows in (s.pairs, s.keys):  # users and items
        op += pointwise(rows * width, rows * width, grad=False)
        op += matmul(rows, width, s.experts * (s.rank + 1), grads=1)
    op += dots(s.pairs * s.experts, s.rank)
    if s.shared:
        op += matmul(s.pairs, s.rank, s.negatives) * s.experts
    else:
        op += dots(s.pairs * s.experts, s.rank)
    logits = s.pairs * s.experts * (1 + (s.negatives if s.shared else 1))
    return op + pointwise(logits, logits)


def _mixture_scores(s: Shapes) -> Op:
    per_item = s.experts * s.dim
    pairs = s.pairs if s.shared else 2 * s.pairs
    if s.transform:
        op = gather(pairs, per_item, s.distinct) + dots(pairs * s.experts, s.dim)
    else:
        op = _component_products(s, pairs, sides=2)
    if not s.shared:
        return op + dots(pairs, s.experts)
    op += gather(s.negatives, per_item, s.distinct) + matmul(s.pairs, s.dim, s.negatives) * s.experts
    return op + dots(s.pairs * (1 + s.negatives), s.experts)


def _contrast(s: Shapes) -> Op:
    op = Op()
    for rows in s.contrast:
        op += gather(rows, s.dim, s.users + s.items, grad=not s.resting) + gather(rows, s.dim, s.items)
        op += matmul(rows, s.dim, rows, grads=1 if s.resting else 2)
        op += pointwise(rows * rows, 0)  # the partitions of rows and columns
    return op
