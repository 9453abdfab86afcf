"""What the two simplest models have where a model was validated: whoever trains sees at once what it is worth."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from magnet.evaluate import evaluate
from magnet.evaluate.metrics import name_parts
from magnet.evaluate.target import target_of
from magnet.models.registry import find_model

if TYPE_CHECKING:
    from collections.abc import Mapping

    from magnet.data import Dataset

__all__ = ["EASE_UP_TO", "Yardstick", "measure_yardstick"]

EASE_UP_TO = 8_000
"""Items up to which the dense inverse of EASE is cheap: 0.8 GB and half a minute of one core there."""

_TITLES = {"popularity": "popularity", "ease": "EASE"}


@dataclass(frozen=True)
class Yardstick:
    """A model's value on validation beside those of models with the settings they come with.

    Attributes:
        metric: What validation chooses by on these data, such as ``"recall@20"``.
        value: Of the model.
        others: Of ``popularity`` and ``ease``, without the model itself.
        left_out: A sentence about what was not measured, empty where all was.
    """

    metric: str
    value: float
    others: dict[str, float]
    left_out: str = ""

    def text(self) -> str:
        """One line for people.

        Example:
            >>> print(Yardstick("recall@20", 0.4, {"popularity": 0.1, "ease": 0.42}).text())
            valid recall@20 0.4000; popularity 0.1000 (75.0 % below), EASE 0.4200 (5.0 % above)
        """
        said = [f"{_TITLES[name]} {value:.4f}{self._distance(value)}" for name, value in self.others.items()]
        parts = [f"valid {self.metric} {self.value:.4f}", ", ".join(said), self.left_out]
        return "; ".join(part for part in parts if part)

    def _distance(self, value: float) -> str:
        if self.value <= 0:
            return ""
        percent = 100 * (value / self.value - 1)
        if abs(percent) < 0.05:
            return " (equal)"
        return f" ({abs(percent):.1f} % {'above' if percent > 0 else 'below'})"

    def to_json(self) -> dict[str, Any]:
        """JSON-ready data: the values, and of each model its ratio to the value of the one trained."""
        others = {
            name: {"value": value, "ratio": value / self.value if self.value > 0 else None}
            for name, value in self.others.items()
        }
        return {"metric": self.metric, "value": self.value, "left_out": self.left_out or None} | others


def measure_yardstick(
    model: str, metrics: Mapping[str, float], dataset: Dataset, *, protocol: str
) -> Yardstick:
    """Fit popularity and EASE and validate them as the model was.

    Args:
        model: Its name; it is not measured again.
        metrics: Its validation, with the metric that :func:`magnet.evaluate.target.target_of` names.
        dataset: The data, with a validation part.
        protocol: Of its validation.

    Raises:
        DataError: If there is nobody to validate on.
    """
    metric = target_of(dataset).metric
    kind, cut = name_parts(metric)
    names = [name for name in _TITLES if name != model]
    left_out = ""
    if "ease" in names and dataset.n_items > EASE_UP_TO:
        names.remove("ease")
        left_out = f"EASE is left out here above {EASE_UP_TO:,} items"
    others = {}
    for name in names:
        entry = find_model(name)
        assert entry.fit is not None
        state = entry.fit(dataset, entry.config.build(), seed=0)
        found = evaluate(state, dataset, "valid", protocol=protocol, ks=int(cut), metrics=kind)
        others[name] = found.metrics[metric]
    return Yardstick(metric, metrics[metric], others, left_out)
