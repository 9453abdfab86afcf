"""The one door to the Rust kernels: before each call they take over the number of threads that torch has now.

``core.spmm(...)`` is ``magnet._core.spmm(...)``. Only ``blend``, ``graph``, ``operators``, ``sampling``,
``nn.ops``, ``nn.propagate`` and ``evaluate.rank`` go through it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from magnet import _core
from magnet.runtime import follow_torch

if TYPE_CHECKING:
    from magnet._core import *  # noqa: F403 - the stub


def __getattr__(name: str) -> Any:
    follow_torch()
    return getattr(_core, name)
