"""Counted work: against counts by hand, and against what torch itself counts while a step runs."""

from __future__ import annotations

import pytest
from torch.utils.flop_counter import FlopCounterMode

from magnet.clock import clocked
from magnet.models.backbone import BackboneConfig, BackboneTask
from magnet.roofline.cost import Cost, Op, Shapes, dots, gather, matmul, pointwise, sparse, step_costs
from magnet.roofline.steps import Rates, StepTimes, shapes_of
from magnet.train.batches import Batches

BACKBONE = Shapes(
    users=3,
    items=2,
    dim=4,
    layers=2,
    views=(6,),
    near=0,
    spread=0,
    pool=0,
    gates=(),
    aligned=(),
    pairs=7,
    negatives=7,
    shared=False,
    penalised=False,
    weights=20,
    averaged=False,
)


def test_each_operation_is_what_it_is_by_hand():
    # (2, 3) @ (3, 5): 30 multiply-adds; 6 + 15 + 10 numbers.
    assert matmul(2, 3, 5) == Op(Cost(gemm=60, bytes=124), Cost(gemm=120, bytes=248))
    assert matmul(2, 3, 5, grads=1).backward == Cost(gemm=60, bytes=124)
    # (2, 3) with 4 entries times (3, 5): 20 multiply-adds; 4 · 8 + 3 · 8 bytes of graph, 5 rows of 5 numbers. The
    # transpose has one row pointer more.
    assert sparse(2, 3, 4, 5) == Op(Cost(other=40, bytes=156), Cost(other=40, bytes=164))
    assert sparse(2, 3, 4, 5, grad=False).backward == Cost()
    # 2 rows of 3: indices, read, written; then 4 rows of zeros, and the gradient read, rows read and written.
    assert gather(2, 3, 4) == Op(Cost(bytes=64), Cost(bytes=136))
    assert pointwise(2, 1) == Op(Cost(bytes=12), Cost(bytes=20))
    # 2 pairs of rows of 3: six multiply-adds; 12 numbers read and 2 written.
    assert dots(2, 3) == Op(Cost(other=12, bytes=56), Cost(other=12, bytes=104))
    assert dots(2, 3, grads=0).backward == Cost()
    assert matmul(2, 3, 5, grads=0).backward == Cost()


def test_a_backbone_step_is_the_sum_of_its_operations_by_hand():
    costs = step_costs(BACKBONE)
    assert list(costs) == ["propagation", "gather and loss", "backward", "optimiser"]
    # Twice: 6 entries of 4 numbers; graph of 6 · 8 + 6 · 8 bytes, operand, start and result of 5 · 4 numbers.
    assert costs["propagation"] == Cost(other=2 * 48, bytes=2 * (96 + 3 * 80))
    # 21 rows of 4 numbers, then 7 pairs twice.
    assert costs["gather and loss"] == Cost(other=2 * 56, bytes=21 * 8 + 2 * 336 + 2 * (224 + 28))
    assert costs["backward"].other == 2 * 48 + 2 * 56
    assert costs["optimiser"] == Cost(bytes=4 * 20 * 7)
    averaged = step_costs(BACKBONE._replace(averaged=True))
    assert averaged["optimiser"] == Cost(bytes=4 * 20 * 10)


def test_views_item_graphs_penalties_and_shared_negatives_add_their_own():
    plain = sum(step_costs(BACKBONE).values(), Cost())
    near = {"near": 5, "spread": 2}
    changes = (
        {"views": (6, 8)},
        near,
        {**near, "pool": 6},
        {"gates": (3,)},
        {"aligned": (2, 2)},
        {"penalised": True},
    )
    for change in changes:
        assert sum(step_costs(BACKBONE._replace(**change)).values(), Cost()).bytes > plain.bytes
    shared = step_costs(BACKBONE._replace(shared=True, negatives=6))
    assert shared["gather and loss"].gemm == 2 * 7 * 4 * 6
    assert shared["backward"].gemm == 2 * 2 * 7 * 4 * 6


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"loss": {"kind": "softmax", "negatives": 40}},
        {"loss": {"kind": "bpr", "l2": 0.0}},
        {"loss": {"kind": "softmax"}, "behaviour": {"view": "augmented"}, "graph": {"content_edges": "both"}},
        {"loss": {"alignment": 0.0}, "behaviour": {"content_gate": "features", "content_side": "items"}},
        {"graph": {"content_edges": "both"}},
    ],
    ids=["default", "softmax", "bpr", "augmented", "gated", "both views"],
)
def test_torch_counts_the_same_products(tiny, settings):
    config = BackboneConfig.build({"dim": 8, "train": {"batch_size": 300}, **settings})
    task = BackboneTask(tiny.dataset, config, seed=0)
    task.begin_epoch(0)
    batch = next(iter(Batches(tiny.dataset, 300, seed=0).epoch(0, task.negatives)))
    costs = step_costs(shapes_of(task, batch))
    with FlopCounterMode(display=False) as counter, clocked() as seconds:
        terms = task.step(batch)
        forward = counter.get_total_flops()
        terms.total.backward()
    assert forward == sum(cost.gemm for name, cost in costs.items() if name != "backward")
    assert counter.get_total_flops() - forward == costs["backward"].gemm
    # Every part that is counted is one that the step names, but for what is left of the forward pass.
    assert set(costs) - set(seconds) == {"backward", "optimiser", "gather and loss"}


def test_the_roofline_is_arithmetic_and_then_traffic():
    rates = Rates(gemm=10.0, memory=4.0)
    assert rates.seconds(Cost(gemm=15, other=5, bytes=8)) == 4.0
    costs = {"a": Cost(gemm=10), "b": Cost(bytes=4)}
    times = StepTimes(1, rates, costs, {"a": 2.0, "b": 3.0}, 6.0)
    assert times.total == Cost(gemm=10, bytes=4)
    assert times.ratio == 3.0
