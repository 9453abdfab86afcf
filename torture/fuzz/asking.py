"""Targets that read what people write: settings, ids, tunings' spaces."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from magnet.cli.ids import match_ids, read_ids
from magnet.config import merge_settings, read_toml
from magnet.models.registry import find_model
from torture.fuzz.reading import BETWEEN

if TYPE_CHECKING:
    from torture.fuzz.place import Place

__all__ = ["ids", "settings"]

_MODELS = ("lightgcn", "magnet", "ease", "item-knn", "popularity")


def settings(how: int, content: bytes, place: Place) -> None:
    """A file of settings, and settings of the command laid over it, built into a model's configuration."""
    toml, _, lines = content.partition(BETWEEN)
    path = place.empty() / "settings.toml"
    path.write_bytes(toml)
    values = merge_settings(read_toml(path), lines.decode("utf-8", "surrogateescape").splitlines())
    config = find_model(_MODELS[how % len(_MODELS)]).config.build(values, where="settings.toml")
    again = type(config).build(json.loads(json.dumps(config.resolved())))
    assert again == config


def ids(how: int, content: bytes, place: Place) -> None:
    """A file with an id in each line, or ids as the command is given them."""
    if how % 2:
        text = content.decode("utf-8", "surrogateescape").replace("\0", "")
        # A list that is too long for the name of a file is a list.
        found = read_ids(text)
    else:
        path = place.empty() / "users.txt"
        path.write_bytes(content)
        found = read_ids(str(path), option="--items", kind="item")
    assert found
    assert len(match_ids(found, ["a", 1, 2.5, True, ("a", 1), ""])) == len(found)
