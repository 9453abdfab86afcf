"""A hand-sized world for tests of the network: 12 users, 10 items, two modalities, one item without text."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.sparse as sp
import torch
import torch.nn.functional as F

from magnet.nn.backbone import Backbone, BackboneInputs
from magnet.nn.behaviour import BehaviourConfig, Views
from magnet.nn.propagate import Graph

N_USERS, N_ITEMS, WIDTHS = 12, 10, {"image": 6, "text": 5}


def interactions() -> sp.csr_array:
    generator = np.random.default_rng(3)
    dense = (generator.random((N_USERS, N_ITEMS)) < 0.4).astype(np.float32)
    dense[:, 0] = 1.0
    dense[0] = 0.0
    dense[0, [0, 4]] = 1.0
    return sp.csr_array(dense)


def normalised(matrix: sp.csr_array) -> sp.csr_array:
    dense = matrix.toarray()
    degree = dense.sum(1)
    scale = np.divide(1.0, np.sqrt(degree), out=np.zeros_like(degree), where=degree > 0)
    return sp.csr_array((scale[:, None] * dense * scale[None]).astype(np.float32))


def world(*, popularity: float = 0.0, **behaviour: Any) -> tuple[Backbone, BackboneInputs, Views]:
    generator = torch.Generator().manual_seed(1)
    train = interactions()
    features = [F.normalize(torch.randn(N_ITEMS, w, generator=generator), dim=-1) for w in WIDTHS.values()]
    features[1][7] = 0.0
    near = normalised(
        sp.csr_array(np.abs(np.random.default_rng(5).random((N_ITEMS, N_ITEMS))).astype(np.float32) + 0)
    )
    near = sp.csr_array((near + near.T) / 2)
    both = sp.csr_array(sp.bmat([[None, train], [train.T, None]]).astype(np.float32))
    inputs = BackboneInputs(features, torch.from_numpy(np.asarray(train.sum(0)).ravel().astype(np.float32)))
    adjacency = Graph.from_csr(normalised(both), symmetric=True)
    torch.manual_seed(0)
    config = BehaviourConfig.build(behaviour)
    model = Backbone(N_USERS, N_ITEMS, list(WIDTHS.values()), 8, config, popularity)
    return model, inputs, Views(adjacency, adjacency, Graph.from_csr(near, symmetric=True))


def pairs() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Every training pair, with an unseen item for each."""
    train = interactions()
    users = np.repeat(np.arange(N_USERS), np.diff(train.indptr))
    dense = train.toarray()
    generator = np.random.default_rng(9)
    negatives = [generator.choice(np.flatnonzero(dense[u] == 0)) for u in users]
    return torch.from_numpy(users), torch.from_numpy(train.indices.astype(np.int64)), torch.tensor(negatives)
