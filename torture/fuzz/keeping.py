"""Targets that read what Magnet itself wrote: runs, checkpoints, stores, the cache.

Files come as they are and with their checksums set right, as whoever damages a file on purpose would set them.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import struct
from typing import TYPE_CHECKING, Any

import numpy as np

import magnet
from magnet import caching, files
from magnet.graph.cache import cached_knn, content_name
from magnet.graph.knn import knn_graph
from magnet.run import checkpoint
from magnet.run.events import EventLog, events_before
from magnet.study.results import comparisons, page
from magnet.study.store import RunStore
from magnet.study.trials import TrialLog

if TYPE_CHECKING:
    from pathlib import Path

    from torture.fuzz.place import Place

__all__ = ["PRESENT", "ROWS", "cache", "checkpoints", "files_of_runs", "files_of_store", "runs", "store"]


def _write_signed(path: Path, content: bytes) -> None:
    """A file of a run, and its checksum in the manifest."""
    path.write_bytes(content)
    manifest = json.loads((path.parent / "manifest.json").read_bytes())
    manifest["files"][path.name] = hashlib.sha256(content).hexdigest()
    (path.parent / "manifest.json").write_text(json.dumps(manifest))


def _sealed(content: bytes) -> bytes:
    """A JSON object with its own checksum in it; what is none stays as it is."""
    try:
        value = json.loads(content)
        plain = {name: inner for name, inner in value.items() if name != "sha256"}
        return json.dumps(plain | {"sha256": files._digest(plain)}).encode()
    except (ValueError, AttributeError, RecursionError):
        return content


def files_of_runs(place: Place) -> list[str]:
    """The files that a run can have."""
    return [
        *sorted(path.name for path in place.runs()[0].iterdir() if path.is_file()),
        "evaluations/test-strict.json",
    ]


def runs(how: int, content: bytes, place: Place) -> None:
    """A run, one file of it replaced."""
    kinds = place.runs()
    folder = place.copy(kinds[how % len(kinds)])
    names = files_of_runs(place)
    name = names[how // len(kinds) % len(names)]
    if "/" in name:
        (folder / name).write_bytes(_sealed(content))
    elif name == "manifest.json":
        (folder / name).write_bytes(content)
    else:
        _write_signed(folder / name, content)
        if name == "config.json":
            _as_older(folder / name)
    model = magnet.load(folder)
    repr(model)
    found = model.recommend("a", k=2)
    assert found["rank"].to_list() == list(range(1, len(found) + 1))


def _as_older(path: Path) -> None:
    """Without the identity, which runs of older versions have not: it would be that of the old content."""
    try:
        values = json.loads(path.read_bytes())
        del values["identity"]
        _write_signed(path, json.dumps(values).encode())
    except (ValueError, KeyError, TypeError, RecursionError):
        pass


def checkpoints(how: int, content: bytes, place: Place) -> None:
    """A checkpoint, or the texts of one whose checksum is right, and the events before it."""
    folder = place.empty()
    there = checkpoint.Checkpoints(folder, "run")
    path = there.path("last")
    if how % 3 == 0:
        path.write_bytes(content)
    elif how % 3 == 1:
        version, _, meta = content.decode("utf-8", "replace").partition("\n")
        path.write_bytes(
            _header({"format_version": version, "meta": meta, "sha256": checkpoint._digest({}, meta)})
        )
    else:
        (folder / "events.jsonl").write_bytes(content)
        events_before(folder / "events.jsonl", how // 3 % 4)
        EventLog(folder / "events.jsonl", keep=how // 12 % 3).close()
        return
    found = there.load("last")
    assert isinstance(found.meta, dict)


def _header(texts: dict[str, str]) -> bytes:
    """A safetensors file without tensors."""
    text = json.dumps({"__metadata__": texts}).encode()
    return struct.pack("<Q", len(text)) + text


def files_of_store(store: Path, number: int) -> list[Path]:
    """The files of one of the experiments of a store, and of its data."""
    experiment = sorted((store / "experiments").iterdir())[number]
    data = next((store / "data").iterdir())
    return [
        store / "store.json",
        *(folder / name for folder in (experiment, data) for name in ("facts.json", "users.parquet")),
    ]


def store(how: int, content: bytes, place: Place) -> None:
    """A store, one file of it replaced: read as a comparison, or as the trials of a tuning."""
    folder = place.copy(place.store())
    if how % 8 >= 6:
        log = TrialLog(RunStore(folder), {"what": "tuned"})
        name = "0000.json" if how % 8 == 6 else "tuning.json"
        (log.path / name).write_bytes(_sealed(content))
        log.read()
        return
    path = (*files_of_store(folder, how // 8 % 2), *files_of_store(folder, how // 8 % 2)[1:2])[how % 8]
    if path.suffix == ".parquet":
        path.write_bytes(content)
        facts = json.loads((path.parent / "facts.json").read_bytes())
        name = "values" if how % 8 == 2 else "users"
        facts[name] = hashlib.sha256(content).hexdigest()
        (path.parent / "facts.json").write_bytes(_sealed(json.dumps(facts).encode()))
    elif how % 8 == 5:
        _rename(path, content)
    else:
        path.write_bytes(_sealed(content) if how % 8 else content)
    page(comparisons(folder), {})


def _rename(path: Path, content: bytes) -> None:
    """Another experiment under the key that it has."""
    try:
        facts: dict[str, Any] = json.loads(path.read_bytes()) | {"experiment": json.loads(content)}
        text = json.dumps(facts["experiment"], sort_keys=True, ensure_ascii=True).encode()
    except (ValueError, RecursionError):
        return
    path.write_bytes(_sealed(json.dumps(facts).encode()))
    path.parent.rename(path.parent.with_name(hashlib.sha256(text).hexdigest()[:32]))


ROWS = np.array([[1, 0], [1, 1], [0, 1], [0, 0]], dtype=np.float32)
PRESENT = np.array([True, True, True, False])


def cache(how: int, content: bytes, place: Place) -> None:
    """A graph that was kept: it is read, or built again; and what is told of the folder."""
    folder = place.empty()
    if how % 8 == 7:
        text = content.decode("utf-8", "surrogateescape").replace("\0", "")
        os.environ["MAGNET_CACHE_LIMIT"] = text
        try:
            assert caching.cache_limit() >= 0
        finally:
            del os.environ["MAGNET_CACHE_LIMIT"]
        return
    path = folder / content_name(ROWS, 2, PRESENT, exact=True)
    path.write_bytes(content)
    for entry in caching.entries(folder):
        json.dumps(entry.as_dict())
    graph = cached_knn(ROWS, 2, present=PRESENT, folder=folder)
    expected = knn_graph(ROWS, 2, present=PRESENT)
    assert graph.shape == expected.shape
    assert (np.diff(graph.indptr) <= 2).all()
    assert PRESENT[graph.indices].all()
    shutil.rmtree(folder)
