"""Results that are added to a finished run: each a file of its own, beside those that the manifest lists."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from magnet.errors import RunError
from magnet.files import read_sealed, write_sealed
from magnet.placing import make_folder, storing

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

__all__ = ["read_evaluations", "write_evaluation"]

_FOLDER = "evaluations"


def write_evaluation(run: Path, identity: str, name: str, metrics: Mapping[str, Any]) -> None:
    """Keep a result, in the place of an older one of that name.

    Args:
        run: The folder.
        identity: Of the run.
        name: Such as ``test/mmrec``.
        metrics: JSON-compatible data; NaN and infinity become null.

    Raises:
        StorageError: If the disk refuses it.
    """
    folder = run / _FOLDER
    with storing(folder):
        make_folder(folder, parents=False)
    said = {"run": identity, "name": name, "metrics": metrics}
    write_sealed(folder / f"{name.replace('/', '-')}.json", said)


def read_evaluations(run: Path, identity: str) -> dict[str, Any]:
    """All results that were added to a run, by name.

    Raises:
        RunError: If a file is damaged, or of another run.
    """
    found = {}
    for path in sorted((run / _FOLDER).glob("[!.]*.json")):
        said = read_sealed(path, "delete it and evaluate again")
        if not {"run", "name", "metrics"} <= said.keys():
            raise RunError(
                f"{path}: damaged, it holds no result of an evaluation; delete it and evaluate again"
            )
        if said["run"] != identity:
            raise RunError(f"{path}: of another run; delete it and evaluate again")
        found[said["name"]] = said["metrics"]
    return found
