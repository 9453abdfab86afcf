"""A small blend with operators of every kind, made up."""

from __future__ import annotations

import numpy as np
import torch
from scipy.sparse import csr_array, random_array

from magnet.nn.mixture.roles import experts_over
from magnet.operators import DenseOperator, FactorOperator, FilterOperator, SparseOperator
from magnet.states import BlendState

CUES = ["behaviour", "image", "text", "audio"]
EXPERTS = [e.name for e in experts_over(CUES, ["dominant", "balanced", "complementary", "null"])]


def blend(n_users=12, n_items=17, *, seed=0, top_experts=3, compress=True, off=0.2):
    """Random vectors, logits and roles over four cues; some experts are off for some users and items."""
    rng = np.random.default_rng(seed)

    def normal(*shape):
        return rng.standard_normal(shape).astype(np.float32)

    taken = rng.random((n_users, n_items)) < 0.3
    taken[0] = False  # a user without history
    history = csr_array(taken.astype(np.float32))
    sparse = random_array((n_items, n_items), density=0.3, random_state=rng).tocsr().astype(np.float32)
    sides = [normal(n_users, len(EXPERTS)), normal(n_items, len(EXPERTS))]
    for side in sides:
        side[rng.random(side.shape) < off] = -np.inf
    table = normal(n_items, 3)
    return BlendState(
        users=torch.from_numpy(normal(n_users, 5)),
        items=torch.from_numpy(normal(n_items, 5)),
        history=history,
        cues={
            "behaviour": FilterOperator(history, [0, 1], 0.5),
            "image": SparseOperator(sparse),
            "text": DenseOperator(normal(n_items, n_items)),
            "audio": FactorOperator(table, table),
        },
        user_logits=torch.from_numpy(sides[0]),
        item_logits=torch.from_numpy(sides[1]),
        roles=torch.from_numpy(normal(len(EXPERTS), len(CUES))),
        weight=0.7,
        top_experts=top_experts,
        experts=EXPERTS,
        compress=compress,
    )
