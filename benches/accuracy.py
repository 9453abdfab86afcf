"""Accuracy on real data: MAGNET, its controls and the baselines, chosen on validation, scored once on test.

    python benches/accuracy.py DATA/baby --split split_diffmm --runs no-mixture,magnet,lightgcn,ease --seeds 0,1,2

Configurations are those of configs/MODEL-NAME.toml, NAME being the data folder's.

Prints a Markdown table (mean over seeds) and keeps per-user values and everything else as run folders under --out.
The first MAGNET run of a seed trains the backbone; the controls of that seed that differ in the mixture alone use it
too (training is deterministic: they would arrive at the same bits).
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

import numpy as np

import magnet
from magnet.config import merge_settings, read_toml
from magnet.evaluate import evaluate
from magnet.evaluate.rank import rank

# What each control changes, and nothing else.
CONTROLS: dict[str, dict[str, Any]] = {
    "magnet": {},
    "no-mixture": {"mixture": False},
    "frozen-uniform": {"router": {"kind": "uniform"}},
    "noise-fed": {"router": {"kind": "noise"}},
    "user-router": {"router": {"kind": "user"}},
    "dense": {"router": {"top_k": 0}},
    "A0-only": {"behaviour": {"view": "interactions"}},
}
# Controls that change the backbone, or are nothing but the backbone.
OWN_BACKBONE = {"magnet", "no-mixture", "A0-only"}
BASELINES = {"lightgcn": magnet.LightGCN, "ease": magnet.EASE, "popularity": magnet.Popularity}


def merged(base: dict[str, Any], change: dict[str, Any]) -> dict[str, Any]:
    """``change`` laid over ``base``, part by part."""
    out = dict(base)
    for key, value in change.items():
        out[key] = merged(out.get(key, {}), value) if isinstance(value, dict) else value
    return out


def changed_entries(run: magnet.Recommender, plain: magnet.Recommender) -> float:
    """Share of the top 20 of all users (training items left out) that the backbone alone would not show."""
    a, b = run.contents, plain.contents
    users = np.flatnonzero(np.diff(a.train.indptr)).astype(np.int32)
    tops = [rank(c.state, users, c.train, 20).items for c in (a, b)]
    same = sum(len(np.intersect1d(x, y)) for x, y in zip(*tops, strict=True))
    return 1 - same / tops[0].size


def run_one(
    name: str,
    dataset: magnet.Dataset,
    config: dict[str, Any],
    seed: int,
    folder: Path,
    protocol: str,
    backbone: Path | None,
):
    """Train, score the test part once, and keep both."""
    started = time.perf_counter()
    if name in BASELINES:
        model = BASELINES[name](seed=seed, **config.get(name, {}))
    else:
        model = magnet.Magnet(seed=seed, **merged(config.get("magnet", {}), CONTROLS[name]))
    if name in BASELINES or name in OWN_BACKBONE:
        backbone = None
    trainer = magnet.Trainer(
        model, dataset, protocol=protocol, folder=folder, overwrite=True, backbone=backbone, progress=False
    )
    trainer.fit()
    seconds = time.perf_counter() - started
    test = evaluate(model.contents.state, dataset, "test", protocol=protocol)
    np.savez(folder / "test_per_user.npz", users=test.users, **test.per_user)
    return model, test.metrics, seconds


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
    parser.add_argument("--runs", default="no-mixture,magnet,lightgcn,ease,popularity")
    parser.add_argument("--seeds", default="0")
    parser.add_argument("--protocol", default="mmrec")
    parser.add_argument("--out", type=Path, default=Path("runs"))
    args = parser.parse_args()
    dataset = magnet.Dataset.from_folder(args.data, split=args.split, modalities=args.modalities)
    files = {name: args.configs / f"{name}-{dataset.name}.toml" for name in ("magnet", *BASELINES)}
    config = {name: read_toml(file) for name, file in files.items() if file.exists()}
    config = merge_settings(config, args.set)
    rows: dict[str, list[dict[str, float]]] = {}
    for seed in map(int, args.seeds.split(",")):
        plain = backbone = None
        for name in args.runs.split(","):
            folder = args.out / dataset.name / f"{name}-{seed}"
            model, metrics, seconds = run_one(name, dataset, config, seed, folder, args.protocol, backbone)
            if name == "magnet":
                backbone = folder
            valid = model.metrics[f"valid/{args.protocol}"]["metrics"]
            facts = model.contents.facts
            row = {
                "valid_recall@20": valid["recall@20"],
                "recall@20": metrics["recall@20"],
                "ndcg@20": metrics["ndcg@20"],
                "seconds": seconds,
            }
            if name == "no-mixture":
                plain = model
            elif plain is not None and name not in BASELINES:
                row["changed_top20"] = changed_entries(model, plain)
            rows.setdefault(name, []).append(row)
            told = {k: facts[k] for k in ("best", "delivered", "fired_by", "fired_at") if k in facts}
            print(json.dumps({"run": name, "seed": seed, **row, **told}), flush=True)
    print(f"\n{dataset.name}, test, protocol {args.protocol}, mean over seeds {args.seeds}\n")
    print(
        "| model | Recall@20 | NDCG@20 | valid Recall@20 | top 20 changed | seconds |\n|---|---|---|---|---|---|"
    )
    for name, each in rows.items():
        mean = {key: float(np.mean([row[key] for row in each])) for key in each[0]}
        changed = f"{mean['changed_top20']:.1%}" if "changed_top20" in mean else "-"
        print(
            f"| {name} | {mean['recall@20']:.4f} | {mean['ndcg@20']:.4f} | {mean['valid_recall@20']:.4f} | "
            f"{changed} | {mean['seconds']:.0f} |"
        )


if __name__ == "__main__":
    main()
