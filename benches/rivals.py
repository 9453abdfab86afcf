"""The same work done by Magnet and by the libraries people use for it, on the same threads.

    python benches/rivals.py [SECTION …] [--quick | --full] [--threads N] [--rounds N] [--out FOLDER]
    python benches/rivals.py --check     # exit code 1 if a ratio fell by more than a fifth since the last --accept

Results are compared before anything is timed, the contestants take turns, and a ratio is that of the medians. The
table goes to standard output and, with --out, as rivals.md and rivals.json into a folder.
"""

from __future__ import annotations

import argparse
import importlib
import sys
from pathlib import Path

import torch

from contests import baseline, machine
from contests.race import Contest
from contests.table import document, markdown
from magnet.runtime import num_threads, set_num_threads

SECTIONS = (
    "knn",
    "approximate",
    "adjacency",
    "sampling",
    "propagation",
    "ranking",
    "blend",
    "blend_rank",
    "lightgcn",
    "ridge",
)
BASELINE = Path(__file__).with_name("baseline.json")


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("sections", nargs="*", metavar="SECTION", help=f"of: {', '.join(SECTIONS)}")
    parser.add_argument("--threads", type=int, default=num_threads(), help="of every contestant")
    parser.add_argument("--rounds", type=int, default=3, help="turns of each contestant")
    parser.add_argument("--out", type=Path, help="folder for rivals.md and rivals.json")
    size = parser.add_mutually_exclusive_group()
    size.add_argument("--quick", action="store_true", help="a tenth of the sizes; no targets, no baseline")
    size.add_argument(
        "--full", action="store_true", help="the largest sizes as well; takes an hour and 16 GB"
    )
    parser.add_argument("--check", action="store_true", help="compare with the accepted ratios")
    parser.add_argument("--accept", action="store_true", help="make these the accepted ratios")
    options = parser.parse_args()
    unknown = [name for name in options.sections if name not in SECTIONS]
    if unknown:
        parser.error(f"no section {unknown[0]!r}; there are: {', '.join(SECTIONS)}")
    if options.quick and (options.check or options.accept):
        parser.error("the baseline is about the sizes of the targets, not --quick")
    sections = options.sections or list(SECTIONS)
    set_num_threads(options.threads)
    torch.manual_seed(0)
    machine.be_fair()
    facts = machine.facts(options.threads)
    size_name = "quick" if options.quick else "full" if options.full else "targets"
    contest = Contest(facts["kind"], options.threads, size_name, options.rounds)
    for contest.section in sections:
        importlib.import_module(f"contests.{contest.section}").run(contest)
    print(markdown(facts, contest.rows), end="")
    if options.out:
        options.out.mkdir(parents=True, exist_ok=True)
        (options.out / "rivals.md").write_text(markdown(facts, contest.rows))
        (options.out / "rivals.json").write_text(document(facts, contest.rows))
    if options.accept:
        baseline.accept(BASELINE, contest.kind, contest.rows)
    return check(contest, sections) if options.check else 0


def check(contest: Contest, sections: list[str]) -> int:
    """Says what fell behind, and which accepted comparisons were not made."""
    accepted = baseline.load(BASELINE, contest.kind)
    if not accepted:
        print(f"no accepted ratios for {contest.kind} yet; --accept writes them", file=sys.stderr)
        return 1
    slower = baseline.compare(contest.rows, accepted)
    for line in slower:
        print(f"slower: {line}", file=sys.stderr)
    for key in baseline.missing(contest.rows, accepted, sections):
        print(f"not measured: {key}", file=sys.stderr)
    return 1 if slower else 0


if __name__ == "__main__":
    sys.exit(main())
