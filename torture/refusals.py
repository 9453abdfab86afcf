"""A disk that refuses a call, at every call of every verb that writes.

A refused command ends with 1 and one sentence that names a file; what was there before is there byte by byte; no
temporary file is left. Where the disk recovers, the same command then ends as if nothing had happened. Some calls may
fail and the command go on, as a graph that cannot be kept is still a graph: then it has to deliver the same.
"""

from __future__ import annotations

import errno
import os
import re
import shutil
from typing import TYPE_CHECKING, Any, NamedTuple

from torture import forks
from torture.calls import FileCalls
from torture.runs import leftovers, picture

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from torture.setting import Setting

__all__ = ["refusals"]

PART = "refused calls"
ERRORS = (errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EROFS)
# A disk that is full, or whose quota is used up, refuses these, and goes on doing so.
GROWING = {"create", "write", "save", "mkdir"}
# What no cleaning up can do without: a disk that refuses these as well keeps the temporary files.
CLEANING = {"unlink", "rmdir", "chmod"}


class Refuse(FileCalls):
    """Fails at the n-th call that can be refused; a full disk also at all that would make it fuller."""

    def __init__(self, root: Path, nth: int, number: int) -> None:
        super().__init__(root)
        self.left, self.errno = nth, number
        self.full = False

    def _refused(self, kind: str, path: str) -> bool:
        if kind in CLEANING:
            return False
        if self.errno in (errno.ENOSPC, errno.EDQUOT):
            if kind not in GROWING:
                return False
            self.left -= 1
            return self.left <= 0
        self.left -= 1
        return self.left == 0

    def before(self, kind: str, path: str, other: str | None = None) -> None:
        if self._refused(kind, path):
            if kind == "save":
                from safetensors import SafetensorError

                # In words, as it says them.
                raise SafetensorError(f"I/O error: {os.strerror(self.errno)} (os error {self.errno})")
            raise OSError(self.errno, os.strerror(self.errno), path)


class Count(FileCalls):
    """How many calls could be refused."""

    def __init__(self, root: Path, out: Path) -> None:
        super().__init__(root)
        self.out = out
        self.kinds: list[str] = []

    def before(self, kind: str, path: str, other: str | None = None) -> None:
        if kind not in CLEANING:
            self.kinds.append(kind)


class Verb(NamedTuple):
    """A command that writes: what it is called, how its folder is prepared, and its words."""

    name: str
    prepare: Callable[[Path], None]
    words: Callable[[Path], list[Any]]
    slow: bool = False


def verbs(setting: Setting) -> list[Verb]:
    """Every verb that writes; all of what it reads and writes lies in one folder."""
    magnet, light = setting.finished("magnet"), setting.finished("lightgcn")

    def with_run(source: Path) -> Callable[[Path], None]:
        return lambda folder: _copy(source, folder / "run")

    def nothing(folder: Path) -> None:
        pass

    def overwritten(folder: Path) -> None:
        _copy(light, folder / "run")

    study = setting.empty("a-study") / "store"
    compare = [
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
    done = setting.run(*compare, "--store", study)
    assert done.code == 0, done.err

    def listed(ending: str) -> Verb:
        return Verb(
            f"recommend --out, {ending}",
            with_run(light),
            lambda f: ["recommend", f / "run", "--users", "u001,u002", "--out", f / f"list.{ending}"],
        )

    return [
        Verb("train", nothing, lambda f: setting.training("lightgcn", f / "run")),
        Verb("train, magnet", nothing, lambda f: setting.training("magnet", f / "run")),
        Verb(
            "train --overwrite",
            overwritten,
            lambda f: setting.training("lightgcn", f / "run", "--seed", 1, "--overwrite"),
        ),
        Verb(
            "train, closed form",
            nothing,
            lambda f: ["train", "--data", setting.data, "--model", "ease", "--out", f / "run"],
        ),
        Verb("evaluate", with_run(light), lambda f: ["evaluate", f / "run", "--part", "test"]),
        listed("csv"),
        listed("json"),
        listed("parquet"),
        Verb(
            "explain --png",
            with_run(magnet),
            lambda f: ["explain", f / "run", "--png", f / "run.png"],
            slow=True,
        ),
        Verb(
            "data synthetic", nothing, lambda f: ["data", "synthetic", "--out", f / "made", "--size", "tiny"]
        ),
        Verb(
            "compare",
            nothing,
            lambda f: [*compare, "--store", f / "store", "--markdown", f / "table.md"],
            slow=True,
        ),
        Verb(
            "tune",
            nothing,
            lambda f: [
                *(
                    "tune",
                    "--data",
                    setting.data,
                    "--model",
                    "ease",
                    "--trials",
                    "2",
                    "--seeds",
                    "0",
                    "--threads",
                    "1",
                ),
                *("--store", f / "store", "--out", f / "ease.toml"),
            ],
            slow=True,
        ),
        Verb(
            "results",
            lambda folder: _copy(study, folder / "store"),
            lambda f: ["results", "--store", f / "store", "--out", f / "results.md"],
            slow=True,
        ),
    ]


def _copy(source: Path, target: Path) -> None:
    shutil.copytree(source, target)


def _content(folder: Path) -> dict[str, bytes]:
    found = {}
    for run in sorted(path.parent for path in folder.rglob("config.json")):
        found |= {f"{run.relative_to(folder)}/{name}": content for name, content in picture(run).items()}
    for file in folder.rglob("*"):
        name = file.relative_to(folder).as_posix()
        if file.is_file() and name not in found:
            found[name] = file.read_bytes()
            if "/tunings/" in name:
                found[name] = _SECONDS.sub(b"", found[name])
    return found


def _counted(setting: Setting, verb: Verb, folder: Path) -> tuple[list[str], dict[str, bytes], forks.Ended]:
    out = setting.root / "count"

    def work() -> int:
        count = Count(folder, out)
        count.install()
        code = forks.command(verb.words(folder))
        out.write_text("\n".join(count.kinds))
        return code

    ended = forks.Child(work, setting.said).wait()
    assert ended.code == 0, ended.err
    return out.read_text().split("\n"), _content(folder), ended


_SECONDS = re.compile(rb'"\w*seconds": [^,\n]*')
# What holds times or paths of temporary files, or is written anew by each command.
_TIMED = ("facts.json", ".md", ".png", "tuning.json")


def _other(before: dict[str, bytes], after: dict[str, bytes]) -> list[str]:
    return [name for name in before if after.get(name) != before[name] and not name.endswith(_TIMED)]


def _try(setting: Setting, verb: Verb, whole: dict[str, bytes], nth: int, number: int) -> None:
    place = setting.table.place(PART, verb.name)
    folder = setting.empty("refused")
    verb.prepare(folder)
    before = _content(folder)
    called = f"{errno.errorcode[number]} at call {nth}"
    ended = forks.start(
        verb.words(folder), setting.said, lambda: Refuse(folder, nth, number).install()
    ).wait()
    after = _content(folder)
    if ended.fault:
        place.miss(f"{called}: {ended.fault}")
    elif ended.code == 2:
        place.miss(f"{called}: exit code 2: {ended.error}")
    elif ended.code == 1 and (os.strerror(number) not in ended.error or str(folder) not in ended.error):
        place.miss(f"{called}: names no file or no reason: {ended.error}")
    elif ended.code == 1 and (changed := _other(before, after)):
        place.miss(f"{called}: changed {', '.join(changed)}")
    elif left := [name for name in leftovers(folder) if not name.endswith(".old")]:
        place.miss(f"{called}: left behind {', '.join(left)}; {ended.error}")
    elif ended.code == 0 and (changed := _other(whole, after)):
        place.miss(f"{called}: went on and delivered other {', '.join(changed)}")
    elif ended.code == 1 and (fault := _again(setting, verb, folder, whole)):
        place.miss(f"{called}: then, with a disk that is well: {fault}")
    else:
        place.count("went on, same result" if ended.code == 0 else "refused")


def _again(setting: Setting, verb: Verb, folder: Path, whole: dict[str, bytes]) -> str | None:
    """The same command once more, as its message advises."""
    words = verb.words(folder)
    if verb.name.startswith("train") and (folder / "run").exists() and "--overwrite" not in words:
        words = [*words, "--resume"] if "closed" not in verb.name else [*words, "--overwrite"]
    ended = setting.run(*words)
    if ended.code == 1 and "exists already" in ended.error:
        # In place, but the disk did not say that it will keep the name.
        ended = setting.run(*words, "--overwrite")
    if ended.code:
        return ended.err[-400:]
    after = _content(folder)
    if changed := _other(whole, after):
        return f"other {', '.join(changed)}"
    return None


def refusals(setting: Setting) -> None:
    """All of it."""
    for verb in verbs(setting):
        folder = setting.empty("refused")
        verb.prepare(folder)
        kinds, whole, _ = _counted(setting, verb, folder)
        growing = sum(kind in GROWING for kind in kinds)
        for number in ERRORS:
            last = growing if number in (errno.ENOSPC, errno.EDQUOT) else len(kinds)
            places = list(range(1, last + 1))
            if setting.quick:
                places = setting.random.sample(places, min(1 if verb.slow else 2, len(places)))
            elif len(places) > 80:
                places = sorted(setting.random.sample(places, 80))
            for nth in places:
                _try(setting, verb, whole, nth, number)
    setting.table.over(PART)
