"""Where fuzzing begins: the odd inputs that people thought of, and the sound files that Magnet writes."""

from __future__ import annotations

import io
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from magnet.graph.cache import cached_knn
from torture.fuzz.keeping import PRESENT, ROWS, files_of_runs, files_of_store
from torture.fuzz.place import INTER, Place
from torture.fuzz.reading import BETWEEN, FEATURE_KINDS, SAVED, TABLE_ENDINGS

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["seeds"]


def seeds(name: str) -> list[bytes]:
    """Inputs of a target: a byte that chooses, and a content."""
    place = Place()
    return [bytes([how % 256]) + content for how, content in _MADE[name](place)]


def _odd(table: str) -> Iterator[tuple[bytes, str]]:
    """The contents of a table of ``tests/hostile``, and the names of their files."""
    sys.path.insert(0, str(Path(__file__).parents[2] / "tests"))
    try:
        from hostile import arguments, features, interactions
    finally:
        sys.path.pop(0)
    modules = (interactions, features, arguments)
    for one in next(getattr(module, table) for module in modules if hasattr(module, table)):
        given = one.given() if callable(one.given) and table != "RUNS" else one.given
        if isinstance(given, bytes) and len(given) < 5000:
            yield given, str(one.where)


def _interactions(_: Place) -> Iterator[tuple[int, bytes]]:
    for table in ("FILES", "SPLITS", "RATINGS", "RULES"):
        for number, (content, where) in enumerate(_odd(table)):
            yield (0 if where.endswith(".csv") else 1) + 2 * (number % 7), content


def _frames() -> Iterator[tuple[str, bytes]]:
    frame = pl.read_csv(INTER, separator="\t")
    frames = [
        frame,
        frame.with_columns(pl.col("user").cast(pl.Categorical), time=pl.lit(5), rating=pl.lit(4.5)),
    ]
    for one in frames:
        parquet, arrow, stream = io.BytesIO(), io.BytesIO(), io.BytesIO()
        one.write_parquet(parquet, compression="uncompressed")
        one.write_ipc(arrow)
        one.write_ipc_stream(stream)
        yield ".parquet", parquet.getvalue()
        yield ".arrow", arrow.getvalue()
        yield ".feather", stream.getvalue()


def _tables(_: Place) -> Iterator[tuple[int, bytes]]:
    for number, (ending, content) in enumerate(_frames()):
        yield TABLE_ENDINGS.index(ending) + 4 * (number % 7), content
    for content, where in _odd("FILES"):
        ending = Path(where).suffix
        if ending in TABLE_ENDINGS:
            yield TABLE_ENDINGS.index(ending), content
    from scipy.sparse import csr_array, save_npz

    matrix = io.BytesIO()
    save_npz(matrix, csr_array([[1.0, 0, 2], [0, 3, 0]]), compressed=False)
    yield TABLE_ENDINGS.index(".npz"), matrix.getvalue()


def _items(_: Place) -> Iterator[tuple[int, bytes]]:
    for content, _ in _odd("ITEMS"):
        yield 0, content
    for ending, content in _frames():
        yield (".tsv", ".csv", ".parquet", ".arrow", ".feather").index(ending), content


def _atomic(_: Place) -> Iterator[tuple[int, bytes]]:
    inter = b"user_id:token\titem_id:token\trating:float\ttimestamp:float\na\tx\t4\t1\na\ty\t5\t2\nb\tx\t1\t3\nb\tz\t3\t4\n"
    about = b"item_id:token\ttitle:token_seq\tprice:float\tkinds:float_seq\nx\tX x\t1.5\t1 2\ny\tY\t2\t\nz\tZ\t\t3\n"
    for how in range(14):
        yield how, inter + BETWEEN + about
    for content, _ in _odd("ITEMS"):
        yield 1, inter + BETWEEN + content
    for content, _ in _odd("FILES"):
        yield 1, content + BETWEEN + about


def _features(_: Place) -> Iterator[tuple[int, bytes]]:
    for content, where in _odd("FEATURES"):
        kind = Path(where).suffix[1:]
        if kind in FEATURE_KINDS:
            yield FEATURE_KINDS.index(kind) + 130 // len(FEATURE_KINDS) * len(FEATURE_KINDS), content
            yield FEATURE_KINDS.index(kind), content


def _saved(place: Place) -> Iterator[tuple[int, bytes]]:
    folder = place.saved()
    for how, name in enumerate(SAVED):
        yield how, (folder / name).read_bytes()


def _runs(place: Place) -> Iterator[tuple[int, bytes]]:
    kinds = place.runs()
    for number, folder in enumerate(kinds):
        for at, name in enumerate(files_of_runs(place)):
            if (folder / name).is_file() and (
                number == 0 or name.startswith("state") or name == "config.json"
            ):
                yield number + len(kinds) * at, (folder / name).read_bytes()


def _checkpoints(place: Place) -> Iterator[tuple[int, bytes]]:
    import torch

    from magnet.run.checkpoint import save_checkpoint

    path = place.empty() / "one.safetensors"
    save_checkpoint(
        path, {"a": torch.ones(2), "b": torch.zeros(0, dtype=torch.int64)}, {"run": "run", "epoch": 1}
    )
    yield 0, path.read_bytes()
    yield 1, b'1\n{"epoch": 1, "run": "run"}'
    for how in range(2, 36, 3):
        yield how, b'{"epoch":0,"loss":0.5}\n{"epoch":1,"loss":null}\n{"epoch":2}\n'


def _store(place: Place) -> Iterator[tuple[int, bytes]]:
    folder = place.store()
    for key in range(2):
        for how, name in enumerate(files_of_store(folder, key)):
            yield how + 8 * key, name.read_bytes()
    facts = next(iter(sorted((folder / "experiments").iterdir()))) / "facts.json"
    import json

    yield 5, json.dumps(json.loads(facts.read_bytes())["experiment"]).encode()
    trial = {"number": 0, "settings": {}, "state": "complete", "steps": [0.5], "facts": {}, "error": None}
    yield 6, json.dumps(trial).encode()
    yield 7, b'{"what": "tuned"}'


def _cache(place: Place) -> Iterator[tuple[int, bytes]]:
    folder = place.empty()
    cached_knn(ROWS, 2, present=PRESENT, folder=folder)
    yield 0, next(folder.glob("*.npz")).read_bytes()
    for text in (b"10 GiB", b"0", b"1.5 kB", b"1e3", b"9" * 400):
        yield 7, text


def _settings(_: Place) -> Iterator[tuple[int, bytes]]:
    number = 0
    for content, _ in _odd("TOML"):
        yield number, content
        number += 1
    for setting in (
        "dim=8",
        "train.epochs=2",
        "train=3",
        'mixing.behaviour=[{"kind": "filter"}]',
        "=",
        "a.b.c=[1",
    ):
        yield number, b"dim = 8\n" + BETWEEN + setting.encode()
        number += 1


def _ids(_: Place) -> Iterator[tuple[int, bytes]]:
    for content, _ in _odd("USER_FILES"):
        yield 0, content
        yield 1, content
    yield 1, b"a,b, c ,1"


_MADE = {
    "atomic": _atomic,
    "cache": _cache,
    "checkpoints": _checkpoints,
    "features": _features,
    "ids": _ids,
    "interactions": _interactions,
    "items": _items,
    "runs": _runs,
    "saved": _saved,
    "settings": _settings,
    "store": _store,
    "tables": _tables,
}
