"""Ground truth for interpretability: does the model rest on the cue that was planted?

    python benches/recovery.py --difficulties easy,standard,hard --seeds 0,1,2,3,4

For each difficulty and seed of the generator: MAGNET, and controls of its router on the same backbone; Recall@20,
mutual information on held-out pairs, and *recovery*, the share of users whose planted cue is named. Ways to name it:

- raw: by occlusion, the cue whose absence changes the scores of the user's test items most;
- scaled: the same, each cue's change divided by its mean over users, because cues do not add equally much;
- mass: the cue that weighs most for the user's test items, over its mean weight;
- mass, history: the same for the pairs of the history, which needs no test items.

Beside them: chance, a linear probe on how coherent a history is in each cue, the ceiling, and an oracle router that
gives each user the planted cues alone. The routed stage that validation prefers is measured, also where constants or
the backbone would be delivered.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

import magnet
from magnet.config import merge_settings
from magnet.evaluate import evaluate
from magnet.evaluate.rank import score
from magnet.explain.routing import route_pairs, routing_statistics
from magnet.run.folder import RunFolder
from magnet.synthetic.ceilings import ceiling_recall, ceiling_recovery
from magnet.synthetic.generator import CUES, GROUPS, Synthetic, driver_table, generate
from magnet.synthetic.occlusion import name_cues
from magnet.synthetic.presets import DEMO
from magnet.synthetic.probe import linear_probe_recovery
from magnet.synthetic.recovery import chance, recovery
from magnet.train.snapshot import Snapshot, restore_task

if TYPE_CHECKING:
    from magnet.states import BlendState

ROUTERS = ("pair", "user", "item", "shuffled", "global")
STAGES = {"global": ("global",)}  # which stages are measured; of the others the two that route


def fit(
    made: Synthetic, config: dict[str, Any], seed: int, folder: Path, backbone: Path | None
) -> BlendState:
    """Train, and restore the better of the stages to be measured."""
    trainer = magnet.Trainer(
        magnet.Magnet(seed=seed, **config),
        made.dataset,
        folder=folder,
        overwrite=True,
        backbone=backbone,
        progress=False,
    )
    best = trainer.fit().facts["best"]
    stages = STAGES.get(config["router"]["kind"], ("coverage", "specialisation"))
    stage = max((s for s in stages if s in best), key=lambda s: best[s]["recall@20"])
    restore_task(trainer.task, Snapshot(*RunFolder.open(folder).checkpoints.load(f"best-{stage}")))
    return trainer.task.state()


def weights_of(state: BlendState, users: np.ndarray, items: np.ndarray) -> np.ndarray:
    """What each cue weighs for pairs, ``(n, C)``."""
    return state.weight * (route_pairs(state, users, items).weights @ state.roles.double().numpy())


def scaled(effects: np.ndarray) -> np.ndarray:
    """Each cue's effects over their mean; the cue named for each row."""
    effects = np.abs(effects)
    return np.argmax(effects / np.maximum(effects.mean(0), 1e-12), axis=1)


def by_user(users: np.ndarray, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The mean of the rows of each user."""
    there, at, counts = np.unique(users, return_inverse=True, return_counts=True)
    sums = np.zeros((len(there), values.shape[1]))
    np.add.at(sums, at, values)
    return there, sums / counts[:, None]


def measured(made: Synthetic, state: BlendState) -> dict[str, Any]:
    """Recall, held-out mutual information and recovery of one trained mixture."""
    dataset, groups = made.dataset, made.truth.groups
    valid, test, train = (part.tocoo() for part in (dataset.valid, dataset.test, dataset.train))
    users, items = test.row.astype(np.int32), test.col.astype(np.int32)
    routing = route_pairs(state, valid.row.astype(np.int32), valid.col.astype(np.int32))
    found = name_cues(
        lambda cue: score(state if cue is None else state.turned({cue: 0.0}), users, items), users
    )
    named = {"raw": (found.users, found.named), "scaled": (found.users, scaled(found.effects))}
    there, weights = by_user(users, weights_of(state, users, items))
    named["mass"] = there, scaled(weights)
    there, weights = by_user(
        train.row, weights_of(state, train.row.astype(np.int32), train.col.astype(np.int32))
    )
    named["mass, history"] = there, scaled(weights)
    out: dict[str, Any] = {
        "recall@20": evaluate(state, dataset, "test").metrics["recall@20"],
        "mutual information": routing_statistics(routing).mutual_information,
    }
    for way, (who, cues) in named.items():
        got = recovery(groups[who], cues)
        out[f"recovery, {way}"] = got.share
        if way in ("scaled", "mass"):
            out |= {f"recovery, {way}, {group}": share for group, share in got.by_group.items()}
    return out


def oracle(made: Synthetic, state: BlendState) -> BlendState:
    """Every user has the dominant experts of the planted cues alone."""
    drives = driver_table(GROUPS, len(CUES))[made.truth.groups]  # (U, C)
    allowed = np.zeros((len(drives), len(state.experts)), bool)
    for cue, name in enumerate(CUES):
        allowed[:, state.experts.index(f"dominant/{name}")] = drives[:, cue]
    logits = torch.from_numpy(np.where(allowed, 0.0, -np.inf).astype(np.float32))
    return replace(
        state,
        user_logits=logits,
        item_logits=torch.where(state.item_logits.isinf(), state.item_logits, 0.0),
        top_experts=len(state.experts),
    )


def main() -> None:
    """Train and print, seed by seed, then the means."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", default="0,1,2,3,4")
    parser.add_argument("--difficulties", default="standard")
    parser.add_argument("--routers", default=",".join(ROUTERS))
    parser.add_argument("--set", action="append", default=[], help="KEY=VALUE over the demo's configuration")
    args = parser.parse_args()
    base = merge_settings(DEMO["magnet"], args.set)
    for difficulty in args.difficulties.split(","):
        rows = []
        for seed in map(int, args.seeds.split(",")):
            made = generate("demo", seed=seed, difficulty=difficulty)
            assert tuple(CUES) == ("behaviour", *made.dataset.modalities)
            row: dict[str, float] = {
                "ceiling recall@20": ceiling_recall(made, "test"),
                "chance": chance(made.truth.groups),
                "ceiling": ceiling_recovery(made).share,
                "linear probe": linear_probe_recovery(made).share,
            }
            with tempfile.TemporaryDirectory() as scratch:
                first = None
                for router in args.routers.split(","):
                    config = base | {"router": {**base.get("router", {}), "kind": router}}
                    folder = Path(scratch) / router
                    state = fit(made, config, seed, folder, first)
                    first = first or folder
                    row |= {f"{router}: {name}": value for name, value in measured(made, state).items()}
                    if router == "pair":
                        found = measured(made, oracle(made, state))
                        row |= {f"oracle: {name}": found[name] for name in ("recall@20", "recovery, scaled")}
            print(json.dumps({"difficulty": difficulty, "seed": seed, **row}), flush=True)
            rows.append(row)
        print(f"\n| {difficulty} | " + " | ".join(args.seeds.split(",")) + " | mean |")
        print("|---|" + "---|" * (len(rows) + 1))
        for name in rows[0]:
            values = [row[name] for row in rows]
            print(f"| {name} | " + " | ".join(f"{v:.3f}" for v in values) + f" | {np.mean(values):.3f} |")


if __name__ == "__main__":
    main()
