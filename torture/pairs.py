"""Two and three commands at once on one run, one store and one cache."""

from __future__ import annotations

import os
import shutil
import time
from typing import TYPE_CHECKING, Any

from torture import forks
from torture.runs import differences, leftovers

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from torture.setting import Setting

__all__ = ["pairs"]

PART = "at once"


def pairs(setting: Setting) -> None:
    """All of it."""
    model = "lightgcn"

    def train(f: Path, *more: object) -> list[Any]:
        return setting.training(model, f / "run", *more)

    def evaluate(f: Path, part: str = "test") -> list[Any]:
        return ["evaluate", f / "run", "--part", part, "--threads", "1"]

    def recommend(f: Path) -> list[Any]:
        return ["recommend", f / "run", "--users", "u001"]

    def compare(f: Path, models: str = "ease,popularity") -> list[Any]:
        return [
            *("compare", "--data", setting.data, "--models", models, "--seeds", "0", "--threads", "1"),
            *("--store", f / "store"),
        ]

    def magnet(f: Path, name: str) -> list[Any]:
        return setting.training("magnet", f / name)

    def nothing(f: Path) -> None:
        pass

    def finished(f: Path) -> None:
        shutil.copytree(setting.finished(model), f / "run")

    def started(f: Path) -> None:
        finished(f)
        for file in (f / "run").iterdir():
            if file.is_file() and file.name not in ("config.json", "events.jsonl"):
                file.unlink()

    def one_run(f: Path) -> str | None:
        return differences(f / "run", _without_evaluations(setting.whole[model], f / "run"))

    def two_runs(f: Path) -> str | None:
        found = [differences(f / name, setting.whole["magnet"]) for name in ("a", "b")]
        return next((said for said in found if said), None)

    def store(f: Path) -> str | None:
        again = setting.run(*compare(f, "ease,popularity,random"))
        return None if again.code == 0 else again.error

    tried: list[tuple[str, Callable[[Path], None], Callable[[Path], list[list[Any]]], Callable[[Path], str | None]]] = [
        ("train + train", nothing, lambda f: [train(f), train(f)], one_run),
        ("train + train + train", nothing, lambda f: [train(f), train(f), train(f)], one_run),
        ("train + train --overwrite", nothing, lambda f: [train(f), train(f, "--overwrite")], one_run),
        ("two that overwrite a finished run", finished, lambda f: [train(f, "--overwrite")] * 2, one_run),
        ("two that resume", started, lambda f: [train(f, "--resume")] * 2, one_run),
        ("resume + overwrite", started, lambda f: [train(f, "--resume"), train(f, "--overwrite")], one_run),
        ("train + evaluate", nothing, lambda f: [train(f), evaluate(f)], one_run),
        ("overwrite + evaluate", finished, lambda f: [train(f, "--overwrite"), evaluate(f)], one_run),
        ("overwrite + recommend + recommend", finished, lambda f: [train(f, "--overwrite"), recommend(f), recommend(f)], one_run),
        ("evaluate + evaluate", finished, lambda f: [evaluate(f), evaluate(f)], one_run),
        ("evaluate test + valid + recommend", finished, lambda f: [evaluate(f), evaluate(f, "valid"), recommend(f)], one_run),
        ("two runs, one cache", nothing, lambda f: [magnet(f, "a"), magnet(f, "b")], two_runs),
        ("compare + compare", nothing, lambda f: [compare(f), compare(f)], store),
        ("compare three times, other models", nothing, lambda f: [compare(f), compare(f, "popularity,random"), compare(f, "random,ease")], store),
    ]  # fmt: skip
    for name, prepare, make, check in tried:
        place = setting.table.place(PART, name)
        for _ in range(2 if setting.quick else 25):
            folder = setting.empty("pairs")
            # A cache that is empty, so that both write the same graph.
            shutil.rmtree(os.environ["MAGNET_CACHE"], ignore_errors=True)
            prepare(folder)
            children = []
            for words in make(folder):
                children.append(forks.start(words, setting.said))
                time.sleep(setting.random.choice((0, 0, setting.random.uniform(0, 1) * setting.took[model])))
            ended = [child.wait() for child in children]
            faults = [one.fault for one in ended if one.fault]
            if faults:
                place.miss(faults[0])
            elif left := leftovers(folder):
                place.miss(f"left behind: {', '.join(left)}")
            elif found := check(folder):
                place.miss(
                    f"{found}; codes {[one.code for one in ended]}; {[one.error for one in ended if one.code]}"
                )
            else:
                place.count(f"{sum(one.code == 0 for one in ended)} of {len(ended)} done")
    setting.table.over(PART)


def _without_evaluations(whole: dict[str, bytes], run: Path) -> dict[str, bytes]:
    """The picture of the run, with the evaluations that were added as they are: whether they are whole is read below."""
    import json

    found = dict(whole)
    for file in run.glob("evaluations/*.json"):
        json.loads(file.read_bytes())
        found[file.relative_to(run).as_posix()] = file.read_bytes()
    return found
