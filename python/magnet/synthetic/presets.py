"""Settings for the generated data of size ``demo``, by model: what differs from the defaults.

They are quick enough for two cores and a minute.
"""

from __future__ import annotations

from typing import Any

__all__ = ["DEMO"]

DEMO: dict[str, dict[str, Any]] = {
    "magnet": {
        "dim": 64,
        "train": {"epochs": 36, "learning_rate": 5e-3, "validate_every": 50, "patience": 150},
        "mixing": {"steps": 200},
    },
    "lightgcn": {
        "train": {
            "epochs": 60,
            "batch_size": 1024,
            "learning_rate": 5e-3,
            "validate_every": 50,
            "patience": 250,
        },
    },
    "ease": {"regularization": 50.0},
    "popularity": {},
}
