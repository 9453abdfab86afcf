"""A store for others to read: experiments without their run folders, and without the paths of this machine."""

from __future__ import annotations

import re
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

from magnet.errors import ConfigError, RunError
from magnet.files import as_path
from magnet.study.described import keep_described, read_description
from magnet.study.results import is_of_now, name_of
from magnet.study.store import RunStore

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["share"]


def share(store: str | Path, target: str | Path, *, skip: str | None = None) -> list[str]:
    """Copy what tables are made of into another store.

    Args:
        store: Where experiments were run.
        target: A store, made if it is missing; what it has stays.
        skip: A regular expression; rows whose name it is found in are left out.

    Returns:
        Names of the rows that were copied, once for each run.

    Raises:
        ConfigError: If ``skip`` is no regular expression.
        RunError: If one of the folders is no store, both are the same, or something in it is damaged.
    """
    try:
        left_out = None if skip is None else re.compile(skip)
    except re.error as error:
        raise ConfigError(f"skip: {skip!r} is no regular expression ({error})") from None
    if as_path(store).resolve() == as_path(target).resolve():
        raise RunError(f"{target}: this is the store itself; choose another folder to share it in")
    there, to = RunStore(store), RunStore(target)
    copied = []
    for key in there.keys:
        record = there.find(key)
        assert record is not None
        if not is_of_now(record):
            continue
        described = read_description(there, record.experiment["data"])
        name = name_of(record, described, described)
        if left_out is not None and left_out.search(name):
            continue
        facts = record.facts | {
            "data": record.facts["data"] | {"source": _moved(record.facts["data"]["source"])}
        }
        with to.claimed(key):
            to.add(record.experiment, facts, record.values())
        keep_described(described.facts | {"source": _moved(described.facts["source"])}, described.history, to)
        copied.append(name)
    return copied


def _moved(source: dict[str, Any] | None) -> dict[str, Any] | None:
    """The source of data, of whose path the folder's name is left."""
    return None if source is None else source | {"path": PurePath(source["path"]).name}
