"""Every kernel as one call on a size of one's choice; also run as a process that gets interrupted.

A kernel that writes into its caller's memory gets memory of its own in every call: calls run beside one another.

`python kernels.py` takes one kernel after the other, prepares a run of about a second, says "ready NAME" and
repeats it until Ctrl-C, which it answers with "interrupted" as soon as the kernel lets it.
"""

from __future__ import annotations

from functools import cache

import numpy as np
import torch

from magnet import core, graph
from magnet.evaluate.rank import rank
from magnet.nn.propagate import Graph, multiply, propagate_mean
from magnet.sampling import membership, sample_negatives, sample_shared
from magnet.states import DotState, ItemItemState


def features(n, width):
    rng = np.random.default_rng(0)
    x = rng.standard_normal((n, width), dtype=np.float32)
    x[n // 2 :: 7] = x[0]  # equal rows: ties
    return x


def pairs(n_users, n_items, n):
    rng = np.random.default_rng(1)
    return [(rng.random(n) ** 2 * most).astype(np.int32) for most in (n_users, n_items)]


@cache
def _matrix(scale):
    return graph.interactions(*pairs(200 * scale, 100 * scale, 2000 * scale), (200 * scale, 100 * scale))


def _normal(*shape):
    return torch.from_numpy(np.random.default_rng(2).standard_normal(shape).astype(np.float32))


def _knn(scale):
    x = features(500 * scale, 40)
    return lambda: graph.knn_graph(x, 10)


def _interactions(scale):
    u, i = pairs(200 * scale, 100 * scale, 2000 * scale)
    return lambda: graph.interactions(u, i, (200 * scale, 100 * scale))


def _bipartite(scale):
    taken = _matrix(scale)
    return lambda: graph.bipartite(taken)


@cache
def _neighbours(scale):
    # Random ones: finding true ones would take longer than what is tested.
    rng, n = np.random.default_rng(3), 100 * scale
    rows = np.repeat(np.arange(n, dtype=np.int32), 10)
    return graph.interactions(rows, rng.integers(0, n, 10 * n, np.int32), (n, n))


def _similarity(scale):
    neighbours = _neighbours(scale)
    return lambda: graph.similarity(neighbours)


def _union_max(scale):
    taken = _matrix(scale)
    other = graph.drop_edges(taken, keep=0.5, seed=0, epoch=0)
    return lambda: graph.union_max(taken, other)


def _pseudo_edges(scale):
    taken, alike = _matrix(scale), _similarity(scale)()
    return lambda: graph.pseudo_edges(taken, alike)


def _drop_edges(scale):
    taken = _matrix(scale)
    return lambda: graph.drop_edges(taken, keep=0.3, seed=0, epoch=0)


def _lift(scale):
    taken, neighbours = _matrix(scale), _neighbours(scale)
    return lambda: graph.lift(taken, neighbours)


def _local_ridge(scale):
    # Histories are shorter than those of the others: their squares add up.
    users, items = pairs(400 * scale, 100 * scale, 2000 * scale)
    taken, content = graph.interactions(users, items, (400 * scale, 100 * scale)), _neighbours(scale)
    return lambda: graph.local_ridge(taken, ridge=50.0, content=content, content_weight=9.0, support=100)


def _negatives(scale, exponent=0.0):
    taken = _matrix(scale)
    users = np.random.default_rng(4).integers(0, taken.shape[0], 4000 * scale, np.int32)
    popularity = 1 + np.bincount(taken.indices, minlength=taken.shape[1])
    return lambda: sample_negatives(taken, users, seed=0, popularity=popularity, exponent=exponent)


def _popular_negatives(scale):
    return _negatives(scale, 0.75)


def _shared(scale):
    pool = np.arange(100 * scale)
    return lambda: sample_shared(2000 * scale, seed=0, pool=pool)


def _membership(scale):
    taken = _matrix(scale)
    users = np.arange(taken.shape[0], dtype=np.int32)
    items = np.arange(0, taken.shape[1], 1 + taken.shape[1] // 400, dtype=np.int32)
    return lambda: membership(taken, users, items)


@cache
def _graph(scale):
    adjacency = graph.bipartite(_matrix(scale))
    return Graph.from_csr(adjacency, symmetric=True), _normal(adjacency.shape[0], 33)


def _multiply(scale):
    matrix, x = _graph(scale)
    return lambda: multiply(matrix, x)


def _propagate(scale):
    matrix, x = _graph(scale)
    x = x.clone().requires_grad_()

    def run():
        out = propagate_mean(matrix, x, 3)
        return torch.cat([out.detach(), torch.autograd.grad(out, x, torch.ones_like(out))[0]])

    return run


def _rank_dot(scale):
    taken = _matrix(scale)
    state = DotState(_normal(taken.shape[0], 24), _normal(taken.shape[1], 24))
    return lambda: rank(state, np.arange(taken.shape[0]), taken, 20)


def _dot_rows(scale):
    users, items = _normal(60, 24).numpy(), _normal(100 * scale, 24).numpy()
    rows = np.arange(60, dtype=np.int32)

    def run():
        out = np.empty((60, len(items)), np.float32)
        core.dot_rows(users, items, rows, out)
        return out

    return run


def _sparse_rows(scale):
    taken = _matrix(scale)
    values = np.ones(taken.nnz, np.float32)
    across = taken.T.tocsr()
    pair = (
        (taken.indptr, taken.indices.astype(np.int32), values),
        (
            across.indptr,
            across.indices.astype(np.int32),
            values,
        ),
    )

    def run():
        out = np.empty((taken.shape[0], taken.shape[0]), np.float32)
        core.sparse_rows(*pair[0], *pair[1], out)
        return out

    return run


def _rank_item_item(scale):
    taken = _matrix(scale)
    state = ItemItemState(taken, _normal(taken.shape[1], taken.shape[1]).numpy())
    return lambda: rank(state, np.arange(taken.shape[0]), taken, 20)


def _blend(scale):
    users, items, cues, experts = 20, 70 * scale, 3, 10
    shapes = (users, items), (cues, users, items), (users, experts), (items, experts), (experts, cues)
    parts = [_normal(*shape).numpy() for shape in shapes]

    def run():
        out = np.empty((users, items), np.float32)
        core.blend_scores(*parts, 0.5, 3, True, out)
        return out

    return run


def _rank_blend(scale):
    taken, items, experts = _matrix(scale), 100 * scale, 10
    histories = (taken.indptr, taken.indices.astype(np.int32), np.ones(taken.nnz, np.float32))
    other = _neighbours(scale)
    votes = (other.indptr, other.indices.astype(np.int32), np.ones(other.nnz, np.float32))
    users = np.arange(taken.shape[0], dtype=np.int32)[:300]
    tables = _normal(taken.shape[0], 24).numpy(), _normal(items, 24).numpy()
    logits = _normal(taken.shape[0], experts).numpy(), _normal(items, experts).numpy()
    rows, mixing = _normal(1, len(users), items).numpy(), (_normal(experts, 2).numpy(), 0.5, 3, True)

    def run():
        out = np.empty((len(users), 20), np.int32), np.empty((len(users), 20), np.float32)
        core.rank_blend(tables, histories, [votes, None], rows, logits, mixing, users, histories[:2], *out)
        return out

    return run


# Each with the scale at which a call takes about a second on two slow cores.
KERNELS = {
    "knn": (_knn, 80),
    "interactions": (_interactions, 10_000),
    "bipartite": (_bipartite, 10_000),
    "union_max": (_union_max, 10_000),
    "drop_edges": (_drop_edges, 10_000),
    "lift": (_lift, 10_000),
    "local_ridge": (_local_ridge, 200),
    "negatives": (_negatives, 10_000),
    "popular negatives": (_popular_negatives, 10_000),
    "membership": (_membership, 10_000),
    "similarity": (_similarity, 10_000),
    "pseudo_edges": (_pseudo_edges, 1000),
    "shared negatives": (_shared, 50_000),
    "multiply": (_multiply, 4000),
    "propagate_mean": (_propagate, 4000),
    "rank dot": (_rank_dot, 400),
    "blend": (_blend, 20_000),
    "rank blend": (_rank_blend, 700),
    "rank item-item": (_rank_item_item, 100),
    "dot rows": (_dot_rows, 5000),
    "sparse rows": (_sparse_rows, 30),
}


def bits(result):
    """All that a kernel returned, as bytes."""
    if hasattr(result, "indptr"):
        return b"".join(np.asarray(part).tobytes() for part in (result.indptr, result.indices, result.data))
    if isinstance(result, tuple):
        return b"".join(part.tobytes() for part in result)
    return np.asarray(result).tobytes()


def everything():
    """The bits of every kernel at a small size, by name."""
    return {name: bits(make(3)()) for name, (make, _) in KERNELS.items()}


def main():
    everything()  # what torch imports in the first call of an operator does not survive an interrupt
    for name, (make, scale) in KERNELS.items():
        run = make(scale)
        print("ready", name, flush=True)
        try:
            while True:
                run()
        except KeyboardInterrupt:
            print("interrupted", flush=True)


if __name__ == "__main__":
    main()
