"""The runs that a study asks for, each described by everything that its figures depend on."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, get_args

from magnet.choices import Protocol
from magnet.engine import backbone_facts
from magnet.errors import ConfigError, DataError, nearest
from magnet.run.folder import RunDescription
from magnet.study.contenders import without_modalities
from magnet.study.identity import experiment, key_of, takes_seed

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from magnet.data import Dataset, DataSource
    from magnet.study.contenders import Contender

__all__ = ["PARTS", "Experiment", "backbone_of", "check_asked", "plan"]

PARTS = ("valid", "test")


@dataclass(frozen=True, eq=False)
class Experiment:
    """One run of one model on one data set.

    Attributes:
        contender: The model.
        dataset: The data, without the modalities that are taken from this model.
        data: Name of the data in tables.
        seed: Of the training.
        protocol: ``strict`` or ``mmrec``.
        parts: Which are scored.
        description: All that its figures depend on.
        key: Its name in a store.
    """

    contender: Contender
    dataset: Dataset
    data: str
    seed: int
    protocol: str
    parts: tuple[str, ...]
    description: dict[str, Any]
    key: str

    @property
    def source(self) -> DataSource | None:
        """Of the data as the model sees them."""
        return self.dataset.source

    @property
    def training(self) -> str:
        """The key of what the run trains, whatever parts are scored: experiments that share it share a run folder."""
        return key_of({**self.description, "parts": list(PARTS)})

    @property
    def kind(self) -> str:
        """Runs of the same kind take about as long as each other."""
        return f"{self.contender.name} on {self.data}"

    @property
    def title(self) -> str:
        """Model, data and seed in words."""
        return f"{self.kind}, seed {self.seed}" if takes_seed(self.contender.model) else self.kind

    def backbone(self) -> str | None:
        """What runs that can share a trained backbone agree in; None where there is none to share."""
        return backbone_of(self.description)


def backbone_of(description: Mapping[str, Any]) -> str | None:
    """What experiments that can share a trained backbone agree in; None where there is none to share.

    Args:
        description: See :func:`magnet.study.identity.experiment`.
    """
    config = description["config"]
    mixing = config.get("mixing", {})
    if description["model"] != "magnet" or not config["mixture"] or mixing.get("cross_fit") != "holdout":
        return None
    described = RunDescription(
        model=description["model"],
        config=config,
        content_hash=description["data"],
        protocol=description["protocol"],
        seed=description["seed"],
        versions={},
    )
    code = {name: description[name] for name in ("version", "numerics")}
    return json.dumps([backbone_facts(described), code], sort_keys=True)


def plan(
    contenders: Iterable[Contender],
    datasets: dict[str, Dataset],
    seeds: Sequence[int],
    *,
    protocol: str,
    parts: tuple[str, ...] = PARTS,
) -> list[Experiment]:
    """List the runs that a comparison asks for: data by data, seed by seed, in the order of the models.

    A model that draws nothing has one run, whatever the seeds.

    Raises:
        ConfigError: If there is no such model, a setting is wrong, or the data lack a modality to leave out.
    """
    wanted = list(contenders)
    found = []
    for name, dataset in datasets.items():
        seen = {one.without: without_modalities(dataset, one.without) for one in wanted}
        for position, seed in enumerate(seeds):
            for contender in wanted:
                if position and not takes_seed(contender.model):
                    continue
                data, config = seen[contender.without], contender.recommender(seed).config
                described = experiment(
                    data, contender.model, config, seed=seed, protocol=protocol, parts=parts
                )
                found.append(
                    Experiment(
                        contender,
                        data,
                        name,
                        described["seed"],
                        protocol,
                        parts,
                        described,
                        key_of(described),
                    )
                )
    return found


def check_asked(
    data: Mapping[str, Dataset], seeds: Sequence[int], protocol: str, *, parts: tuple[str, ...] = PARTS
) -> None:
    """Make sure that a study can be run, before anything is.

    Args:
        data: By name.
        seeds: Of the trainings.
        protocol: Of validation and test.
        parts: Which the study needs.

    Raises:
        ConfigError: If there are no data, seeds are not different whole numbers from 0, or there is no such protocol.
        DataError: If a data set lacks a part.
    """
    if not data:
        raise ConfigError("no data set was given; compare takes at least one")
    for dataset in data.values():
        for part in parts:
            if not dataset.part(part).nnz:  # type: ignore[arg-type]
                needs = (
                    "a comparison chooses on valid and scores test: give a split that has both"
                    if "test" in parts
                    else "settings are chosen on it: give a split that has one"
                )
                raise DataError(f"{dataset.name}: part '{part}' has no interactions; {needs}")
    wrong = [seed for seed in seeds if isinstance(seed, bool) or not isinstance(seed, int) or seed < 0]
    if wrong or not len(seeds) or len(set(seeds)) < len(seeds):
        raise ConfigError(f"seeds must be different whole numbers from 0, got {list(seeds)}")
    if protocol not in get_args(Protocol):
        raise ConfigError(f"no protocol {protocol!r}{nearest(protocol, get_args(Protocol))}")
