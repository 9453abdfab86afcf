"""A LightGCN epoch on data of Baby's size: Magnet's task and batches, and the usual formulation."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import numpy as np
import torch

from contests.inputs import pairs
from contests.propagation import by_stack, coo
from magnet import graph
from magnet.data import Dataset
from magnet.models.lightgcn import LightGCNConfig, LightGCNTask
from magnet.train.batches import Batches

if TYPE_CHECKING:
    from contests.race import Contest

BATCH, WIDTH = 2048, 64


def magnet_epoch(dataset: Dataset) -> tuple[LightGCNTask, object]:
    """The task, and what trains it for one epoch."""
    task = LightGCNTask(dataset, LightGCNConfig(), seed=0)
    optimizer = torch.optim.AdamW(task.parameter_groups(), fused=True)
    batches = Batches(dataset, BATCH, seed=0)

    def run() -> None:
        task.begin_epoch(0)
        for batch in batches.epoch(0, 0):
            optimizer.zero_grad(set_to_none=True)
            task.step(batch).total.backward()
            optimizer.step()

    return task, run


def usual_epoch(dataset: Dataset, start: torch.Tensor) -> tuple[torch.nn.Parameter, object]:
    """Parameters, and an epoch with a COO matrix, a stack of layers, Adam and a Python sampler."""
    matrix, n_users, n_items = coo(graph.bipartite(dataset.train)), dataset.n_users, dataset.n_items
    table = torch.nn.Parameter(start.clone())
    optimizer = torch.optim.Adam([table], lr=LightGCNConfig().train.learning_rate)
    taken = dataset.train.tocoo()
    users, items = (index.tolist() for index in taken.coords)
    seen = [set() for _ in range(n_users)]
    for user, item in zip(users, items, strict=True):
        seen[user].add(item)
    l2 = LightGCNConfig().l2

    def run() -> None:
        order = list(range(len(users)))
        random.shuffle(order)
        for at in range(0, len(order), BATCH):
            batch = order[at : at + BATCH]
            u, i, j = [], [], []
            for pair in batch:
                other = random.randrange(n_items)
                while other in seen[users[pair]]:
                    other = random.randrange(n_items)
                u.append(users[pair])
                i.append(items[pair])
                j.append(other)
            u, i, j = torch.tensor(u), n_users + torch.tensor(i), n_users + torch.tensor(j)
            z = by_stack(matrix, table)
            difference = (z[u] * (z[i] - z[j])).sum(-1)
            penalty = sum(table[rows].square().sum() for rows in (u, i, j)) / (2 * len(batch))
            optimizer.zero_grad()
            (-torch.nn.functional.logsigmoid(difference).mean() + l2 * penalty).backward()
            optimizer.step()

    return table, run


def run(contest: Contest) -> None:
    n_users, n_items, n = contest.scaled(19_445, 7_050, 118_551)
    users, items = pairs(n_users, n_items, n)
    dataset = Dataset(
        "like baby", users, items, np.zeros(n, np.int8), list(range(n_users)), list(range(n_items))
    )
    task, magnet = magnet_epoch(dataset)
    start = next(task.module.parameters()).detach()
    adjacency = coo(graph.bipartite(dataset.train))
    with torch.no_grad():
        state = task.state()
        ours, theirs = torch.cat([state.users, state.items]), by_stack(adjacency, start)
    torch.testing.assert_close(ours, theirs, atol=1e-6, rtol=1e-4)
    _, usual = usual_epoch(dataset, start)
    contest.race(
        f"LightGCN epoch, {n:,} pairs, batches of {BATCH:,}",
        magnet,
        {},
        slow={"COO and Python sampler": usual},
        targets={"COO and Python sampler": dict.fromkeys(("amx", "avx512", "avx2"), (5, 10))},
    )
