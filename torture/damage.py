"""Bits flipped in files and files cut short: what reads them says so, or comes out the same.

A data folder has no checksums and need not: what is read of it is other data then. There the promise is that a run is
never measured on other data than its own.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import warnings
from typing import TYPE_CHECKING, Any

from torture import forks
from torture.runs import TIMES

if TYPE_CHECKING:
    import random
    from collections.abc import Callable
    from pathlib import Path

    from torture.setting import Setting

__all__ = ["damage"]

PART = "flips and cuts"


def hurt(content: bytes, chance: random.Random) -> tuple[bytes, str]:
    """Some damage: a bit, a byte, a stretch of zeros, a cut, bytes that are too many, or two halves in the wrong order."""
    kind = chance.choice(("bit", "bit", "bit", "byte", "zeros", "cut", "cut", "longer", "emptied", "swapped"))
    if not content:
        return bytes([chance.randrange(256)]), "longer"
    at = chance.randrange(len(content))
    if chance.random() < 0.5:
        at = chance.randrange(min(len(content), 1024))  # where headers are
    if kind == "bit":
        return content[:at] + bytes([content[at] ^ (1 << chance.randrange(8))]) + content[
            at + 1 :
        ], f"bit of byte {at}"
    if kind == "byte":
        return content[:at] + bytes([chance.randrange(256)]) + content[at + 1 :], f"byte {at}"
    if kind == "zeros":
        n = min(len(content) - at, chance.choice((4, 512, 4096)))
        return content[:at] + bytes(n) + content[at + n :], f"{n} zeros from {at}"
    if kind == "cut":
        return content[:at], f"cut at {at}"
    if kind == "longer":
        return content + chance.randbytes(chance.choice((1, 8, 100))), "longer"
    if kind == "swapped":
        return content[at:] + content[:at], f"halves swapped at {at}"
    return b"", "emptied"


def of_run(run: Path) -> str:
    """A digest of all that reading a run gives: the answers, and what it says of itself."""
    import magnet
    from magnet.states import to_tensors

    model = magnet.load(run)
    contents = model.contents
    found = hashlib.sha256()
    tensors, meta = to_tensors(contents.state)
    for name in sorted(tensors):
        found.update(name.encode() + tensors[name].contiguous().view(-1).numpy().tobytes())
    for name, part in (("train", contents.train), ("valid", contents.valid)):
        found.update(name.encode() + part.indptr.tobytes() + part.indices.tobytes())
    said = [meta, contents.user_ids, contents.item_ids, contents.titles, contents.metrics, contents.facts]
    found.update(json.dumps(said, sort_keys=True, default=str).encode())
    found.update(model.recommend(contents.user_ids[:5], k=5).write_csv().encode())
    return found.hexdigest()


def of_resumed(run: Path, setting: Setting, model: str) -> str:
    """A digest of a run that was resumed, events without their times among it."""
    words = setting.training(model, run, "--resume")
    if forks.command(words) != 0:
        from magnet.errors import MagnetError

        raise MagnetError("refused")
    events = [json.loads(line) for line in (run / "events.jsonl").read_text().splitlines()]
    plain = [{key: value for key, value in event.items() if key not in TIMES} for event in events]
    return of_run(run) + hashlib.sha256(json.dumps(plain).encode()).hexdigest()


def of_store(store: Path) -> str:
    """A digest of what a store says of its experiments."""
    from magnet.study.results import comparisons
    from magnet.study.store import RunStore

    kept = RunStore(store)
    found = []
    for key in kept.keys:
        record = kept.find(key)
        assert record is not None
        found.append([key, record.experiment, record.facts, record.values().write_csv()])
    for comparison in comparisons(store).values():
        found.append(comparison.to_json())
    return hashlib.sha256(json.dumps(found, sort_keys=True).encode()).hexdigest()


def of_graph(cache: Path, data: Path) -> str:
    """A digest of a cached graph; one that is damaged is built again."""
    import numpy as np

    from magnet.graph.cache import cached_knn

    features = np.load(data / "image.npy")
    present = features.any(axis=1)
    graph = cached_knn(features, 10, present=present, folder=cache)
    return hashlib.sha256(graph.indptr.tobytes() + graph.indices.tobytes() + graph.data.tobytes()).hexdigest()


def of_data(data: Path, run: Path) -> str:
    """What evaluating a run on a data folder gives: refused where the data are others."""
    import magnet

    dataset = magnet.Dataset.from_folder(data, split="split")
    model = magnet.load(run)
    return json.dumps(model.evaluate(dataset, "test").metrics, sort_keys=True)


def _worked(
    folder: Path, files: list[tuple[Path, bytes]], read: Callable[[], str], whole: str, jobs: list[Any]
) -> int:
    """In a child: hurt one file at a time, read, and print what came of it."""
    from magnet.errors import MagnetError

    warnings.simplefilter("ignore")
    for number, (content, what) in jobs:
        file, right = files[number]
        file.write_bytes(content)
        try:
            found = "same result" if read() == whole else "ANOTHER RESULT"
        except MagnetError as error:
            said = str(error)
            found = (
                "refused" if len(said) <= 800 and " at 0x" not in said else f"A LONG MESSAGE: {said[:100]}"
            )
        except BaseException as error:
            found = f"AN ERROR OF ANOTHER KIND: {type(error).__name__}: {str(error)[:200]}"
        print("\x1e" + json.dumps([file.relative_to(folder).as_posix(), what, found]), flush=True)
        file.write_bytes(right)
    return 0


def _hurt_all(
    setting: Setting,
    name: str,
    folder: Path,
    read: Callable[[], str],
    n: int,
    *,
    only: Callable[[Path], bool],
) -> None:
    place = setting.table.place(PART, name)
    files = [(file, file.read_bytes()) for file in sorted(folder.rglob("*")) if file.is_file() and only(file)]
    whole = _first(setting, read)
    jobs = []
    for turn in range(n):
        # Every file has its turn.
        number = turn % len(files)
        jobs.append((number, hurt(files[number][1], setting.random)))
    ended = forks.Child(lambda: _worked(folder, files, read, whole, jobs), setting.said).wait(1200)
    lines = [json.loads(part.split("\n")[0]) for part in ended.out.split("\x1e")[1:]]
    if len(lines) != len(jobs):
        place.miss(
            f"the reader ended with {ended.code} after {len(lines)} of {len(jobs)}: {ended.err[-300:]}"
        )
    for (number, (content, _)), (file, what, found) in zip(jobs, lines, strict=False):
        if found == "same result" or found == "refused":
            place.count("untouched" if content == files[number][1] else found)
        else:
            place.miss(f"{file}, {what}: {found}")


def _first(setting: Setting, read: Callable[[], str]) -> str:
    def work() -> int:
        warnings.simplefilter("ignore")
        print("\x1e" + read())
        return 0

    ended = forks.Child(work, setting.said).wait()
    assert ended.code == 0, ended.err
    return ended.out.split("\x1e")[1].strip()


def _unfinished(setting: Setting, model: str, n: int) -> None:
    """Files of an interrupted run, its checkpoints among them: resuming is refused, or comes out as it would have."""
    folder = setting.empty("hurt")
    kept, run = folder / "kept", folder / "run"
    shutil.copytree(setting.finished(model), kept)
    for file in kept.iterdir():
        if file.is_file() and file.name not in ("config.json", "events.jsonl"):
            file.unlink()
    # As if it had been killed after its last checkpoint.
    from_kept = [file for file in sorted(kept.rglob("*")) if file.is_file()]

    def read() -> str:
        shutil.rmtree(run, ignore_errors=True)
        shutil.copytree(kept, run)
        return of_resumed(run, setting, model)

    _hurt_all(setting, f"an interrupted run ({model})", kept, read, n, only=lambda file: file in from_kept)


def damage(setting: Setting) -> None:
    """All of it."""
    share = 1 if setting.quick else 9
    for model in ("lightgcn", "magnet"):
        run = setting.empty("hurt") / "run"
        shutil.copytree(setting.finished(model), run)
        done = setting.run("evaluate", run, "--part", "test")
        assert done.code == 0, done.err
        _hurt_all(
            setting, f"a finished run ({model})", run, lambda run=run: of_run(run), 24 * share,
            only=lambda file: file.parent.name != "checkpoints",
        )  # fmt: skip
        _unfinished(setting, model, 14 * share)
    store = setting.empty("hurt") / "store"
    words = [
        "compare",
        "--data",
        setting.data,
        "--models",
        "ease,popularity",
        "--seeds",
        "0",
        "--store",
        store,
    ]
    assert setting.run(*words, "--threads", "1").code == 0
    _hurt_all(
        setting, "a store of experiments", store, lambda: of_store(store), 24 * share,
        only=lambda file: file.parent.name != "locks" and "runs" not in file.parts,
    )  # fmt: skip
    cache = setting.empty("hurt") / "cache"
    _first(setting, lambda: of_graph(cache, setting.data))
    _hurt_all(
        setting,
        "a cached graph",
        cache,
        lambda: of_graph(cache, setting.data),
        30 * share,
        only=lambda _: True,
    )
    data = setting.empty("hurt") / "data"
    shutil.copytree(setting.data, data, dirs_exist_ok=True)
    _hurt_all(
        setting, "a data folder, and a run measured on it", data, lambda: of_data(data, setting.finished("lightgcn")),
        30 * share, only=lambda file: file.name != "truth.npz",
    )  # fmt: skip
    setting.table.over(PART)
