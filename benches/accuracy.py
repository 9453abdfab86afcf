"""Accuracy on real data: MAGNET, its controls and the baselines, chosen on validation, scored once on test.

    python benches/accuracy.py DATA/baby --split split_diffmm --runs magnet,no-mixture,lightgcn,ease --seeds 0,1,2

Configurations are those of configs/MODEL-NAME.toml, NAME being the data folder's.

Prints a Markdown table (mean over seeds) and keeps per-user values and everything else as run folders under --out.
The MAGNET run of a seed trains the backbone; "no-mixture" is that backbone alone, and the controls that differ in the
mixture use it too (training is deterministic: they would arrive at the same bits).
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

import magnet
from magnet.config import merge_settings, read_toml
from magnet.evaluate import evaluate
from magnet.evaluate.rank import rank
from magnet.states import DotState, MixtureState, State

if TYPE_CHECKING:
    from scipy.sparse import csr_array

# What each control changes, and nothing else.
CONTROLS: dict[str, dict[str, Any]] = {
    "magnet": {},
    "frozen-uniform": {"router": {"kind": "uniform"}},
    "noise-fed": {"router": {"kind": "noise"}},
    "user-router": {"router": {"kind": "user"}},
    "dense": {"router": {"top_k": 0}},
    "A0-only": {"behaviour": {"view": "interactions"}},
}
# What trains a backbone of its own.
OWN_BACKBONE = {"magnet", "A0-only"}
COLUMNS = {
    "test recall@20": ".4f",
    "test ndcg@20": ".4f",
    "valid recall@20": ".4f",
    "changed top 20": ".1%",
    "seconds": ".0f",
    "cpu seconds": ".0f",
}
BASELINES = {"lightgcn": magnet.LightGCN, "ease": magnet.EASE, "popularity": magnet.Popularity}


def merged(base: dict[str, Any], change: dict[str, Any]) -> dict[str, Any]:
    """``change`` laid over ``base``, part by part."""
    out = dict(base)
    for key, value in change.items():
        out[key] = merged(out.get(key, {}), value) if isinstance(value, dict) else value
    return out


def changed_entries(a: State, b: State, train: csr_array) -> float:
    """Share of the top 20 of all users (training items left out) that the other state would not show."""
    users = np.flatnonzero(np.diff(train.indptr)).astype(np.int32)
    tops = [rank(state, users, train, 20).items for state in (a, b)]
    same = sum(len(np.intersect1d(x, y)) for x, y in zip(*tops, strict=True))
    return 1 - same / tops[0].size


class Bench:
    """One data set, its configurations, and what has been run with one seed."""

    def __init__(self, dataset: magnet.Dataset, config: dict[str, Any], args: argparse.Namespace, seed: int):
        self.dataset, self.config, self.seed = dataset, config, seed
        self.protocol, self.out = args.protocol, args.out / dataset.name
        self.backbone: Path | None = None
        self.plain: DotState | None = None

    def run(self, name: str) -> dict[str, Any]:
        """Train, and score the test part once."""
        started, busy = time.perf_counter(), time.process_time()
        if name == "no-mixture":
            state, facts = self._no_mixture(), {}
        else:
            state, facts = self._train(name)
        row: dict[str, Any] = {
            "seconds": time.perf_counter() - started,
            "cpu seconds": time.process_time() - busy,
        }
        for part in ("valid", "test"):
            found = evaluate(state, self.dataset, part, protocol=self.protocol)
            row |= {f"{part} {metric}": found.metrics[metric] for metric in ("recall@20", "ndcg@20")}
            np.savez(self.out / f"{name}-{self.seed}-{part}.npz", users=found.users, **found.per_user)
        if isinstance(state, MixtureState) and self.plain is not None:
            row["changed top 20"] = changed_entries(state, self.plain, self.dataset.train)
        return row | {
            key: facts[key] for key in ("best", "delivered", "fired_by", "fired_at") if key in facts
        }

    def _no_mixture(self) -> DotState:
        if self.plain is None:
            raise SystemExit("no-mixture is the backbone of the magnet run: name magnet before it in --runs")
        return self.plain

    def _train(self, name: str) -> tuple[State, dict[str, Any]]:
        if name in BASELINES:
            model = BASELINES[name](seed=self.seed, **self.config.get(name, {}))
        else:
            model = magnet.Magnet(seed=self.seed, **merged(self.config.get("magnet", {}), CONTROLS[name]))
        borrows = name not in BASELINES and name not in OWN_BACKBONE
        folder = self.out / f"{name}-{self.seed}"
        contents = magnet.Trainer(
            model,
            self.dataset,
            protocol=self.protocol,
            folder=folder,
            overwrite=True,
            backbone=self.backbone if borrows else None,
            progress=False,
        ).fit()
        state = contents.state
        if name == "magnet" and isinstance(state, MixtureState):
            # The backbone rests while the mixture is trained, so it is the model that --set mixture=false gives.
            self.plain, self.backbone = DotState(state.users, state.items), folder
        return state, contents.facts


def main() -> None:
    """Run everything that was asked for and print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path)
    parser.add_argument("--split", default="split")
    parser.add_argument("--modalities", type=lambda text: text.split(","))
    parser.add_argument("--configs", type=Path, default=Path(__file__).parents[1] / "configs")
    parser.add_argument("--set", action="append", default=[], help="MODEL.KEY=VALUE over the configuration")
    parser.add_argument("--runs", default="magnet,no-mixture,lightgcn,ease,popularity")
    parser.add_argument("--seeds", default="0")
    parser.add_argument("--protocol", default="mmrec")
    parser.add_argument("--out", type=Path, default=Path("runs"))
    args = parser.parse_args()
    dataset = magnet.Dataset.from_folder(args.data, split=args.split, modalities=args.modalities)
    files = {name: args.configs / f"{name}-{dataset.name}.toml" for name in ("magnet", *BASELINES)}
    config = {name: read_toml(file) for name, file in files.items() if file.exists()}
    config = merge_settings(config, args.set)
    rows: dict[str, list[dict[str, Any]]] = {}
    for seed in map(int, args.seeds.split(",")):
        bench = Bench(dataset, config, args, seed)
        for name in args.runs.split(","):
            row = bench.run(name)
            rows.setdefault(name, []).append(row)
            print(json.dumps({"run": name, "seed": seed, **row}), flush=True)
    print(f"\n{dataset.name}, test, protocol {args.protocol}, mean over seeds {args.seeds}\n")
    print(
        "| model | Recall@20 | NDCG@20 | valid Recall@20 | top 20 changed | seconds | CPU seconds |\n"
        "|---|---|---|---|---|---|---|"
    )
    for name, each in rows.items():
        mean = {key: float(np.mean([row[key] for row in each])) for key in each[0] if key in COLUMNS}
        cells = [f"{mean[key]:{form}}" if key in mean else "-" for key, form in COLUMNS.items()]
        print(f"| {name} | {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
