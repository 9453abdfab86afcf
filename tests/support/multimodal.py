"""Whole matrices in float64, and what the tests of multimodal baselines compare with."""

from __future__ import annotations

import numpy as np
import torch
from scipy.sparse import csr_array

from magnet.train.task import Batch


def dense(graph):
    """A graph as a matrix."""
    indptr, indices, values = (array.numpy() for array in graph.forward)
    return (
        csr_array((values, indices, indptr), shape=(graph.n_rows, graph.n_cols)).toarray().astype(np.float64)
    )


def adjacency(data):
    """``D^-1/2 A D^-1/2`` over users and items, from the training interactions."""
    r = data.train.toarray().astype(np.float64)
    users, items = r.shape
    a = np.zeros((users + items,) * 2)
    a[:users, users:] = r
    a[users:, :users] = r.T
    degree = a.sum(1)
    root = np.where(degree > 0, np.maximum(degree, 1) ** -0.5, 0)
    return root[:, None] * a * root


def batch(triples):
    """A batch of users, positives and negatives."""
    users, positives, negatives = (torch.tensor(column) for column in zip(*triples, strict=True))
    return Batch(users, positives, negatives, None, len(triples))


def bpr_by_hand(users, items, triples):
    """``−mean log σ(s⁺ − s⁻)``, triple by triple."""
    return np.mean([np.log1p(np.exp(users[u] @ items[j] - users[u] @ items[i])) for u, i, j in triples])


def unit(rows):
    """Rows of length 1."""
    return rows / np.linalg.norm(rows, axis=-1, keepdims=True)


def info_nce(a, b, temperature):
    """InfoNCE of all rows, ``(n, D)`` each: half of the mean over rows and half of that over columns."""
    logits = unit(a) @ unit(b).T / temperature
    rows = np.log(np.exp(logits).sum(1)) - np.diag(logits)
    columns = np.log(np.exp(logits).sum(0)) - np.diag(logits)
    return (rows.mean() + columns.mean()) / 2


def anchored_info_nce(a, b, temperature):
    """InfoNCE of all rows of a, one way: each against all rows of b; pairs with a row of zeros are left out."""
    there = a.any(1) & b.any(1)
    a, b = a[there], b[there]
    logits = unit(a) @ unit(b).T / temperature
    return (np.log(np.exp(logits).sum(1)) - np.diag(logits)).mean()


def linear(layer, x):
    """What a linear layer makes of rows."""
    bias = 0 if layer.bias is None else layer.bias.detach().double().numpy()
    return x @ layer.weight.detach().double().numpy().T + bias


def sigmoid(x):
    """The logistic function."""
    return 1 / (1 + np.exp(-x))


def softmax(logits):
    """Of each row."""
    e = np.exp(logits - logits.max(1, keepdims=True))
    return e / e.sum(1, keepdims=True)


def mean_of_layers(graph, x, layers):
    """The mean over a graph's powers from 0 on."""
    return sum(np.linalg.matrix_power(graph, n) @ x for n in range(layers + 1)) / (layers + 1)
