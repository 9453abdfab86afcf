"""Estimates by counting: what a model has to do, at the rates that this machine was measured to have.

Compared with what was measured, two threads of a shared Intel Xeon with AVX-512, defaults of every model, peak memory
beside that of the data (``tests/unit/plan`` holds estimates to these within a factor of three):

=========  ==========  =============================
shop       model       measured
=========  ==========  =============================
tiny       popularity  0.1 s, 10 MB
tiny       ease        0.1 s, 11 MB
tiny       lightgcn    21 s, 33 MB
tiny       magnet      131 s, 72 MB (beside others)
demo       popularity  0.2 s, 14 MB
demo       ease        0.5 to 2 s, 38 MB
demo       lightgcn    69 s, 60 MB
demo       magnet      174 s, 243 MB
=========  ==========  =============================
"""

from __future__ import annotations

import resource
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from magnet.memory import available_memory, gigabytes
from magnet.models.registry import find_model
from magnet.plan.closed_form import closed_form
from magnet.plan.sizes import Need, Sizes
from magnet.plan.trained import trained
from magnet.roofline.steps import Rates, machine_rates

if TYPE_CHECKING:
    from magnet.config import Config
    from magnet.data import Dataset

__all__ = ["Forecast", "forecast", "measured_rates"]

_VALIDATION = 0.02  # seconds for a thousand users beside the products
_START = 0.2  # seconds of a training beside all that is counted


@dataclass(frozen=True)
class Forecast:
    """About what a training takes.

    Attributes:
        model: Its name.
        memory: Bytes at the peak, those that the process has with the data in memory included; None where nothing is
            known of the model.
        seconds: If training stops when it usually does; None likewise.
        at_most: Seconds if validation improves until the last epoch.
        available: Bytes that the process may have in all; None where the system does not say.
        guesses: What these numbers rest on that was not counted.
    """

    model: str
    memory: float | None
    seconds: float | None
    at_most: float | None
    available: int | None
    guesses: tuple[str, ...]

    @property
    def fits(self) -> bool | None:
        """Whether the memory is there; None where that is not known."""
        if self.memory is None or self.available is None:
            return None
        return self.memory <= self.available

    def to_json(self) -> dict[str, Any]:
        """JSON-ready data."""
        return {
            "model": self.model,
            "memory_bytes": self.memory,
            "seconds": self.seconds,
            "seconds_at_most": self.at_most,
            "available_bytes": self.available,
            "fits": self.fits,
            "guesses": list(self.guesses),
        }

    def memory_text(self) -> str:
        """The memory in words."""
        if self.memory is None:
            return "not known"
        return f"about {gigabytes(self.memory)}" + (", too much here" if self.fits is False else "")


def measured_rates() -> Rates:
    """Products and memory of this machine with the threads of this process, in a quarter of a second."""
    return machine_rates()


def forecast(dataset: Dataset, model: str, config: Config, rates: Rates) -> Forecast:
    """Say about what a training takes; nothing large is allocated, and nothing is trained.

    Args:
        dataset: In memory already, which is part of the memory told.
        model: Name of a model.
        config: Its settings.
        rates: Of the machine, :func:`measured_rates`.

    Raises:
        ConfigError: If there is no such model.
    """
    entry = find_model(model)
    sizes = Sizes.of(dataset)
    find = closed_form if entry.task is None else trained
    need: Need | None = find(model, sizes, config, rates)
    now = _resident()
    left = available_memory()
    limit = None if left is None else left + now
    if need is None:
        return Forecast(model, None, None, None, limit, ("nothing is known of a model that was registered",))
    # The lists of all users once, and what a run folder keeps of the content.
    once = _START + _VALIDATION * sizes.users / 1000 + need.validation
    once += 8 * sum(sizes.items * width * min(width, 128) for width in sizes.widths) / rates.gemm
    return Forecast(model, now + need.memory, need.seconds + once, need.at_most + once, limit, need.guesses)


def _resident() -> int:
    """Bytes of this process, which has read the data and imported what a training imports."""
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    except OSError:  # no Linux: the most that it had
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak if sys.platform == "darwin" else peak * 1024
    return pages * resource.getpagesize()
