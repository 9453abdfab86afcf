"""How far the weights of the cues can be trusted on real data, where no truth is planted.

    python benches/explanations.py RUN-OF-SEED-0 RUN-OF-SEED-1 …

Looks at the held-out pairs of the test part that the runs know.

- faithful: Spearman's rank correlation over pairs between what a cue weighs and how much the score changes (in absolute
  value) when the cue is switched off. It is below 1 where a cue has weight but nothing to say of a pair.
- scaled: the same after both are divided by the cue's mean, over all pairs and cues together.
- named: the share of pairs for which the cue of the largest scaled weight is that of the largest scaled change.
- stable: Spearman's rank correlation over pairs of one cue's weight between two seeds, the mean over pairs of seeds;
  a constant weight has none.
"""

from __future__ import annotations

import argparse
import itertools
from pathlib import Path

import numpy as np
from scipy.stats import spearmanr

import magnet
from magnet.cli.evaluate import read_again
from magnet.evaluate.rank import score
from magnet.explain.routing import route_pairs
from magnet.run.folder import RunFolder
from magnet.states import BlendState


def weights_and_changes(state: BlendState, users: np.ndarray, items: np.ndarray) -> tuple[np.ndarray, ...]:
    """Of each pair and cue, ``(n, C)``: what the cue weighs, and by how much the score changes without it."""
    weights = state.weight * (route_pairs(state, users, items).weights @ state.roles.double().numpy())
    whole = score(state, users, items).astype(np.float64)
    changes = [np.abs(whole - score(state.turned({cue: 0.0}), users, items)) for cue in state.cues]
    return np.abs(weights), np.stack(changes, axis=1)


def correlation(one: np.ndarray, other: np.ndarray) -> float:
    """Spearman's; NaN if one of them is constant."""
    if np.ptp(one) == 0 or np.ptp(other) == 0:
        return float("nan")
    return float(spearmanr(one, other).statistic)


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "runs", type=Path, nargs="+", help="run folders of MAGNET, a seed each, on one data set"
    )
    parser.add_argument("--part", default="test")
    args = parser.parse_args()
    rows: dict[str, list[float]] = {}
    all_weights = []
    for path in args.runs:
        run = RunFolder.open(path)
        dataset = read_again(run.description, path, None)
        pairs = dataset.part(args.part).tocoo()
        users, items = pairs.row.astype(np.int32), pairs.col.astype(np.int32)
        state = magnet.load(path).contents.state
        if not isinstance(state, BlendState):
            print(f"{path}: the backbone alone was delivered, there are no cues to look at")
            continue
        weights, changes = weights_and_changes(state, users, items)
        all_weights.append(weights)
        for cue, name in enumerate(state.cues):
            rows.setdefault(f"faithful, {name}", []).append(correlation(weights[:, cue], changes[:, cue]))
        scaled = [values / np.maximum(values.mean(0), 1e-12) for values in (weights, changes)]
        rows.setdefault("scaled", []).append(correlation(*(values.ravel() for values in scaled)))
        named = [values.argmax(1) for values in scaled]
        rows.setdefault("named", []).append(float(np.mean(named[0] == named[1])))
        cues = list(state.cues)
    print("| | " + " | ".join(path.name for path in args.runs) + " | mean |")
    print("|---|" + "---|" * (len(args.runs) + 1))
    for name, values in rows.items():
        cells = " | ".join(f"{value:.2f}" for value in values)
        print(f"| {name} | {cells} | {np.nanmean(values):.2f} |")
    if len(all_weights) > 1:
        for cue, name in enumerate(cues):
            found = [
                correlation(one[:, cue], other[:, cue])
                for one, other in itertools.combinations(all_weights, 2)
            ]
            print(f"| stable, {name} {'| ' * len(args.runs)}| {np.nanmean(found):.2f} |")


if __name__ == "__main__":
    main()
