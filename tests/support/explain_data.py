"""Small runs to explain: a mixture with nine experts, made up, but shaped as training leaves it."""

from __future__ import annotations

import math

import numpy as np
import torch
from scipy.sparse import csr_array

from magnet.nn.mixture.roles import Cues, expert_weights, experts_over
from magnet.operators import DenseOperator, FactorOperator, SparseOperator
from magnet.run.contents import RunContents
from magnet.seeds import numpy_generator
from magnet.states import BlendState

CUES = ["behaviour", "image", "text"]
INFOS = experts_over(CUES, ("dominant", "balanced", "complementary"))
EXPERTS = [info.name for info in INFOS]


def interactions(rows, shape):
    """A matrix of ones from ``{user: [item, …]}``."""
    pairs = sorted((user, item) for user, items in rows.items() for item in items)
    users, items = np.array(pairs, dtype=np.int32).reshape(-1, 2).T
    matrix = csr_array((np.ones(len(pairs), dtype=np.float32), (users, items)), shape=shape)
    matrix.indices, matrix.indptr = matrix.indices.astype(np.int32), matrix.indptr.astype(np.int32)
    return matrix


def mixture(n_users, n_items, *, logits=None, history=None, top_experts=3, seed=0, experts=EXPERTS, off=0.1):
    """A random mixture; some experts are off for some users and items.

    Args:
        n_users, n_items: Size.
        logits: ``(user_logits (U, E), item_logits (I, E))``; random if not given.
        history: What the users took; random if not given.
        top_experts: Kept for a pair.
        seed: Of what is random.
        experts: Names; those that are not Magnet's own take what chance says of the cues.
        off: Share of experts that are off for a user, and for an item.
    """
    random = torch.Generator().manual_seed(seed)
    n = len(experts)

    def normal(*shape):
        return torch.randn(*shape, generator=random)

    sides = []
    for side, size in enumerate((n_users, n_items)):
        values = normal(size, n) if logits is None else torch.as_tensor(logits[side], dtype=torch.float32)
        sides.append(values.masked_fill(torch.rand(size, n, generator=random) < off, -torch.inf))
    if history is None:
        history = csr_array((torch.rand(n_users, n_items, generator=random) < 0.3).float().numpy())
    roles = normal(n, len(CUES))
    if experts is EXPERTS:
        roles = expert_weights(INFOS, Cues(torch.full((len(CUES),), 0.8), torch.zeros(len(CUES), len(CUES))))
    votes = normal(n_items, n_items) * (torch.rand(n_items, n_items, generator=random) < 0.3)
    table = normal(n_items, 3).numpy()
    return BlendState(
        users=normal(n_users, 4),
        items=normal(n_items, 4),
        history=history,
        cues={
            "behaviour": SparseOperator(csr_array(votes.numpy())),
            "image": FactorOperator(table, table),
            "text": DenseOperator(normal(n_items, n_items).numpy()),
        },
        user_logits=sides[0],
        item_logits=sides[1],
        roles=roles,
        weight=0.3,
        top_experts=top_experts,
        experts=list(experts),
    )


def facts():
    """As training leaves them."""
    told = []
    for info in INFOS:
        own = {"dominant": 0.8, "balanced": 0.5, "complementary": 1.0}[info.role]
        rest = (1 - own * len(info.group)) / (len(CUES) - len(info.group))
        weights = {cue: own if c in info.group else rest for c, cue in enumerate(CUES)}
        told.append({"name": info.name, "role": info.role, "cue_weights": weights})
    return {
        "experts": told,
        "lifts": {"image": 1.8, "text": 6.4},
        "graph_weights": {"image": 0.13, "text": 0.87},
        "router": "pair",
        "top_k": 3,
        "fired_by": "criterion",
        "fired_at": 43,
        "best": {
            "backbone": {"recall@20": 0.101, "epoch": 28},
            "coverage": {"recall@20": 0.104, "epoch": 42},
            "specialisation": {"recall@20": 0.109, "epoch": 64},
        },
        "delivered": "specialisation",
    }


def events(backbone=30, coverage=14, specialisation=26, *, n_experts=9, seed=0):
    """Records of a training that covers, fires and specialises."""
    random = numpy_generator(seed, "events")
    records = []
    for epoch in range(backbone + coverage + specialisation):
        stage = ("backbone", "coverage", "specialisation")[
            (epoch >= backbone) + (epoch >= backbone + coverage)
        ]
        record = {
            "epoch": epoch,
            "stage": stage,
            "terms": {"loss": 3.0 * math.exp(-epoch / 20)},
            "seconds": 1.0,
        }
        if epoch % 2 == 0:
            record["valid"] = {"recall@20": 0.11 * (1 - math.exp(-(epoch + 4) / 15)) + random.normal(0, 5e-4)}
        if epoch >= backbone:
            record |= _routing(epoch - backbone, coverage, specialisation, n_experts, random)
        records.append(record)
    return records


def _routing(t, coverage, specialisation, n_experts, random):
    special = max(0.0, (t - coverage) / max(specialisation, 1))
    tilt = np.exp(
        (0.3 + 1.2 * special) * np.sin(np.arange(n_experts) * 2.1) + random.normal(0, 0.05, n_experts)
    )
    loads = tilt / tilt.sum()
    marginal = 0.985 - 0.05 * special
    pair = 0.98 - 0.1 * t / coverage if t < coverage else 0.88 - 0.45 * special
    entropy = float(-(loads * np.log(loads)).sum() / math.log(n_experts))
    return {
        "pair_entropy": pair,
        "marginal_entropy": marginal,
        "load_entropy": entropy,
        "smoothed_load_entropy": 0.97,
        "mutual_information": marginal - pair,
        "loads": loads.tolist(),
        "weights": loads.tolist(),
        "top_k": 9 if special < 1 / 3 else 3,
        "fired_by": "criterion" if t == coverage - 1 else None,
    }


def content(n_items, *, missing=(), seed=0):
    """Unit rows of two modalities, zero where ``missing[modality]`` says so."""
    random = torch.Generator().manual_seed(seed)
    found = {}
    for name in CUES[1:]:
        rows = torch.nn.functional.normalize(torch.randn(n_items, 5, generator=random), dim=1)
        rows[list(dict(missing).get(name, []))] = 0
        found[name] = rows.half()
    return found


def make_run(n_users=120, n_items=80, *, seed=0, **changes):
    """A finished run of MAGNET; the last user has no training interaction."""
    random = numpy_generator(seed, "run")
    train, valid = {}, {}
    popularity = 1 / np.arange(1, n_items + 1)
    for user in range(n_users):
        size = min(3 + user % 15, n_items - 2)
        chosen = random.choice(n_items, size, replace=False, p=popularity / popularity.sum())
        train[user], valid[user] = chosen[:-2].tolist(), chosen[-2:].tolist()
    train[n_users - 1] = []
    taken = interactions(train, (n_users, n_items))
    values = {
        "state": mixture(n_users, n_items, history=taken, seed=seed),
        "user_ids": [f"u{user}" for user in range(n_users)],
        "item_ids": [f"i{item}" for item in range(n_items)],
        "titles": [f"Item no. {item}" if item % 3 else None for item in range(n_items)],
        "train": taken,
        "valid": interactions(valid, (n_users, n_items)),
        "facts": facts(),
        "content": content(n_items, missing={"image": [0, 1]}),
        "events": events(),
    }
    return RunContents(**values | changes)
