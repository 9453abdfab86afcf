from __future__ import annotations

import numpy as np
import torch

from magnet.models.vbpr import VBPRConfig, VBPRTask
from magnet.train.task import Batch
from support.few import N_USERS, few


def unit(rows):
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.divide(rows, lengths, out=np.zeros_like(rows), where=lengths > 0)


def test_loss_and_scores_are_those_of_the_formula():
    data = few()
    task = VBPRTask(data, VBPRConfig(dim=5, content_dim=3, l2=0.3, l2_content=0.2), seed=1)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():  # biases begin at 0
        for parameter in task.module.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator))
    names = ("users", "items", "item_bias", "projection.weight", "content_bias.weight")
    parts = dict(task.module.named_parameters())
    users, gamma_i, beta, e, beta_f = (parts[name].detach().double().numpy() for name in names)
    gamma_u, theta = users[:, :5], users[:, 5:]
    f = np.concatenate([unit(m.features.astype(np.float64)) for m in data.modalities.values()], 1)

    def score(u, i):
        return beta[i, 0] + gamma_u[u] @ gamma_i[i] + theta[u] @ (e @ f[i]) + beta_f[0] @ f[i]

    state = task.state()
    found = state.users @ state.items.T
    np.testing.assert_allclose(
        found, [[score(u, i) for i in range(40)] for u in range(N_USERS)], rtol=1e-4, atol=1e-4
    )
    triples = [(0, 4, 1), (3, 2, 7), (0, 5, 1)]
    columns = (torch.tensor(column) for column in zip(*triples, strict=True))
    terms = task.step(Batch(*columns, None, 3)).named
    ranking = np.mean([np.log1p(np.exp(score(u, j) - score(u, i))) for u, i, j in triples])
    np.testing.assert_allclose(terms["ranking"].item(), ranking, rtol=1e-5)
    norms = sum(
        (users[u] ** 2).sum() + sum((gamma_i[k] ** 2).sum() + beta[k, 0] ** 2 for k in (i, j))
        for u, i, j in triples
    )
    np.testing.assert_allclose(terms["l2"].item(), 0.3 * norms / 6, rtol=1e-5)
    np.testing.assert_allclose(
        terms["l2_content"].item(), 0.1 * ((e**2).sum() + (beta_f**2).sum()), rtol=1e-5
    )
