"""Accuracy on real data: MAGNET, its candidates and controls, its signals alone, and baselines; test is scored once.

    python benches/accuracy.py DATA/baby --split split_diffmm --seeds 0,1,2

Prints Markdown tables: means over seeds, and paired differences with 95 % intervals (bootstrap over users of per-user
values that are averaged over seeds). Everything stays under --out: run folders, a JSON line for each row, and per-user
values; rows that are there are not run again. The run of a seed trains backbone and mixture; controls that differ in
the mixture take its backbone (training is deterministic: they would arrive at the same bits).
"""

from __future__ import annotations

import argparse
import functools
import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.sparse import csr_array

import magnet
from magnet.config import merge_settings
from magnet.evaluate import evaluate
from magnet.evaluate.metrics import ranking_metrics
from magnet.evaluate.rank import rank
from magnet.models.mixing.config import MixingConfig
from magnet.models.mixing.menu import menus
from magnet.run.folder import RunFolder
from magnet.train.snapshot import Snapshot, restore_task

if TYPE_CHECKING:
    from magnet.states import State

# What each control changes, and nothing else.
CONTROLS: dict[str, dict[str, Any]] = {
    "router shuffled": {"router": {"kind": "shuffled"}},
    "router uniform": {"router": {"kind": "uniform"}},
    "router of users": {"router": {"kind": "user"}},
    "router of items": {"router": {"kind": "item"}},
    "switch at epoch 6": {"controller": {"switch_at": 6}},
    "dense": {"router": {"top_k": 0}},
    "dominant only": {"experts": {"roles": ["dominant", "null"]}},
    "balanced only": {"experts": {"roles": ["balanced", "null"]}},
    "complementary only": {"experts": {"roles": ["complementary", "null"]}},
    "without null": {"experts": {"roles": ["dominant", "balanced", "complementary"]}},
    "not compressed": {"mixing": {"compress": False}},
    "listwise": {"mixing": {"loss": "listwise"}},
}
CANDIDATES = ("backbone", "global", "coverage", "specialisation")
ROUTED = CANDIDATES[2:]
HEAD = 0.2  # the most popular share of the items; the others are the tail
FEW = 4  # training items of a user with few
DRAWS, BLOCK = 10_000, 500  # of the bootstrap, and at once


class Study:
    """One data set, and what has been found on it."""

    def __init__(self, dataset: magnet.Dataset, args: argparse.Namespace) -> None:
        self.dataset, self.protocol = dataset, args.protocol
        self.out = args.out / f"{dataset.name}-{args.split}"
        self.settings = merge_settings({}, args.set)
        self.out.mkdir(parents=True, exist_ok=True)
        self.rows: dict[str, dict[int, dict[str, Any]]] = {}
        taken = np.bincount(dataset.train.indices, minlength=dataset.n_items)
        tail = np.ones(dataset.n_items, bool)
        tail[np.argsort(-taken, kind="stable")[: round(HEAD * dataset.n_items)]] = False
        self.tail = tail
        self.few = np.diff(dataset.train.indptr) <= FEW
        log = self.out / "rows.jsonl"
        for line in log.read_text().splitlines() if log.exists() else ():
            row = json.loads(line)
            self.rows.setdefault(row["name"], {})[row["seed"]] = row

    def has(self, name: str, seed: int) -> bool:
        """Whether there is a row of it."""
        return seed in self.rows.get(name, {})

    def add(self, name: str, seed: int, state: State, **facts: Any) -> None:
        """Score both parts, and keep the row."""
        row: dict[str, Any] = {"name": name, "seed": seed}
        for part in ("valid", "test"):
            found = evaluate(state, self.dataset, part, protocol=self.protocol, ks=[20])
            row |= {f"{part} {metric}": found.metrics[metric] for metric in ("recall@20", "ndcg@20")}
            values = {
                "users": found.users,
                **found.per_user,
                "tail": self._tail_recall(state, part, found.users),
            }
            np.savez_compressed(self.values(name, seed, part), **values)
        row |= facts
        with (self.out / "rows.jsonl").open("a") as log:
            log.write(json.dumps(row) + "\n")
        self.rows.setdefault(name, {})[seed] = row
        print(json.dumps(row), flush=True)

    def values(self, name: str, seed: int, part: str) -> Path:
        """Where per-user values are."""
        return self.out / f"{name.replace(' ', '_').replace('/', '_')}-{seed}-{part}.npz"

    def _tail_recall(self, state: State, part: str, users: np.ndarray) -> np.ndarray:
        """Recall@20 of those held-out items that are no head; NaN for users without."""
        held = self.dataset.part(part)[users]
        kept = csr_array(held.multiply(self.tail[None].astype(held.dtype)))
        kept.eliminate_zeros()
        there = np.diff(kept.indptr) > 0
        strict = part == "test" and self.protocol == "strict"
        seen = self.dataset.train_valid if strict else self.dataset.train
        out = np.full(len(users), np.nan)
        if there.any():
            top = rank(state, users[there], seen, 20).items
            out[there] = ranking_metrics(top, kept[np.flatnonzero(there)], [20], ["recall"])["recall@20"]
        return out

    def magnet(self, seed: int, controls: list[str]) -> None:
        """The model, its candidates, and controls of the mixture on its backbone."""
        folder = self.out / f"magnet-{seed}"
        if not self.has("magnet", seed):
            self._fit("magnet", seed, self.settings, folder=folder, candidates=CANDIDATES)
        for name in controls:
            if not self.has(f"{name}, routed", seed):
                changed = _merged(self.settings, CONTROLS[name])
                self._fit(name, seed, changed, backbone=folder, candidates=ROUTED)

    def _fit(
        self,
        name: str,
        seed: int,
        settings: dict[str, Any],
        *,
        folder: Path | None = None,
        backbone: Path | None = None,
        candidates: tuple[str, ...],
    ) -> None:
        started, busy = time.perf_counter(), time.process_time()
        where = folder or self.out / f"{name.replace(' ', '_')}-{seed}"
        trainer = magnet.Trainer(
            magnet.Magnet(seed=seed, **settings),
            self.dataset,
            protocol=self.protocol,
            folder=where,
            overwrite=True,
            backbone=backbone,
            progress=False,
        )
        contents = trainer.fit()
        seconds = {"seconds": time.perf_counter() - started, "cpu seconds": time.process_time() - busy}
        facts = {
            key: contents.facts.get(key) for key in ("best", "delivered", "fired_by", "fired_at", "signals")
        }
        facts["information"] = max((r.get("mutual_information", 0) for r in contents.events), default=0)
        self.add(name, seed, contents.state, **seconds, **facts)
        best = contents.facts["best"]
        checkpoints = RunFolder.open(where).checkpoints
        for stage in candidates:
            if stage in best:
                restore_task(trainer.task, Snapshot(*checkpoints.load(f"best-{stage}")))
                self.add(f"{name}: {stage}", seed, trainer.task.state())
        routed = max((s for s in ROUTED if s in best), key=lambda s: best[s]["recall@20"], default=None)
        if routed is not None:
            restore_task(trainer.task, Snapshot(*checkpoints.load(f"best-{routed}")))
            self.add(f"{name}, routed", seed, trainer.task.state())

    def alone(self, model: str, seed: int, name: str | None = None, **config: Any) -> None:
        """A baseline, or a signal as a model of its own."""
        name = name or model
        if self.has(name, seed):
            return
        started, busy = time.perf_counter(), time.process_time()
        contents = magnet.Trainer(
            magnet.Recommender(model, seed=seed, **config),
            self.dataset,
            protocol=self.protocol,
            progress=False,
        ).fit()
        seconds = {"seconds": time.perf_counter() - started, "cpu seconds": time.process_time() - busy}
        self.add(name, seed, contents.state, **seconds)

    def table(self) -> None:
        """Means over seeds."""
        print(f"\n{self.out.name}, protocol {self.protocol}\n")
        print("| | seeds | test Recall@20/NDCG@20 | valid | seconds | delivered |\n|---|---|---|---|---|---|")
        for name, rows in self.rows.items():
            mean = functools.partial(_mean, list(rows.values()))
            delivered = ", ".join(str(row["delivered"]) for row in rows.values() if "delivered" in row)
            seconds = f"{mean('seconds'):.0f}" if "seconds" in next(iter(rows.values())) else ""
            print(
                f"| {name} | {len(rows)} | {mean('test recall@20'):.4f}/{mean('test ndcg@20'):.4f} | "
                f"{mean('valid recall@20'):.4f}/{mean('valid ndcg@20'):.4f} | {seconds} | {delivered} |"
            )

    def differences(self, pairs: list[tuple[str, str]]) -> None:
        """Relative gains of one over another, by part of the users and of the items."""
        print("\n| | all users | tail items | users of few items |\n|---|---|---|---|")
        for one, other in pairs:
            if one in self.rows and other in self.rows:
                cells = [
                    self._gain(one, other, *which)
                    for which in (("recall@20", False), ("tail", False), ("recall@20", True))
                ]
                print(f"| {one} over {other} | {' | '.join(cells)} |")

    def _gain(self, one: str, other: str, metric: str, few: bool) -> str:
        seeds = sorted(set(self.rows[one]) & set(self.rows[other])) or sorted(self.rows[one])
        users, a = self._averaged(one, seeds, metric)
        _, b = self._averaged(other, sorted(set(self.rows[other])), metric)
        kept = ~np.isnan(a) & (self.few[users] if few else True)
        if not kept.any():
            return "none"
        a, b = a[kept], b[kept]
        rng, even, gains = np.random.default_rng(0), np.full(len(a), 1 / len(a)), []
        for _ in range(DRAWS // BLOCK):
            drawn = rng.multinomial(len(a), even, BLOCK).astype(np.float64)
            gains.append((drawn @ (a - b)) / np.maximum(drawn @ b, 1e-12))
        low, high = np.quantile(gains, [0.025, 0.975])
        return (
            f"{(a.mean() - b.mean()) / max(b.mean(), 1e-12):+.1%} [{low:+.1%}, {high:+.1%}] of {b.mean():.4f}"
        )

    def _averaged(self, name: str, seeds: list[int], metric: str) -> tuple[np.ndarray, np.ndarray]:
        found = [np.load(self.values(name, seed, "test")) for seed in seeds]
        return found[0]["users"], np.mean([f[metric] for f in found], 0)


def _merged(base: dict[str, Any], change: dict[str, Any]) -> dict[str, Any]:
    out = dict(base)
    for key, value in change.items():
        out[key] = _merged(out.get(key, {}), value) if isinstance(value, dict) else value
    return out


def _mean(rows: list[dict[str, Any]], key: str) -> float:
    return float(np.mean([row[key] for row in rows]))


def _signal_name(choice: dict[str, Any]) -> str:
    rest = " ".join(f"{k}={v}" for k, v in choice.items() if k not in ("kind", "modality"))
    return " ".join(part for part in (choice["kind"], choice.get("modality", ""), rest) if part)


def main() -> None:
    """Run everything that was asked for and print the tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path, help="a data folder, or synthetic:PRESET:SEED")
    parser.add_argument("--split", default="split")
    parser.add_argument("--modalities", type=lambda text: text.split(","))
    parser.add_argument("--set", action="append", default=[], help="KEY=VALUE over MAGNET's defaults")
    parser.add_argument("--seeds", default="0")
    parser.add_argument("--controls", default="all", help="names with commas between them, all, or none")
    parser.add_argument("--baselines", default="lightgcn,ease,popularity", help="or none")
    parser.add_argument("--signals", action=argparse.BooleanOptionalAction, default=True)
    parser.add_argument("--protocol", default="mmrec")
    parser.add_argument("--out", type=Path, default=Path("runs"))
    args = parser.parse_args()
    if str(args.data).startswith("synthetic:"):
        _, preset, number = str(args.data).split(":")
        dataset = magnet.synthetic.generate(preset, seed=int(number)).dataset
    else:
        dataset = magnet.Dataset.from_folder(args.data, split=args.split, modalities=args.modalities)
    study = Study(dataset, args)
    listed = {"all": list(CONTROLS), "none": []}.get(args.controls, args.controls.split(","))
    baselines = [] if args.baselines == "none" else args.baselines.split(",")
    seeds = [int(seed) for seed in args.seeds.split(",")]
    for seed in seeds:
        study.magnet(seed, listed)
        if "lightgcn" in baselines:
            study.alone("lightgcn", seed)
    for name in baselines:  # closed forms have no seed
        if name != "lightgcn":
            study.alone(name, seeds[0])
    if args.signals:
        own = MixingConfig.build(study.settings.get("mixing"))
        for menu in menus(list(dataset.modalities), own.behaviour, own.content).values():
            for choice in menu:
                config = {key: value for key, value in choice.items() if key != "kind"}
                study.alone(choice["kind"], seeds[0], name=_signal_name(choice), **config)
    study.table()
    content = [name for name in study.rows if name.startswith("item-knn ")]
    study.differences(
        [
            *(
                ("magnet", name)
                for name in ("lightgcn", "ease", *content, "magnet: backbone", "magnet: global")
            ),
            ("magnet, routed", "magnet: global"),
            ("magnet, routed", "router shuffled, routed"),
            ("magnet, routed", "switch at epoch 6, routed"),
        ]
    )


if __name__ == "__main__":
    main()
