from __future__ import annotations

import gc
import sys
import threading

import numpy as np
import pytest
import torch
from scipy.sparse import eye_array

from magnet.nn.ops import buffers
from magnet.nn.propagate import Graph, propagate_mean


@pytest.fixture(autouse=True)
def _none_free():
    gc.collect()
    buffers.trim()
    buffers._free.clear()


def _places() -> set[int]:
    buffers.trim()
    return {-(-buffer.ctypes.data // 64) * 64 for buffer in buffers._free}


def test_memory_is_used_again_only_when_nobody_holds_it():
    first = buffers.empty((3000, 100))
    place = first.data_ptr()
    assert (first.shape, first.dtype, first.is_contiguous()) == ((3000, 100), torch.float32, True)
    assert place % 64 == 0
    row = first[7]
    seen = row.numpy()
    del first, row
    assert buffers.empty((3000, 100)).data_ptr() != place, "a NumPy view of a row still holds it"
    del seen
    assert place in _places()
    again = buffers.empty((3000, 90))
    assert again.data_ptr() == place


def test_small_or_far_too_large_memory_is_not_used_and_not_all_is_kept():
    assert buffers.empty((4, 4)).shape == (4, 4)
    assert not buffers._free
    held = [buffers.empty((1000, 1000)) for _ in range(12)]
    del held
    buffers.trim()
    assert len(buffers._free) == 8
    before = _places()
    assert buffers.empty((300_000,)).data_ptr() not in before
    assert buffers.empty((70_000_000,)).data_ptr() not in before
    assert sum(buffer.nbytes for buffer in buffers._free) <= 1 << 28


def test_outputs_that_autograd_keeps_are_not_overwritten():
    n = 5000
    graph = Graph.from_csr(eye_array(n, format="csr", dtype=np.float32), symmetric=True)
    x = torch.ones(n, 64, requires_grad=True)
    y = propagate_mean(graph, x, 2)
    loss = (y * y).sum()  # keeps y
    del y
    for _ in range(3):
        propagate_mean(graph, torch.zeros(n, 64), 2)
    loss.backward()
    assert torch.equal(x.grad, torch.full((n, 64), 2.0))
    # Steps that drop the gradient use the same two buffers over and over.
    places = set()
    for _ in range(5):
        x.grad = None
        y = propagate_mean(graph, x, 2)
        places.add(y.data_ptr())
        y.sum().backward()
        places.add(x.grad.data_ptr())
    assert len(places) <= 4


def test_outputs_may_die_in_any_thread():
    def work():
        for _ in range(200):
            held = [buffers.empty((300, 1000)) for _ in range(3)]
            held[0].fill_(1)
            assert float(held[0][299, 999]) == 1

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    buffers.trim()
    assert not buffers._lent
    assert len(buffers._free) <= 8


def test_no_python_runs_when_an_output_dies():
    """An interrupt that is noticed in Python code called on an object's death is printed and lost."""
    held = buffers.empty((1000, 1000))
    called = []
    sys.setprofile(lambda frame, event, _: called.append((event, frame.f_code.co_name)))
    try:
        del held
    finally:
        sys.setprofile(None)
    assert [name for event, name in called if event == "call"] == []
    buffers.trim()
    assert len(buffers._free) == 1
