"""A whole step on another device, without that device: torch's fake tensors know devices and shapes, but no numbers.

They raise where an operation gets tensors of two devices, and where Python asks for a number. Beside them, a copy to
the CPU counts as an error. What is not seen here: whether the numbers are right on that device.
"""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode

from magnet.models.backbone import BackboneConfig, BackboneTask
from magnet.models.lightgcn import LightGCNConfig, LightGCNTask
from magnet.states import DotState
from magnet.train.batches import Batches

aten = torch.ops.aten


@pytest.fixture(autouse=True, scope="module")
def fake_cuda() -> None:
    """Older versions of torch ask the driver even for a fake tensor on a GPU."""
    try:
        with FakeTensorMode() as mode:
            mode.from_tensor(torch.zeros(1)).to("cuda")
    except RuntimeError as error:
        pytest.skip(f"torch {torch.__version__} has no fake CUDA tensors without a driver: {str(error)[:60]}")


class AllOccur(TorchDispatchMode):
    """Answers the question that `distinct` may ask of the device, how many ids occur: all of them."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func is aten.nonzero.default:
            return args[0].new_empty((args[0].numel(), args[0].dim()), dtype=torch.int64)
        return func(*args, **(kwargs or {}))


class NoHostCopy(AllOccur):
    """Refuses copies from the device to the CPU as well."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = super().__torch_dispatch__(func, types, args, kwargs)
        if func is aten._to_copy.default and args[0].is_cuda:
            assert out.is_cuda, "a copy from the device to the host"
        return out


def on_fake_cuda(task: Any, mode: FakeTensorMode) -> None:
    """Move a task as its own `to` would, but to fake tensors."""
    for module in task.module.modules():
        for name, parameter in module._parameters.items():
            if parameter is None:  # a layer without bias
                continue
            fake = mode.from_tensor(parameter.detach()).to("cuda")
            module._parameters[name] = torch.nn.Parameter(fake, requires_grad=parameter.requires_grad)
        for name, buffer in module._buffers.items():
            module._buffers[name] = mode.from_tensor(buffer).to("cuda")
    task.module.to = lambda device: task.module  # it is there already, and cannot swap fake tensors
    task.to("cuda")


@torch.no_grad()
def backward(loss: torch.Tensor) -> None:
    """Walk autograd's graph by hand: torch's engine wants a real device for its streams."""
    after: list[Any] = []
    seen: set[Any] = set()

    def visit(node: Any) -> None:
        if node is not None and node not in seen:
            seen.add(node)
            for further, _ in node.next_functions:
                visit(further)
            after.append(node)

    visit(loss.grad_fn)
    arrived: dict[Any, list[Any]] = {node: [None] * len(node._input_metadata) for node in after}
    arrived[loss.grad_fn] = [torch.ones_like(loss)]
    for node in reversed(after):
        given = arrived[node]
        if hasattr(node, "variable"):
            node.variable.grad = given[0]
            continue
        if all(grad is None for grad in given):
            continue
        found = (
            node.apply(*given)
            if isinstance(node, torch.autograd.function.BackwardCFunction)
            else node(*given)
        )
        found, edges = found if isinstance(found, tuple) else (found,), node.next_functions
        if hasattr(node, "needs_input_grad"):
            # A function in Python returns something for every argument, and has edges for tensors alone.
            found = [grad for grad, needed in zip(found, node.needs_input_grad, strict=True) if needed]
            edges = [edge for edge in edges if edge[0] is not None]
        for (further, place), grad in zip(edges, found, strict=True):
            if further is not None and grad is not None:
                # As torch's engine does: a gradient is summed to the shape of what was broadcast.
                grad = grad.sum_to_size(further._input_metadata[place].shape)
                before = arrived[further][place]
                arrived[further][place] = grad if before is None else before + grad


def step_on_fake_cuda(task: Any, dataset: Any) -> tuple[Any, Any]:
    """The terms of one step, forward and backward, and the state that predicts."""
    task.begin_epoch(0)
    batch = next(Batches(dataset, 64, seed=0).epoch(0, task.negatives))
    with FakeTensorMode(allow_non_fake_inputs=True) as mode:
        on_fake_cuda(task, mode)
        if isinstance(task, BackboneTask):
            task.views = task.views.to("cuda")  # they belong to the epoch that began on the CPU
        with NoHostCopy():
            terms = task.step(batch.to("cuda"))
            backward(terms.total)
        with AllOccur():
            return terms, task.state()


SETTINGS: dict[str, dict[str, Any]] = {
    "default": {},
    "bpr": {"loss": {"kind": "bpr"}},
    "softmax": {"loss": {"kind": "softmax", "negatives": 20}},
    "both views": {"graph": {"content_edges": "both"}},
    "gated": {"behaviour": {"content_gate": "features"}},
    "popularity": {"popularity": 0.5, "loss": {"l2_of": "embeddings"}},
}


@pytest.mark.parametrize("settings", SETTINGS.values(), ids=SETTINGS)
def test_the_backbone_stays_on_the_device_of_its_inputs(tiny, settings) -> None:
    task = BackboneTask(tiny.dataset, BackboneConfig.build({"dim": 8, **settings}), seed=0)
    terms, state = step_on_fake_cuda(task, tiny.dataset)
    assert terms.total.is_cuda
    assert all(term.is_cuda for term in terms.named.values())
    assert set(terms.named) == {"ranking", "alignment", "l2"}
    trained = [p for group in task.parameter_groups() for p in group["params"]]
    grads = [p.grad for p in trained if p.grad is not None]
    assert grads
    assert all(grad.is_cuda for grad in grads)
    assert isinstance(state, DotState)
    assert state.users.device.type == "cpu"  # ranking is on the CPU


def test_lightgcn_stays_on_the_device_of_its_inputs(tiny) -> None:
    task = LightGCNTask(tiny.dataset, LightGCNConfig(dim=8), seed=0)
    terms, state = step_on_fake_cuda(task, tiny.dataset)
    assert terms.total.is_cuda
    assert task.module.embeddings.grad.is_cuda
    assert isinstance(state, DotState)


def test_a_tensor_made_on_the_cpu_is_found(tiny, monkeypatch) -> None:
    task = BackboneTask(tiny.dataset, BackboneConfig.build({"dim": 8}), seed=0)
    zeros = torch.zeros
    monkeypatch.setattr(torch, "zeros", lambda *args, device=None, **rest: zeros(*args, **rest))
    with pytest.raises(RuntimeError, match=r"device"):
        step_on_fake_cuda(task, tiny.dataset)


def test_a_number_read_inside_a_step_is_found(tiny, monkeypatch) -> None:
    task = LightGCNTask(tiny.dataset, LightGCNConfig(dim=8), seed=0)
    inner = task.step

    def step(batch: Any) -> Any:
        terms = inner(batch)
        float(terms.total)
        return terms

    monkeypatch.setattr(task, "step", step)
    with pytest.raises(torch._subclasses.fake_tensor.DataDependentOutputException):
        step_on_fake_cuda(task, tiny.dataset)


def test_a_copy_to_the_host_inside_a_step_is_found(tiny, monkeypatch) -> None:
    task = LightGCNTask(tiny.dataset, LightGCNConfig(dim=8), seed=0)
    inner = task.step
    monkeypatch.setattr(task, "step", lambda batch: inner(batch._replace(users=batch.users.cpu().cuda())))
    with pytest.raises(AssertionError, match="to the host"):
        step_on_fake_cuda(task, tiny.dataset)


@pytest.mark.parametrize("kind", ["magnet", "lightgcn"])
def test_a_step_enters_the_module_once(tiny, kind: str) -> None:
    """Wrappers such as DistributedDataParallel and torch.compile see the module's own call and nothing else."""
    tasks = {
        "magnet": lambda: BackboneTask(tiny.dataset, BackboneConfig.build({"dim": 8}), seed=0),
        "lightgcn": lambda: LightGCNTask(tiny.dataset, LightGCNConfig(dim=8), seed=0),
    }
    task = tasks[kind]()
    calls: list[Any] = []
    task.module.register_forward_pre_hook(lambda *_: calls.append("module"))
    task.module.register_forward_hook(lambda *_: calls.append("over"))
    inside: list[bool] = []
    for child in task.module.children():
        child.register_forward_pre_hook(lambda *_: inside.append(len(calls) % 2 == 1))
    task.begin_epoch(0)
    terms = task.step(next(Batches(tiny.dataset, 64, seed=0).epoch(0, task.negatives)))
    assert calls == ["module", "over"]
    assert all(inside)
    terms.total.backward()
