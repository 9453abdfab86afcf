"""What is compared: models under names of their own, with their settings and the modalities they may see."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from magnet.api import Recommender, make
from magnet.config import changed
from magnet.errors import ConfigError, nearest
from magnet.models.registry import find_model

if TYPE_CHECKING:
    from collections.abc import Iterable

    from magnet.data import Dataset

__all__ = ["CANDIDATES", "DELIVERED", "ROUTED", "Contender", "contenders", "without_modalities"]

DELIVERED = "delivered"
"""The answer that validation chose, which every model has."""

ROUTED = "routed"
"""The better one, on validation, of the two stages of MAGNET that route."""

CANDIDATES = ("backbone", "global", "coverage", "specialisation", ROUTED)
"""What else a run of MAGNET could have answered with: its parts, each of which has to be worth its place."""


@dataclass(frozen=True)
class Contender:
    """One model in a comparison.

    Attributes:
        name: In tables; unique within a comparison.
        model: Its registered name.
        settings: What differs from the defaults, parts nested.
        without: Modalities that are taken from the data.
        answers: Which of its answers are rows: :data:`DELIVERED`, and of a MAGNET any of :data:`CANDIDATES`.
    """

    name: str
    model: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    without: tuple[str, ...] = ()
    answers: tuple[str, ...] = (DELIVERED,)

    def recommender(self, seed: int) -> Recommender:
        """The model, to be trained with a seed.

        Raises:
            ConfigError: If there is no such model, or a setting is unknown or out of range; its name is told.
        """
        find_model(self.model)
        try:
            return make(self.model, seed=seed, **self.settings)
        except ConfigError as error:
            raise ConfigError(f"{self.name}: {error}") from None


def contenders(
    models: Mapping[str, str | Recommender] | Iterable[str | Recommender], *, candidates: bool = False
) -> list[Contender]:
    """Read what a caller gives as models.

    Args:
        models: Names of models, or unfitted models with settings; as a mapping by the name they have in tables.
        candidates: Whether a MAGNET's :data:`CANDIDATES` are rows as well.

    Raises:
        ConfigError: If there is none, a name is taken twice, or there is no such model.
    """
    if isinstance(models, str | Recommender):
        models = [models]
    named = models.items() if isinstance(models, Mapping) else [(_name(model), model) for model in models]
    found: dict[str, Contender] = {}
    for name, model in named:
        if name in found:
            raise ConfigError(
                f"two models are called {name!r}; give them names of their own, as in "
                f"{{'{name}': …, '{name} wide': …}}"
            )
        if isinstance(model, Recommender):
            settings = _changed(model)
            contender = Contender(name, model.name, settings)
        else:
            find_model(model)
            contender = Contender(name, model)
        if candidates and contender.model == "magnet":
            contender = replace(contender, answers=(DELIVERED, *CANDIDATES))
        found[name] = contender
    if not found:
        raise ConfigError("no model was named; compare takes at least one, such as 'magnet'")
    return list(found.values())


def _name(model: str | Recommender) -> str:
    return model if isinstance(model, str) else model.name


def _changed(model: Recommender) -> dict[str, Any]:
    return changed(model.config.resolved(), find_model(model.name).config.build().resolved())


def without_modalities(dataset: Dataset, names: tuple[str, ...]) -> Dataset:
    """The same data without some modalities.

    Raises:
        ConfigError: If the data lack one of them.
    """
    if not names:
        return dataset
    for name in names:
        if name not in dataset.modalities:
            raise ConfigError(f"{dataset.name}: no modality {name!r}{nearest(name, dataset.modalities)}")
    kept = {name: modality for name, modality in dataset.modalities.items() if name not in names}
    source = dataset.source
    if source is not None:
        source = replace(source, modalities=list(kept))
    return replace(dataset, modalities=kept, source=source)
