"""What the C library does with freed memory while a model is trained."""

from __future__ import annotations

import contextlib
import ctypes
from typing import TYPE_CHECKING

from magnet.nn.ops import buffers

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["freed_memory_kept"]

# Of mallopt, in glibc's malloc.h.
_TRIM, _MMAP = -1, -3
# glibc takes no larger value for the second; both are the values at which its own adaptive rule ends.
_TRIM_AT, _MMAP_AT = 64 << 20, 32 << 20
_NEVER = 2**31 - 1


@contextlib.contextmanager
def freed_memory_kept() -> Iterator[None]:
    """Keep what is freed inside the context, for the next step to use.

    A step allocates and frees the same few hundred MB again and again. glibc gives such blocks back to the system,
    which hands them out as fresh zeroed pages, at the cost of a good part of the step. The memory is returned at the
    end. With another C library nothing happens.
    """
    mallopt = _function("mallopt")
    trim = _function("malloc_trim")
    if mallopt is None or trim is None:
        yield
        return
    mallopt(_MMAP, _MMAP_AT)
    mallopt(_TRIM, _NEVER)
    try:
        yield
    finally:
        buffers.trim()
        mallopt(_TRIM, _TRIM_AT)
        trim(0)


def _function(name: str) -> ctypes._NamedFuncPointer | None:
    try:
        found: ctypes._NamedFuncPointer = getattr(ctypes.CDLL(None), name)
    except (AttributeError, OSError, TypeError):
        return None
    return found
