"""Ground truth for interpretability: does the model rest on the cue that was planted?

    python benches/recovery.py --seeds 0,1,2,3,4

For each seed of the generator (standard difficulty): MAGNET and its controls of the router on one backbone; the
trigger; mutual information of the routing on held-out pairs; and *recovery*, the share of users for whom the cue whose
occlusion changes the scores of their test items most is the planted one, beside chance, a linear probe on the history
and the ceiling. Occlusion acts on experts and router; the backbone's score is the same with and without.
"""

from __future__ import annotations

import argparse
import json
from typing import Any

import numpy as np

from magnet.config import merge_settings
from magnet.evaluate import evaluate
from magnet.evaluate.rank import score
from magnet.explain.routing import route_pairs, routing_statistics
from magnet.models.magnet import MagnetConfig, MagnetTask
from magnet.run.events import trigger_of
from magnet.synthetic.ceilings import ceiling_recall, ceiling_recovery
from magnet.synthetic.generator import CUES, Synthetic, generate
from magnet.synthetic.occlusion import name_cues
from magnet.synthetic.presets import DEMO
from magnet.synthetic.probe import linear_probe_recovery
from magnet.synthetic.recovery import chance, recovery
from magnet.train.loop import train
from magnet.train.snapshot import Snapshot, backbone_only

ROUTERS = ("pair", "noise", "user", "uniform")


def fit(
    made: Synthetic, config: dict[str, Any], seed: int, start: tuple[Snapshot, dict[str, Snapshot]] | None
):
    """Train; also what another run with the same backbone can start from."""
    dataset = made.dataset
    built = MagnetConfig.build(config)
    task = MagnetTask(dataset, built, seed=seed)
    kept: dict[str, Snapshot] = {}
    history = train(
        task,
        dataset,
        built.train,
        seed=seed,
        evaluate=lambda state: evaluate(state, dataset, "valid").metrics,
        keep=lambda name, snapshot: kept.__setitem__(name, snapshot),
        resume=start,
    )
    if start is None:
        best = {"backbone": backbone_only(kept["best-backbone"], "behaviour.")}
        start = backbone_only(kept["start-coverage"], "behaviour."), best
    return task, history, start


def measured(made: Synthetic, task: MagnetTask) -> dict[str, float]:
    """Recall, held-out mutual information and recovery of one trained model."""
    dataset, truth = made.dataset, made.truth
    state = task.state()
    valid = dataset.valid.tocoo()
    routing = route_pairs(state, valid.row.astype(np.int32), valid.col.astype(np.int32))
    test = dataset.test.tocoo()
    users, items = test.row.astype(np.int32), test.col.astype(np.int32)
    occluded = {None: state} | {cue: task.state(without=cue) for cue in task.cues}
    named = name_cues(lambda cue: score(occluded[cue], users, items), users)
    found = recovery(truth.groups[named.users], named.named)
    return {
        "recall@20": evaluate(state, dataset, "test").metrics["recall@20"],
        "mutual information": routing_statistics(routing).mutual_information,
        "recovery": found.share,
    }


def main() -> None:
    """Train and print, seed by seed, then the means."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", default="0,1,2,3,4")
    parser.add_argument("--difficulty", default="standard")
    parser.add_argument("--set", action="append", default=[], help="KEY=VALUE over the demo's configuration")
    args = parser.parse_args()
    base = merge_settings(DEMO["magnet"], args.set)
    rows = []
    for seed in map(int, args.seeds.split(",")):
        made = generate("demo", seed=seed, difficulty=args.difficulty)
        assert tuple(CUES) == ("behaviour", *made.dataset.modalities)
        row: dict[str, float] = {
            "ceiling recall@20": ceiling_recall(made, "test"),
            "recovery: chance": chance(made.truth.groups),
            "recovery: ceiling": ceiling_recovery(made).share,
            "recovery: linear probe": linear_probe_recovery(made).share,
        }
        start = None
        for router in ROUTERS:
            config = base | {"router": {**base.get("router", {}), "kind": router}}
            task, history, start = fit(made, config, seed, start)
            row |= {f"{router}: {name}": value for name, value in measured(made, task).items()}
            if router == "pair":
                fired, _ = trigger_of(history.records)
                coverage = sum(r["stage"] == "coverage" for r in history.records) if fired else None
                print(json.dumps({"seed": seed, "trigger": fired, "after": coverage}))
        print(json.dumps({"seed": seed, **row}), flush=True)
        rows.append(row)
    print("\n| | " + " | ".join(args.seeds.split(",")) + " | mean |\n|---|" + "---|" * (len(rows) + 1))
    for name in rows[0]:
        values = [row[name] for row in rows]
        print(f"| {name} | " + " | ".join(f"{v:.3f}" for v in values) + f" | {np.mean(values):.3f} |")


if __name__ == "__main__":
    main()
