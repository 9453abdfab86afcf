"""Readers: from a path to a data set. A folder is read by Magnet's own; other packages add readers of other formats."""

from __future__ import annotations

import dataclasses
import inspect
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from magnet.data.dataset import Dataset
from magnet.data.given import as_names, as_whole
from magnet.data.records import Choice
from magnet.errors import ConfigError, DataError
from magnet.registry import Registry

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = ["READERS", "Reader", "read", "register_reader"]

FOLDER = "folder"


@dataclass(frozen=True)
class Reader:
    """One way to read data.

    Attributes:
        read: ``read(path, *, split, modalities, user, item, seed)`` returns a :class:`magnet.Dataset`.
        suffixes: Endings of the files that it reads, such as ``".json"``.
    """

    read: Callable[..., Dataset]
    suffixes: tuple[str, ...] = ()


READERS: Registry[Reader] = Registry("data reader", modules={FOLDER: "magnet.data.load"})


def register_reader(
    name: str, read: Callable[..., Dataset], *, suffixes: Sequence[str] = (), replace: bool = False
) -> None:
    """Add a reader, so that :meth:`magnet.Dataset.read` and ``--data PATH`` read another format.

    Args:
        name: How the reader is asked for, and what a run remembers to read its data again.
        read: ``read(path, *, split, modalities, user, item, seed)`` returns a :class:`magnet.Dataset`. The options are
            those of :meth:`magnet.Dataset.from_folder`; a reader refuses what it cannot do. ``min_rating`` and
            ``rating`` are handed to it if it takes them, and refused otherwise.
        suffixes: Endings of files that are read by it if no reader is named, such as ``[".json"]``.
        replace: Whether a reader of that name may be replaced, as when a notebook's cell runs again.

    Raises:
        ConfigError: If the name or a suffix is taken, or a suffix does not begin with a dot.
    """
    endings = (suffixes,) if isinstance(suffixes, str) else tuple(suffixes)
    for ending in endings:
        if not ending.startswith("."):
            raise ConfigError(f"reader {name!r}: a suffix begins with a dot, such as '.json'; got {ending!r}")
        taken = _by_suffix(ending)
        if taken is not None and not (replace and taken == name):
            raise ConfigError(f"reader {name!r}: files that end in {ending} are read by {taken!r} already")
    READERS.add(name, Reader(read, endings), module=read.__module__, replace=replace)


def read(
    path: str | Path,
    *,
    reader: str | None = None,
    split: str | None = "split",
    modalities: Sequence[str] | None = None,
    user: str | None = None,
    item: str | None = None,
    seed: int = 0,
    min_rating: float | None = None,
    rating: str | None = None,
) -> Dataset:
    """See :meth:`magnet.Dataset.read`."""
    path = Path(path).expanduser()
    name = reader or (_by_suffix(path.suffix) if path.suffix and not path.is_dir() else None) or FOLDER
    names = None if modalities is None else as_names(modalities, "modalities")
    choice = Choice(split, names, user, item, as_whole(seed, "seed"), min_rating, rating)
    found = READERS.find(name)
    if name == FOLDER:
        return found.read(path, **vars(choice))
    # Readers of others take what they took before there was more to choose.
    late = {"min_rating": min_rating, "rating": rating}
    late = {option: value for option, value in late.items() if value is not None}
    known = inspect.signature(found.read).parameters
    anything = any(one.kind is one.VAR_KEYWORD for one in known.values())
    refused = [] if anything else [option for option in late if option not in known]
    if refused:
        raise DataError(
            f"{path}: the reader {name!r} does not take {', '.join(f'{option}=' for option in refused)}"
        )
    options: dict[str, Any] = {
        "split": "split" if split is None else split,
        "modalities": names,
        "user": user,
        "item": item,
        "seed": choice.seed,
    }
    dataset = found.read(path, **options, **late)
    if not isinstance(dataset, Dataset):
        raise DataError(f"the reader {name!r} must return a magnet.Dataset, got {type(dataset).__name__}")
    return dataclasses.replace(dataset, source=choice.source(path, reader=name))


def _by_suffix(suffix: str) -> str | None:
    others = (name for name in READERS if name != FOLDER)
    return next((name for name in others if suffix.lower() in READERS.find(name).suffixes), None)
