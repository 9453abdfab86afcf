"""Models that are trained in a moment, for the tests of studies."""

from __future__ import annotations

from typing import Any

import magnet
from support.quick import CONTROLLER, MIXING

TRAIN = {"epochs": 3, "batch_size": 512, "learning_rate": 0.01, "validate_every": 1}
# Both stages, whatever so few steps have taught the router.
QUICK: dict[str, Any] = {
    "dim": 8,
    "train": TRAIN,
    "mixing": MIXING,
    "controller": CONTROLLER | {"switch_at": 1},
}


def quick(**change):
    """A MAGNET of three epochs."""
    return magnet.Magnet(**QUICK | change)


def quick_lightgcn(**change):
    """A LightGCN of three epochs."""
    return magnet.LightGCN(**{"dim": 8, "train": TRAIN} | change)
