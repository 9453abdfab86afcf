"""A folder that holds a model for other programs, whole or not there."""

from __future__ import annotations

import contextlib
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import numpy as np
import scipy.sparse as sp

from magnet.choices import Exported
from magnet.data.given import as_names, as_whole
from magnet.errors import ConfigError, DataError, RunError, nearest
from magnet.export.card import card_text
from magnet.export.onnx import write_onnx
from magnet.export.operators import Operators, make_operators
from magnet.export.readme import readme_text
from magnet.export.vectors import Vectors, make_vectors
from magnet.files import as_path, read_json, write_json
from magnet.placing import remove_left_folders, replacing_folder
from magnet.run.ids import encode_ids, id_lines

if TYPE_CHECKING:
    from collections.abc import Sequence

    from magnet.run.contents import RunContents, RunDescription

__all__ = ["ExportedModel", "export_model"]

_KIND, _FORMAT, _HEAD = "magnet-export", 1, "export.json"
_RANKS, _TOPS = (1, 4096), (1, 1_000_000)


@dataclass(frozen=True, repr=False)
class ExportedModel:
    """What was exported.

    Attributes:
        folder: Where it is.
        files: Names of the files, in order.
        vectors: What stands in ``users.npy`` and ``items.npy``, None if they were not asked for.
        operators: What stands in the operators' files, likewise.
    """

    folder: Path
    files: list[str]
    vectors: Vectors | None
    operators: Operators | None

    def text(self) -> str:
        """The folder, and how near each part comes to the model."""
        said = [f"exported to {self.folder}: {', '.join(self.files)}"]
        said += [f"vectors: {self.vectors.text()}"] if self.vectors else []
        said += [f"operators: {self.operators.text()}"] if self.operators else []
        return "\n".join(said)

    def __repr__(self) -> str:
        return self.text()

    def to_json(self) -> dict[str, Any]:
        """JSON-ready data; what ``magnet export --json`` prints."""
        return {
            "out": str(self.folder),
            "files": self.files,
            "vectors": self.vectors.to_json() if self.vectors else None,
            "operators": self.operators.to_json() if self.operators else None,
        }


def export_model(
    contents: RunContents,
    description: RunDescription,
    folder: str | Path,
    *,
    what: str | Sequence[str] = ("vectors", "card"),
    rank: int = 256,
    backbone: bool = False,
    top: int = 200,
    overwrite: bool = False,
) -> ExportedModel:
    """Write what other programs need of a model; see :meth:`magnet.Recommender.export`.

    Args:
        contents: What the model knows.
        description: What was trained on what.
        folder: Where to.
        what: ``vectors``, ``operators``, ``onnx`` and ``card``, one or several.
        rank: Width of the vectors where they approximate the model.
        backbone: Take the vectors of a mixture's backbone instead.
        top: Weights of a column that are kept of a dense operator.
        overwrite: Whether an export that is there may be replaced.

    Raises:
        ConfigError: If there is nothing of a name, or the model has no backbone of its own.
        DataError: If the folder is not free, a number is out of range, or the model has no operators.
        RunError: If an id cannot be kept in JSON.
        MissingExtraError: If onnx is asked for and not installed.
        StorageError: If the disk refuses it.
    """
    asked = _asked(what)
    rank, top = (as_whole(*given) for given in ((rank, "rank"), (top, "top")))
    for name, value, (least, most) in (("rank", rank, _RANKS), ("top", top, _TOPS)):
        if not least <= value <= most:
            raise DataError(f"{name} must be from {least} to {most:,}, got {value}")
    path = Path(os.path.realpath(as_path(folder)))
    _check_free(path, overwrite)
    ids = {what: encode_ids(getattr(contents, f"{what}_ids"), of=what) for what in ("user", "item")}
    remove_left_folders(path)
    with replacing_folder(path, replace=overwrite) as place:
        vectors = operators = None
        files: list[str] = []
        if {"vectors", "onnx"} & set(asked):
            vectors = make_vectors(contents, rank=rank, backbone=backbone, seed=description.seed)
        elif backbone:
            raise ConfigError(
                f"a backbone's vectors are for vectors and onnx; {', '.join(asked)} was asked for"
            )
        if "vectors" in asked:
            assert vectors is not None
            np.save(place / "users.npy", vectors.users)
            np.save(place / "items.npy", vectors.items)
            files += ["users.npy", "items.npy"]
        if "onnx" in asked:
            assert vectors is not None
            files += write_onnx(place, vectors, model=description.model)
        if "operators" in asked:
            operators = make_operators(contents, top=top)
            files += operators.write(place)
        if set(asked) - {"card"}:
            files += _write_ids(place, ids, contents)
        if "card" in asked:
            (place / "card.md").write_text(card_text(contents, description), encoding="utf-8")
            files.append("card.md")
        made = ExportedModel(path, [*files, "README.md", _HEAD], vectors, operators)
        (place / "README.md").write_text(readme_text(made, description.model), encoding="utf-8")
        about = {
            "model": description.model,
            "run": description.identity,
            "content_hash": description.content_hash,
            "versions": dict(description.versions),
        }
        found = {name: value for name, value in made.to_json().items() if name != "out"}
        write_json(place / _HEAD, {"kind": _KIND, "format_version": _FORMAT, **about, **found})
    return made


def _asked(what: str | Sequence[str]) -> list[str]:
    asked = list(dict.fromkeys(as_names(what, "what")))
    known = get_args(Exported)
    for name in asked:
        if name not in known:
            raise ConfigError(f"nothing called {name!r} can be exported{nearest(name, known)}")
    if not asked:
        raise ConfigError(f"nothing to export: name one or several of {', '.join(known)}")
    return asked


def _write_ids(place: Path, ids: dict[str, list[Any]], contents: RunContents) -> list[str]:
    """Row r of a matrix belongs to entry r of the JSON list and to line r of the text."""
    files = []
    for what, encoded in ids.items():
        keys = contents.user_ids if what == "user" else contents.item_ids
        (place / f"{what}_ids.json").write_text(json.dumps(encoded, ensure_ascii=False), encoding="utf-8")
        (place / f"{what}_ids.txt").write_text(id_lines(keys), encoding="utf-8")
        files += [f"{what}_ids.json", f"{what}_ids.txt"]
    seen = (contents.train + contents.valid).tocsr()
    seen.data = np.ones_like(seen.data)
    sp.save_npz(place / "seen.npz", seen)
    return [*files, "seen.npz"]


def _check_free(path: Path, overwrite: bool) -> None:
    """Refuse what may not be replaced: anything without leave, and whatever is no export with it."""
    if not path.exists():
        return
    if not path.is_dir():
        raise DataError(f"{path}: a file is in the way of the export's folder; choose another name")
    if not any(path.iterdir()):
        return
    if not overwrite:
        raise DataError(f"{path}: exists already and is not empty; choose another folder, or --overwrite it")
    ours = False
    with contextlib.suppress(RunError):
        ours = read_json(path / _HEAD).get("kind") == _KIND
    if not ours:
        raise DataError(
            f"{path}: not overwritten, because it is no export (no {_HEAD} of Magnet in it); choose another folder, or "
            "empty this one yourself"
        )
