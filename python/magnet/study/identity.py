"""What makes an experiment the one it is: everything that its figures depend on, and a key made of that."""

from __future__ import annotations

import hashlib
import inspect
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from magnet.files import file_digest
from magnet.models.registry import find_model

if TYPE_CHECKING:
    from collections.abc import Mapping

    from magnet.config import Config
    from magnet.data import Dataset

__all__ = ["NUMERICS", "experiment", "key_of", "takes_seed"]

# Raised by whoever changes what a training, a ranking or a metric comes out as; the package's version tells releases
# apart, this number the states between them. Experiments of another number are run again.
NUMERICS = 1


def experiment(
    dataset: Dataset, model: str, config: Config, *, seed: int, protocol: str, parts: tuple[str, ...]
) -> dict[str, Any]:
    """Describe an experiment completely, as JSON-compatible data.

    Args:
        dataset: Its content hash covers interactions, split, ids, and the chosen modalities in their order.
        model: Its registered name.
        config: Its configuration; all values count, defaults included.
        seed: Of the training; a model that draws nothing has the seed 0, whatever is asked for.
        protocol: ``strict`` or ``mmrec``.
        parts: Which parts are scored.
    """
    from magnet.runtime import versions  # brings torch, without which a store can be read

    return {
        "data": dataset.content_hash,
        "protocol": protocol,
        "parts": list(parts),
        "model": model,
        "config": config.resolved(),
        "seed": seed if takes_seed(model) else 0,
        "code": _code(model),
        "version": versions()["magnet"],
        "numerics": NUMERICS,
    }


def key_of(what: Mapping[str, Any]) -> str:
    """The name of an experiment in a store: 32 hexadecimal digits of the SHA-256 of its description.

    Example:
        >>> key_of({"seed": 0, "model": "ease"}) == key_of({"model": "ease", "seed": 0})
        True
    """
    text = json.dumps(what, sort_keys=True, allow_nan=False, ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def takes_seed(model: str) -> bool:
    """Whether runs of a model differ by seed; those that Magnet solves in closed form draw nothing."""
    entry = find_model(model)
    return entry.task is not None or not entry.module.startswith("magnet.")


def _code(model: str) -> str | None:
    """The SHA-256 of the code behind a model from outside, which has no version; None for Magnet's own.

    That is the file that registers it; in a notebook, which has none, the classes and functions it was registered with.
    Code that these call elsewhere is not looked at.
    """
    entry = find_model(model)
    if entry.module.startswith("magnet."):
        return None
    file = getattr(sys.modules.get(entry.module), "__file__", None)
    if file is not None and Path(file).is_file():
        return file_digest(Path(file))
    parts = [part for part in (entry.config, entry.fit, entry.task) if part is not None]
    return hashlib.sha256("\x1f".join(map(_source, parts)).encode()).hexdigest()


def _source(thing: Any) -> str:
    try:
        return inspect.getsource(thing)
    except (OSError, TypeError):  # typed into an interpreter, or no plain function
        code = getattr(thing, "__code__", None)
        return repr(thing) if code is None else f"{code.co_code.hex()} {code.co_consts} {code.co_names}"
