from __future__ import annotations

import numpy as np
import torch

from magnet.models.bpr_mf import BPRMFConfig, BPRMFTask
from magnet.train.task import Batch
from support.few import N_USERS, few


def test_loss_and_scores_are_those_of_the_formula():
    task = BPRMFTask(few(), BPRMFConfig(dim=5, l2=0.3), seed=1)
    rows = task.module.embeddings.detach().numpy().astype(np.float64)
    w, h = rows[:N_USERS], rows[N_USERS:]
    triples = [(0, 4, 1), (3, 2, 7), (0, 5, 1)]
    users, positives, negatives = (torch.tensor(column) for column in zip(*triples, strict=True))
    terms = task.step(Batch(users, positives, negatives, None, 3)).named
    ranking = np.mean([np.log1p(np.exp(-(w[u] @ h[i] - w[u] @ h[j]))) for u, i, j in triples])
    penalty = 0.3 * sum((w[u] ** 2).sum() + (h[i] ** 2).sum() + (h[j] ** 2).sum() for u, i, j in triples) / 6
    np.testing.assert_allclose(terms["ranking"].item(), ranking, rtol=1e-6)
    np.testing.assert_allclose(terms["l2"].item(), penalty, rtol=1e-5)
    state = task.state()
    np.testing.assert_allclose(state.users @ state.items.T, w @ h.T, atol=1e-6)
