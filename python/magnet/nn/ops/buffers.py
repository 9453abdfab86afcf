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

__all__ = ["empty", "trim"]

# Counted in float32 numbers. Rows that begin on a cache line touch as few lines as possible; NumPy asks for huge
# pages, and these cover an array from their own boundary on.
_LINE, _HUGE_PAGE = 16, 1 << 19
_SMALL = 1 << 18  # below this many numbers the allocator keeps the pages itself
_KEPT_BYTES = 1 << 28
_KEPT_BUFFERS = 8


class _Lent(weakref.ref[np.ndarray[tuple[int], np.dtype[np.float32]]]):
    """Holds a buffer for as long as the array in it lives."""

    __slots__ = ("buffer",)
    buffer: np.ndarray[tuple[int], np.dtype[np.float32]]


# Free buffers, the latest last. Its methods are single steps under the GIL: outputs may die in any thread.
_free: deque[np.ndarray[tuple[int], np.dtype[np.float32]]] = deque()
_lent: dict[int, _Lent] = {}
# Of arrays that have died. What is called on their death must not be Python: an interrupt that is noticed in there
# would be printed and lost, and Ctrl-C would do nothing.
_dead: deque[_Lent] = deque()


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
    lent = _Lent(array, _dead.append)
    lent.buffer = buffer
    _lent[id(lent)] = lent
    return torch.from_numpy(array).view(shape)


def _take(size: int) -> np.ndarray[tuple[int], np.dtype[np.float32]]:
    trim()
    for _ in range(len(_free)):
        try:
            buffer = _free.pop()
        except IndexError:  # another thread took the last one
            break
        if size <= buffer.size <= 2 * size:
            return buffer
        _free.appendleft(buffer)
    return np.empty(size, np.float32)


def trim() -> None:
    """Take back the buffers of outputs that have died, and let go of what is too many; also done by every call."""
    try:
        while _dead:
            lent = _dead.popleft()
            _lent.pop(id(lent), None)
            _free.append(lent.buffer)
        while len(_free) > _KEPT_BUFFERS or sum(kept.nbytes for kept in tuple(_free)) > _KEPT_BYTES:
            _free.popleft()
    except IndexError:  # another thread emptied it
        pass
