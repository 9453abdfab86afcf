"""The targets by name, and what must come of any input: a result, or one of our errors in few words."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

from magnet.errors import InternalError, MagnetError, MagnetWarning
from torture.fuzz import asking, keeping, reading
from torture.fuzz.place import Place

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["TARGETS", "call"]

TARGETS: dict[str, Callable[[int, bytes, Place], None]] = {
    "atomic": reading.atomic,
    "cache": keeping.cache,
    "checkpoints": keeping.checkpoints,
    "features": reading.features,
    "ids": asking.ids,
    "interactions": reading.interactions,
    "items": reading.items,
    "runs": keeping.runs,
    "saved": reading.saved,
    "settings": asking.settings,
    "store": keeping.store,
    "tables": reading.tables,
}
"""Each takes a number that chooses among files and options, the content, and where it may work."""

# Made before anything is spoilt: what cannot be made is no error of a loader.
_SOUND: dict[str, Callable[[Place], object]] = {
    "runs": Place.runs,
    "saved": Place.saved,
    "store": Place.store,
}
# Nobody reads more; a path may be long.
_LONGEST = 2000


def call(name: str, data: bytes, place: Place) -> str:
    """Hand an input to a target: its first byte chooses, the rest is the content.

    Args:
        name: One of :data:`TARGETS`.
        data: Any bytes.
        place: Where files may be written.

    Returns:
        The error in words; nothing where the input was read.

    Raises:
        AssertionError: If the error is a fault of Magnet's own, or longer than anybody reads.
        BaseException: Whatever else the loader let through.
    """
    if name in _SOUND:
        _SOUND[name](place)
    with warnings.catch_warnings():
        # What another library warns of is a fault like an error of it.
        warnings.simplefilter("error")
        warnings.simplefilter("ignore", MagnetWarning)
        try:
            TARGETS[name](data[0] if data else 0, data[1:], place)
        except MagnetError as error:
            said = str(error)
            if isinstance(error, InternalError):
                raise AssertionError(f"a fault of ours: {said}") from error
            if not said or len(said) > _LONGEST:
                raise AssertionError(f"{len(said)} characters: {said[:200]}") from error
            return said
    return ""
