"""The command lines that make a row again and train a model, for the reader of a table."""

from __future__ import annotations

import json
import shlex
from typing import TYPE_CHECKING, Any

from magnet.models.registry import find_model
from magnet.study.contenders import DELIVERED
from magnet.study.identity import takes_seed

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from magnet.data import DataSource
    from magnet.study.contenders import Contender

__all__ = ["row_command", "train_command"]


def row_command(
    contender: Contender, answer: str, source: DataSource | None, seeds: Sequence[int], protocol: str
) -> str | None:
    """The command that runs one row alone; None for data or a model from memory, which no command can name.

    Args:
        contender: Of the row.
        answer: Of the row; another one than the delivered is among the candidates.
        source: Of the data as the row saw them.
        seeds: Of the row.
        protocol: Of the row.
    """
    words = _begin(contender.model, "compare", source)
    if words is None:
        return None
    # A name that the option could not read is left out: the row is the same under another one.
    plain = contender.name == contender.model or {",", "="} & set(contender.name)
    words += ["--models", contender.model if plain else f"{contender.name}={contender.model}"]
    for key, value in _flat(contender.settings):
        words += ["--set", f"{key}={value}"]
    words += ["--seeds", ",".join(map(str, seeds if takes_seed(contender.model) else seeds[:1]))]
    if protocol != "strict":
        words += ["--protocol", protocol]
    if answer != DELIVERED:
        words.append("--candidates")
    return shlex.join(words)


def train_command(model: str, source: DataSource | None, protocol: str, config: str) -> str | None:
    """The command that trains a model with a file of settings; None for data or a model from memory.

    Args:
        model: Its registered name.
        source: Of the data.
        protocol: Of validation.
        config: The file.
    """
    words = _begin(model, "train", source)
    if words is None:
        return None
    if protocol != "strict":
        words += ["--protocol", protocol]
    return shlex.join([*words, "--model", model, "--config", config, "--out", "RUN"])


def _begin(model: str, verb: str, source: DataSource | None) -> list[str] | None:
    module = find_model(model).module
    if source is None or module == "__main__":
        return None
    words = ["magnet"]
    if not module.startswith("magnet."):
        words += ["--import", module]
    words += [verb, "--data", source.path]
    if source.split not in (None, "split"):
        words += ["--split", str(source.split)]
    if source.seed:
        words += ["--split-seed", str(source.seed)]
    if source.modalities is not None:
        words += ["--modalities", ",".join(source.modalities)]
    columns = {
        "--user-column": source.user,
        "--item-column": source.item,
        "--min-rating": None if source.min_rating is None else f"{source.min_rating:g}",
        "--rating-column": source.rating,
    }
    for option, column in columns.items():
        words += [] if column is None else [option, column]
    return words


def _flat(settings: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    for key, value in settings.items():
        if isinstance(value, dict) and value:
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value if isinstance(value, str) else json.dumps(value)
