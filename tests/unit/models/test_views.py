from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.sparse import csr_array

from magnet.models import views as module
from magnet.models.gume import GUMEConfig, GUMETask
from magnet.models.msca import MSCAConfig, MSCATask
from magnet.models.smore import SMOREConfig, SMORETask
from magnet.models.views import Nodes, of_nodes, pool_rows
from support.few import N_ITEMS, N_USERS, few
from support.multimodal import batch

TRIPLES = [(7, 4, 1), (3, 2, 7), (7, 4, 0), (0, 5, 2)]
TASKS = [(SMORETask, SMOREConfig), (GUMETask, GUMEConfig), (MSCATask, MSCAConfig)]


def test_places_lead_from_pairs_to_users_and_items():
    nodes = Nodes.of(batch(TRIPLES), N_USERS, N_ITEMS)
    assert nodes.pairs == 4
    assert nodes.users.tolist() == [0, 3, 7]
    assert nodes.items.tolist() == [0, 1, 2, 4, 5, 7]
    everyone = torch.cat([nodes.users, 100 + nodes.items])
    users, positives, negatives = everyone[nodes.triples()].view(3, -1).tolist()
    assert list(zip(users, positives, negatives, strict=True)) == [
        (u, 100 + i, 100 + j) for u, i, j in TRIPLES
    ]


@pytest.mark.parametrize(("most", "users", "positives"), [(1024, [0, 3, 7], [2, 4, 5]), (2, [3, 7], [2, 4])])
def test_the_first_pairs_are_compared_each_node_once(monkeypatch, most, users, positives):
    monkeypatch.setattr(module, "ALIGNED_ROWS", most)
    nodes = Nodes.of(batch(TRIPLES), N_USERS, N_ITEMS)
    everyone = torch.cat([nodes.users, 100 + nodes.items])
    of_users, of_items = (everyone[at].tolist() for at in nodes.sides())
    assert (of_users, of_items) == (users, [100 + i for i in positives])


def test_users_are_pooled_of_what_they_took():
    pool = csr_array(np.array([[1, 0, 2], [0, 0, 0], [0, 3, 0]], dtype=np.float32))
    said = [torch.eye(3), 2 * torch.eye(3)]
    found = of_nodes(said, pool_rows(pool, torch.tensor([2, 0])), torch.tensor([1]))
    assert found[0].tolist() == [[0, 3, 0], [1, 0, 2], [0, 1, 0]]
    assert torch.equal(found[1], 2 * found[0])


@pytest.mark.parametrize(("task", "config"), TASKS)
def test_everything_that_a_step_reads_moves_along(task, config):
    made = task(few(), config(dim=4), seed=0)
    drawn = hasattr(made.module, "generator")
    made.begin_epoch(0)
    assert not made.draws_by_torch
    assert not drawn or isinstance(made.module.generator, torch.Generator)
    made.to("meta")
    interactions, items, features = made.inputs
    read = [*interactions.forward, *interactions.backward, *features, *made.module.parameters()]
    read += [array for graph in items for array in (*graph.forward, *graph.backward)]
    assert {tensor.device.type for tensor in read} == {"meta"}
    made.begin_epoch(1)
    # A generator of the CPU's cannot draw there.
    assert made.draws_by_torch == drawn
    assert not drawn or made.module.generator is None
