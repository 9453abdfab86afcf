"""kill -9 of a training, anywhere; going on from what is left has to end in the bytes of the uninterrupted run."""

from __future__ import annotations

import os
import shutil
import signal
import time
from typing import TYPE_CHECKING, Any

from torture import forks
from torture.calls import FileCalls
from torture.runs import differences, leftovers, picture
from torture.setting import MODELS, Setting

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from torture.forks import Ended
    from torture.table import Place

__all__ = ["kills"]

PART = "kill -9"


class KillAt(FileCalls):
    """Ends the process at the n-th call of one kind for files whose name contains a text.

    With ``share``, that much of a write, in percent, reaches the file first.
    """

    def __init__(
        self, root: Path, kind: str, name: str, nth: int, *, share: int | None = None, late: bool = False
    ) -> None:
        super().__init__(root)
        self.kind, self.name, self.left = kind, name, nth
        self.share, self.late = share, late

    def _due(self, kind: str, path: str, other: str | None) -> bool:
        if kind != self.kind or self.name not in (path + (other or "")).removeprefix(self.root):
            return False
        self.left -= 1
        return self.left == 0

    def before(self, kind: str, path: str, other: str | None = None) -> None:
        if not self.late and self.share is None and self._due(kind, path, other):
            die()

    def after(self, kind: str, path: str, other: str | None = None) -> None:
        if (self.share is not None and self.left == 0 and kind == self.kind) or (
            self.late and self._due(kind, path, other)
        ):
            die()

    def tear(self, kind: str, path: str, content: bytes) -> int | None:
        if self.share is None or not self._due(kind, path, None):
            return None
        if kind == "write":
            with open(path, "ab", buffering=0) as file:
                os.write(file.fileno(), content[: len(content) * self.share // 100])
            die()
        return self.share

    def _call(self, kind: str, path: str | None, make: Any, other: str | None = None) -> Any:
        if self.share is not None and kind == "save" and self.left == 0:
            die()
        return super()._call(kind, path, make, other)


def die() -> None:
    """Without a word, as from outside."""
    os.kill(os.getpid(), signal.SIGKILL)


def _on_call(owner: Callable[[], Any], name: str, nth: int, *, late: bool = False) -> Callable[[], None]:
    """Die at the n-th call of a function of the package, before its work or after."""

    def install() -> None:
        holder, left = owner(), [nth]
        kept = getattr(holder, name)

        def called(*args: Any, **kwargs: Any) -> Any:
            left[0] -= 1
            if left[0] == 0 and not late:
                die()
            found = kept(*args, **kwargs)
            if left[0] == 0:
                die()
            return found

        setattr(holder, name, called)

    return install


def _loop() -> Any:
    from magnet.train import loop

    return loop._Loop


def _descent() -> Any:
    from magnet.train.descent import Descent

    return Descent


def _engine() -> Any:
    from magnet import engine

    return engine


def _run_folder() -> Any:
    from magnet.run.folder import RunFolder

    return RunFolder


def moments(root: Path) -> list[tuple[str, Callable[[], None]]]:
    """The chosen ones, each with what to do in the child; more of them than a quick look takes, spread over the kinds."""

    def at(kind: str, name: str, nth: int, **options: Any) -> Callable[[], None]:
        return lambda: KillAt(root, kind, name, nth, **options).install()

    found = [
        ("in an epoch", [_on_call(_descent, "step", nth) for nth in (1, 4, 9)]),
        ("between epochs", [_on_call(_loop, "_epoch", nth) for nth in (2, 3, 5)]),
        ("in validation", [_on_call(_loop, "_validate", nth) for nth in (1, 2)]),
        ("after validation", [_on_call(_loop, "_validate", nth, late=True) for nth in (1, 2)]),
        ("between phases", [_on_call(_loop, "_next_phase", 1), _on_call(_loop, "_next_phase", 1, late=True)]),
        ("at delivery", [_on_call(_loop, "_deliver", 1), _on_call(_loop, "_deliver", 1, late=True)]),
        (
            "in a checkpoint's write",
            [at("save", "last", nth, share=share) for nth, share in ((1, 0), (2, 40), (3, 99))],
        ),
        ("before a checkpoint's fsync", [at("fsync", "last", nth) for nth in (1, 3)]),
        ("before a checkpoint's rename", [at("rename", "last", nth) for nth in (1, 2, 4)]),
        ("after a checkpoint's rename", [at("rename", "last", nth, late=True) for nth in (1, 2)]),
        (
            "at the best weights",
            [at("save", "best", 1, share=50), at("rename", "best", 1), at("rename", "best", 2)],
        ),
        (
            "in the event log's write",
            [at("write", "events", n, share=s) for n, s in ((1, 0), (2, 50), (3, 97), (5, 20))],
        ),
        ("after the event log's write", [at("fsync", "events", nth, late=True) for nth in (1, 2, 4)]),
        (
            "where the folder is made",
            [at("mkdir", "run", 1, late=True), at("rename", "run", 1), at("rename", "run", 2)],
        ),
        (
            "at the finish",
            [
                at("rename", name, 1)
                for name in ("ids", "state.s", "seen", "facts", "content", "metrics", "manifest")
            ]
            + [
                at("save", "state", 1, share=50),
                at("rename", "events", 1),
                at("rename", "manifest", 1, late=True),
            ],
        ),
        ("after the finish", [_on_call(_run_folder, "finish", 1, late=True)]),
        ("before the finish", [_on_call(_run_folder, "finish", 1), _on_call(_engine, "unit_features", 1)]),
    ]
    # One of each kind first, then the seconds of each: any beginning of the list is spread over the kinds.
    rounds = max(len(ways) for _, ways in found)
    return [(name, ways[turn]) for turn in range(rounds) for name, ways in found if turn < len(ways)]


def go_on(setting: Setting, model: str, run: Path, *more: object) -> Ended:
    """What a person does after a kill: resume, or train anew where the folder was not made yet."""
    resumed = setting.run(*setting.training(model, run, "--resume"))
    if resumed.code == 1 and resumed.error.endswith("no such run folder"):
        return setting.run(*setting.training(model, run, *more))
    return resumed


def _compared(place: Place, setting: Setting, model: str, run: Path, ended: Ended, way: str) -> None:
    if ended.code != 0:
        place.miss(f"{model}: going on ended with {ended.code}: {ended.err[-400:]}")
    elif (found := differences(run, setting.whole[model])) is not None:
        place.miss(f"{model}: {found}")
    elif left := leftovers(run.parent):
        place.miss(f"{model}: left behind: {', '.join(left)}")
    elif strange := sorted(entry.name for entry in run.parent.iterdir() if entry != run):
        place.miss(f"{model}: beside the run: {', '.join(strange)}")
    else:
        place.count(way)


def _chosen(setting: Setting) -> None:
    models = list(MODELS)
    folder = setting.root / "chosen"
    chosen = moments(folder)[: 17 if setting.quick else None]
    for number, (name, install) in enumerate(chosen):
        for model in [models[number % 2]] if setting.quick else models:
            run = setting.empty("chosen") / "run"
            place = setting.table.place(PART, name)
            killed = forks.start(setting.training(model, run), setting.said, install).wait()
            if killed.code == 0:
                # This model never gets there, as one that has a single phase.
                place.count("never got there")
                continue
            if killed.code != -signal.SIGKILL:
                place.miss(f"{model}: not killed but ended with {killed.code}: {killed.err[-400:]}")
                continue
            _compared(place, setting, model, run, go_on(setting, model, run), "same bytes")


def _random(setting: Setting) -> None:
    place = setting.table.place(PART, "at a random moment of a training")
    wanted = 12 if setting.quick else 300
    kills = 0
    while kills < wanted:
        model = setting.random.choice(list(MODELS))
        run = setting.empty("random") / "run"
        # Up to three kills of one training, so that what was resumed is killed as well.
        for _ in range(setting.random.choice((1, 1, 2, 3))):
            more = ["--resume"] if run.exists() else []
            child = forks.start(setting.training(model, run, *more), setting.said)
            time.sleep(setting.random.uniform(0.1, 1.05) * setting.took[model])
            child.kill()
            kills += child.wait().code == -signal.SIGKILL
        _compared(place, setting, model, run, go_on(setting, model, run), "same bytes")
    place.ended["of so many kills"] = kills


def _overwriting(setting: Setting) -> None:
    place = setting.table.place(PART, "at a random moment of a training that overwrites a finished run")
    model = "lightgcn"
    for _ in range(3 if setting.quick else 40):
        run = setting.empty("overwriting") / "run"
        other = setting.training(model, run, "--seed", "1")
        done = setting.run(*other)
        before = picture(run)
        child = forks.start(setting.training(model, run, "--overwrite"), setting.said)
        time.sleep(setting.random.uniform(0.1, 1.1) * setting.took[model])
        child.kill()
        child.wait()
        if done.code != 0 or (picture(run) not in (before, setting.whole[model])):
            place.miss("the run in place is neither the old one nor the new one")
            continue
        ended = setting.run(*setting.training(model, run, "--overwrite"))
        _compared(place, setting, model, run, ended, "same bytes")


def _studies(setting: Setting) -> None:
    """A comparison that is killed makes, with the same command, what one makes that is not."""
    place = setting.table.place(PART, "at a random moment of a comparison, with a store")
    words = [
        "compare",
        "--data",
        setting.data,
        "--models",
        "lightgcn,ease,popularity",
        "--seeds",
        "0",
        "--threads",
        "1",
    ]
    words += ["--set", "lightgcn:dim=8", "--set", "lightgcn:train.epochs=4", "--markdown"]
    folder = setting.empty("study")
    whole = setting.run(*words, folder / "whole.md", "--store", folder / "whole")
    if whole.code != 0:
        place.miss(whole.err[-400:])
        return
    wanted = _figures(setting, folder / "whole")
    for _ in range(2 if setting.quick else 20):
        shutil.rmtree(folder / "store", ignore_errors=True)
        (folder / "table.md").unlink(missing_ok=True)
        child = forks.start([*words, folder / "table.md", "--store", folder / "store"], setting.said)
        time.sleep(setting.random.uniform(0.1, 1.05) * whole.seconds)
        child.kill()
        child.wait()
        again = setting.run(*words, folder / "table.md", "--store", folder / "store", "--overwrite")
        left = [name for name in leftovers(folder) if not name.startswith(".table.")]
        if again.code != 0 or _figures(setting, folder / "store") != wanted or left:
            place.miss(f"ended with {again.code}, left behind {left}: {again.err[-300:]}")
        else:
            place.count("same figures")


def _figures(setting: Setting, store: Path) -> dict[str, bytes]:
    """Each user's values of each experiment."""
    return {f.parent.name: f.read_bytes() for f in store.glob("experiments/*/users.parquet")}


def kills(setting: Setting) -> None:
    """All of it."""
    _chosen(setting)
    _random(setting)
    _overwriting(setting)
    _studies(setting)
    setting.table.over(PART)
