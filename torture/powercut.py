"""A power cut at any moment of a command: the worst folders that POSIX allows, each read and gone on from.

A process is watched while it works (:mod:`torture.calls`); from what it did, folders are made as a cut after each call
may leave them. What is on the disk for certain is the content of a file at its last fsync, and the names of a folder at
*its* last fsync; of everything later the disk may have kept anything:

- ``nothing``: no name and no content that was not flushed;
- ``names``: every name, but files that were not flushed are empty;
- ``zeros``: every name, and files that were not flushed have their length and hold zeros;
- ``mixed``: of each folder some first changes of names, of each file nothing, a part, or all.
"""

from __future__ import annotations

import copy
import os
import pickle
import shutil
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from torture import forks
from torture.calls import FileCalls
from torture.runs import differences, leftovers, picture

if TYPE_CHECKING:
    import random
    from collections.abc import Callable
    from pathlib import Path

    from torture.setting import Setting
    from torture.table import Place

__all__ = ["powercut"]

PART = "power cut"
WAYS = ("nothing", "names", "zeros", "mixed", "mixed")


class Trace(FileCalls):
    """Writes down every call, with the content of files where it is flushed and where the process ends."""

    def __init__(self, root: Path, out: Path) -> None:
        super().__init__(root)
        self.out = out
        self.calls: list[tuple[str, str, str | None, bytes | None]] = []

    def after(self, kind: str, path: str, other: str | None = None) -> None:
        content = None
        if kind == "fsync" and os.path.isfile(path):
            with open(path, "rb") as file:
                content = file.read()
        if kind != "chmod":
            self.calls.append((kind, path, other, content))

    def save(self) -> None:
        """Keep it for the parent."""
        with open(self.out, "wb") as file:
            pickle.dump(self.calls, file)


@dataclass
class File:
    """A file: its content at the last fsync (None: never), and what it held at the one after."""

    flushed: bytes | None = None
    later: bytes = b""
    dirty: bool = True


@dataclass
class Folder:
    """A folder: its names now, those at its last fsync, and the changes since."""

    names: dict[str, Any] = field(default_factory=dict)
    flushed: dict[str, Any] = field(default_factory=dict)
    changes: list[tuple[str, Any]] = field(
        default_factory=list
    )  # a name, and what it stands for from then on

    def set(self, name: str, node: Any) -> None:
        """Change a name; None removes it."""
        self.changes.append((name, node))
        _apply(self.names, [(name, node)])


def _apply(names: dict[str, Any], changes: list[tuple[str, Any]]) -> None:
    for name, node in changes:
        if node is None:
            names.pop(name, None)
        else:
            names[name] = node


class Disk:
    """What a disk holds, in memory and for certain, while calls are made on it."""

    def __init__(self, root: str) -> None:
        self.root = root
        self.top = Folder()

    def load(self, folder: Path) -> None:
        """Begin with what is in a folder, all of it flushed."""

        def read(path: Path) -> Any:
            if path.is_file():
                content = path.read_bytes()
                return File(content, content, dirty=False)
            names = {entry.name: read(entry) for entry in path.iterdir()}
            return Folder(names, dict(names))

        self.top = read(folder)

    def _find(self, path: str) -> Any:
        node: Any = self.top
        for name in path.removeprefix(self.root).strip("/").split("/"):
            node = node.names[name] if name else node
        return node

    def _parent(self, path: str) -> tuple[Folder, str]:
        parent, name = os.path.split(path)
        return self._find(parent), name

    def call(self, kind: str, path: str, other: str | None, content: bytes | None) -> None:
        """Make a call on it."""
        if kind == "fsync":
            node = self._find(path)
            if isinstance(node, Folder):
                node.flushed, node.changes = dict(node.names), []
            else:
                assert content is not None
                node.flushed, node.later, node.dirty = content, content, False
            return
        folder, name = self._parent(path)
        if kind in ("create", "mkdir"):
            folder.set(name, File() if kind == "create" else Folder())
        elif kind in ("unlink", "rmdir"):
            folder.set(name, None)
        elif kind == "rename":
            assert other is not None
            target, new = self._parent(other)
            node = folder.names[name]
            # One step of the journal: never both names, never none.
            target.set(new, node)
            folder.set(name, None)
        elif kind == "exchange":
            assert other is not None
            target, new = self._parent(other)
            first, second = folder.names[name], target.names[new]
            folder.set(name, second)
            target.set(new, first)
        elif kind in ("write", "save", "cut", "append"):
            folder.names[name].dirty = folder.names[name].dirty or kind != "append"

    def write(self, folder: Path, way: str, chance: random.Random) -> None:
        """Make a folder as a cut now may leave it."""
        _write(self.top, folder, way, chance)


def _write(node: Any, path: Path, way: str, chance: random.Random) -> None:
    if isinstance(node, File):
        path.write_bytes(_content(node, way, chance))
        return
    path.mkdir(parents=True, exist_ok=True)
    names = dict(node.flushed)
    if way == "mixed":
        kept = chance.randint(0, len(node.changes))
        # A rename and an exchange are two changes of names here and one on a disk.
        while 0 < kept < len(node.changes) and _same_step(node.changes[kept - 1], node.changes[kept]):
            kept += 1
        _apply(names, node.changes[:kept])
    elif way != "nothing":
        names = node.names
    for name, inner in names.items():
        _write(inner, path / name, way, chance)


def _same_step(first: tuple[str, Any], second: tuple[str, Any]) -> bool:
    return (
        first[0] != second[0]
        and first[1] is not None
        and (second[1] is None or isinstance(second[1], Folder))
    )


def _content(file: File, way: str, chance: random.Random) -> bytes:
    if not file.dirty:
        return file.flushed or b""
    flushed = file.flushed or b""
    if way in ("nothing", "names"):
        return flushed
    if way == "zeros":
        return flushed + bytes(max(0, len(file.later) - len(flushed)))
    return file.later[: chance.choice((len(flushed), (len(flushed) + len(file.later)) // 2, len(file.later)))]


def look_ahead(calls: list[Any], disk: Disk) -> list[tuple[Disk, str]]:
    """The disk after each call; files that are not flushed know what they will hold when they are."""
    disks = []
    for number, (kind, path, other, content) in enumerate(calls):
        disk.call(kind, path, other, content)
        if kind in ("write", "save", "create"):
            _foresee(disk, path, calls[number + 1 :])
        disks.append((copy.deepcopy(disk), f"{kind} {path.removeprefix(disk.root)}"))
    return disks


def _foresee(disk: Disk, path: str, coming: list[Any]) -> None:
    """What the file holds at its next flush is what the writes until then bring."""
    for kind, name, other, content in coming:
        if kind == "fsync" and name == path and content is not None:
            disk._find(path).later = content
            return
        if path in (name, other) and kind in ("rename", "unlink"):
            return


def traced(setting: Setting, folder: Path, arguments: list[object]) -> tuple[list[Any], forks.Ended]:
    """Run a command and write down its calls below ``folder``."""
    out = setting.root / "trace"

    def work() -> int:
        trace = Trace(folder, out)
        trace.install()
        code = forks.command(arguments)
        trace.save()
        return code

    ended = forks.Child(work, setting.said).wait()
    assert ended.code == 0, ended.err
    return pickle.loads(out.read_bytes()), ended


def _cut(
    setting: Setting,
    place: Place,
    folder: Path,
    disks: list[tuple[Disk, str]],
    look: Callable[[str], str | None],
    few: int,
) -> None:
    """Make worst folders and look at each; the last call's always, since the command has said by then that it is done."""
    chosen = list(range(len(disks)))
    if setting.quick:
        chosen = sorted({*setting.random.sample(chosen, min(few, len(chosen))), len(disks) - 1})
    for number in chosen:
        disk, call = disks[number]
        ways = (setting.random.choice(WAYS[:3]), "mixed") if setting.quick else WAYS
        for way in ways:
            shutil.rmtree(folder)
            disk.write(folder, way, setting.random)
            last = "after the end" if number == len(disks) - 1 else ""
            said = look(last)
            if said is None:
                place.miss(f"{way} after call {number}, {call}: {_reason[0]}")
            else:
                place.count(said)


_reason = [""]


def _bad(text: str) -> None:
    _reason[0] = text


def _training(setting: Setting, model: str) -> None:
    folder = setting.empty("powercut")
    run = folder / "run"
    calls, _ = traced(setting, folder, setting.training(model, run))
    disk = Disk(os.path.realpath(folder))

    def look(last: str) -> str | None:
        if last and (found := differences(run, setting.whole[model])) is not None:
            return _bad(f"the command said it had saved the run, and it is gone or not whole: {found}")
        read = setting.run("recommend", run, "--users", "u001")
        if read.fault or (read.code == 0 and differences(run, setting.whole[model])):
            return _bad(f"reading: {read.fault or 'another model was read'}")
        ended = setting.run(*setting.training(model, run, "--resume"))
        if ended.fault:
            return _bad(ended.fault)
        way = "resumed"
        if ended.code:
            way = "refused, trained anew"
            if not ended.error.endswith("no such run folder"):
                # A person who is refused trains again; nothing may stand in the way of that.
                ended = setting.run(*setting.training(model, run, "--overwrite"))
                if ended.code and "not overwritten, because it is not a run folder" in ended.error:
                    return "refused, to be removed by hand"
            else:
                ended = setting.run(*setting.training(model, run))
        if ended.code:
            return _bad(f"training again was refused: {ended.error}")
        if (found := differences(run, setting.whole[model])) is not None:
            return _bad(found)
        left = [name for name in leftovers(folder) if not name.endswith(".old")]
        return _bad(f"left behind: {left}") if left else way

    _cut(
        setting,
        setting.table.place(PART, f"of a training ({model})"),
        folder,
        look_ahead(calls, disk),
        look,
        14,
    )


def _overwriting(setting: Setting) -> None:
    """A finished run that is overwritten: the old one or the new one, never neither."""
    model = "lightgcn"
    folder = setting.empty("powercut")
    run = folder / "run"
    setting.run(*setting.training(model, run, "--seed", "1"))
    before = picture(run)
    disk = Disk(os.path.realpath(folder))
    disk.load(folder)
    calls, _ = traced(setting, folder, setting.training(model, run, "--overwrite"))

    def look(last: str) -> str | None:
        here = picture(run) if run.is_dir() else {}
        here.pop(".replaces", None)
        if here == setting.whole[model]:
            return "the new run"
        if here == before and not last:
            return "the old run"
        return _bad("neither the old run nor the new one is there whole")

    place = setting.table.place(PART, "of a training that overwrites a finished run")
    _cut(setting, place, folder, look_ahead(calls, disk), look, 14)


def _evaluating(setting: Setting) -> None:
    folder = setting.empty("powercut")
    run = folder / "run"
    shutil.copytree(setting.finished("lightgcn"), run)
    disk = Disk(os.path.realpath(folder))
    disk.load(folder)
    calls, _ = traced(setting, folder, ["evaluate", run, "--part", "test"])
    after = picture(run)

    def look(last: str) -> str | None:
        here = {
            name: content for name, content in picture(run).items() if not name.startswith("evaluations/.")
        }
        if last and here != after:
            return _bad("the result is gone")
        if here not in (after, setting.whole["lightgcn"]):
            return _bad("neither with the result nor without it")
        read = setting.run("recommend", run, "--users", "u001")
        return _bad(read.error) if read.code else ("with the result" if here == after else "without it")

    place = setting.table.place(PART, "of an evaluation")
    _cut(setting, place, folder, look_ahead(calls, disk), look, 5)


def _storing(setting: Setting) -> None:
    """A comparison: the same command, given again, comes out the same."""
    folder = setting.empty("powercut")
    store = folder / "store"
    words = [
        "compare",
        "--data",
        setting.data,
        "--models",
        "ease,popularity",
        "--seeds",
        "0",
        "--threads",
        "1",
    ]
    words += ["--store", store]
    calls, _ = traced(setting, folder, words)
    whole = {f.parent.name: f.read_bytes() for f in store.glob("experiments/*/users.parquet")}
    disk = Disk(os.path.realpath(folder))

    def look(last: str) -> str | None:
        kept = {f.parent.name: f.read_bytes() for f in store.glob("experiments/[!.]*/users.parquet")}
        if last and kept != whole:
            return _bad("experiments are gone after the end")
        ended = setting.run(*words)
        if ended.fault:
            return _bad(ended.fault)
        if ended.code:
            return _bad(f"refused: {ended.error}") if last else "refused"
        kept = {f.parent.name: f.read_bytes() for f in store.glob("experiments/[!.]*/users.parquet")}
        return "same figures" if kept == whole else _bad("other figures")

    place = setting.table.place(PART, "of a comparison, with a store")
    _cut(setting, place, folder, look_ahead(calls, disk), look, 10)


def powercut(setting: Setting) -> None:
    """All of it."""
    for model in ("lightgcn", "magnet"):
        _training(setting, model)
    _overwriting(setting)
    _evaluating(setting)
    _storing(setting)
    setting.table.over(PART)
