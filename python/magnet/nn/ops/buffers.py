"""Memory for the outputs of large operators, used again as soon as no tensor refers to it.

torch gives large blocks back to the system at once, so that each step would pay anew for the pages of its outputs: as
much as for filling them.
"""

from __future__ import annotations

import weakref
from collections import deque
from math import prod

import numpy as np
import torch
from torch import Tensor

__all__ = ["empty"]

# Counted in float32 numbers. Rows that begin on a cache line touch as few lines as possible; NumPy asks for huge
# pages, and these cover an array from their own boundary on.
_LINE, _HUGE_PAGE = 16, 1 << 19
_SMALL = 1 << 18  # below this many numbers the allocator keeps the pages itself
_KEPT_BYTES = 1 << 28
_KEPT_BUFFERS = 8

# Free buffers, the latest last. Its methods are single steps under the GIL: outputs may die in any thread.
_free: deque[np.ndarray[tuple[int], np.dtype[np.float32]]] = deque()


def empty(shape: tuple[int, ...], device: torch.device | str = "cpu") -> Tensor:
    """An uninitialised float32 tensor, contiguous; on the CPU at the start of a cache line, or of a huge page."""
    size = prod(shape)
    device = torch.device(device)
    if size < _SMALL or device.type != "cpu":
        return torch.empty(shape, dtype=torch.float32, device=device)
    page = _LINE if size < 2 * _HUGE_PAGE else _HUGE_PAGE
    buffer = _take(-(-size // page) * page + page)
    shift = -buffer.ctypes.data // buffer.itemsize % page
    # The tensor, its views and the graph of autograd keep this array, and nothing else does.
    array = buffer[shift : shift + size]
    weakref.finalize(array, _give, buffer).atexit = False
    return torch.from_numpy(array).view(shape)


def _take(size: int) -> np.ndarray[tuple[int], np.dtype[np.float32]]:
    for _ in range(len(_free)):
        try:
            buffer = _free.pop()
        except IndexError:  # another thread took the last one
            break
        if size <= buffer.size <= 2 * size:
            return buffer
        _free.appendleft(buffer)
    return np.empty(size, np.float32)


def _give(buffer: np.ndarray[tuple[int], np.dtype[np.float32]]) -> None:
    _free.append(buffer)
    try:
        while len(_free) > _KEPT_BUFFERS or sum(kept.nbytes for kept in tuple(_free)) > _KEPT_BYTES:
            _free.popleft()
    except IndexError:  # another thread emptied it
        pass
