"""A process that answers for hours: sixteen threads ask, one saves and loads runs, and neither memory nor bits may move.

``python -m torture.soak --minutes 120`` or ``make soak MINUTES=120``. Ends with exit code 1 where an answer differs from the
first one, an error comes, or memory grows by more than two per cent after a tenth of the time.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import magnet

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["main"]

_GROWTH = 0.02
_QUICK = {
    "lightgcn": {"dim": 8, "train": {"epochs": 3, "batch_size": 512}},
    "magnet": {
        "dim": 8,
        "train": {"epochs": 2, "batch_size": 512},
        "mixing": {"global_steps": 2, "steps": 4, "top": 20},
    },
}


def resident() -> int:
    """Memory of the process that is its own, in bytes; mapped files, which the system takes back, are left out."""
    fields = dict(
        line.split(":") for line in Path("/proc/self/status").read_text().splitlines() if ":" in line
    )
    return int(fields["RssAnon"].split()[0]) * 1024


def digest(answer: Any) -> str:
    """Every bit of an answer."""
    if hasattr(answer, "write_ipc_stream"):
        answer = answer.rows()
    elif hasattr(answer, "to_json"):
        answer = json.dumps(answer.to_json(), sort_keys=True)
    elif hasattr(answer, "tobytes"):
        answer = answer.tobytes()
    return hashlib.sha256(repr(answer).encode()).hexdigest()


class Soak:
    """Models, what they answered first, and what went wrong since."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        data = magnet.synthetic.generate("tiny").dataset
        self.models = {
            name: magnet.Recommender(name, **_QUICK.get(name, {})).fit(data, progress=False)
            for name in ("ease", "lightgcn", "magnet")
        }
        for name, model in self.models.items():
            model.save(folder / name)
        self.questions = [
            (name, what, ask) for name in self.models for what, ask in self._questions().items()
        ]
        self.first = {(name, what): digest(ask(self.models[name])) for name, what, ask in self.questions}
        self.done: Counter[str] = Counter()
        self.wrong: list[str] = []
        self.stop = threading.Event()

    @staticmethod
    def _questions() -> dict[str, Callable[[Any], Any]]:
        return {
            "recommend": lambda m: m.recommend(m.user_ids[:40], 10),
            "reasons": lambda m: m.recommend(m.user_ids[:5], 5, reasons=True),
            "history": lambda m: m.recommend(history=m.item_ids[:4], k=5),
            "score": lambda m: m.score(m.user_ids[:20], m.item_ids[:20]),
            "similar": lambda m: m.similar_items(m.item_ids[:5], 5),
            "explain": lambda m: m.explain(m.user_ids[3], m.item_ids[7]),
        }

    def ask(self, start: int) -> None:
        """Ask every question in turn, again and again."""
        turn = start
        while not self.stop.is_set():
            name, what, question = self.questions[turn % len(self.questions)]
            turn += 1
            try:
                same = digest(question(self.models[name])) == self.first[name, what]
            except Exception as error:
                self.wrong.append(f"{name} {what}: {type(error).__name__}: {error}")
                continue
            self.done[what] += 1
            if not same:
                self.wrong.append(f"{name} {what}: another answer than the first")

    def reload(self) -> None:
        """Save every model over itself and put what is read back in its place."""
        while not self.stop.wait(0.5):
            for name, model in list(self.models.items()):
                try:
                    model.save(self.folder / name, overwrite=True)
                    self.models[name] = magnet.load(self.folder / name)
                except Exception as error:
                    self.wrong.append(f"{name} saved and loaded: {type(error).__name__}: {error}")
                self.done["saved and loaded"] += 1

    def run(self, minutes: float, threads: int) -> tuple[int, int]:
        """Memory after a tenth of the time, and the most that was seen after it."""
        workers = [threading.Thread(target=self.ask, args=(7 * t,), daemon=True) for t in range(threads)]
        workers.append(threading.Thread(target=self.reload, daemon=True))
        for worker in workers:
            worker.start()
        start, seconds, early, most = time.monotonic(), 60 * minutes, 0, 0
        while (passed := time.monotonic() - start) < seconds:
            time.sleep(min(1.0, seconds / 100))
            now = resident()
            if passed < seconds / 10:
                early = max(early, now)
            most = max(most, now) if passed >= seconds / 10 else 0
        self.stop.set()
        for worker in workers:
            worker.join(60)
        return early, most


def main() -> int:
    """Soak, and say what came of it."""
    parser = argparse.ArgumentParser(prog="python -m torture.soak")
    parser.add_argument("--minutes", type=float, default=120.0)
    parser.add_argument("--threads", type=int, default=16)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        soak = Soak(Path(folder))
        early, most = soak.run(given.minutes, given.threads)
    growth = most / early - 1
    for what, count in sorted(soak.done.items()):
        print(f"{what:>18}  {count:>10,}")
    print(
        f"{given.threads} threads, {given.minutes:g} minutes: {early / 2**20:.1f} MiB after a tenth of it, at most "
        f"{most / 2**20:.1f} MiB later ({growth:+.1%}); {len(soak.wrong)} wrong answers"
    )
    for text in list(dict.fromkeys(soak.wrong))[:10]:
        print(f"  {text}")
    return int(bool(soak.wrong) or growth > _GROWTH)


if __name__ == "__main__":
    sys.exit(main())
