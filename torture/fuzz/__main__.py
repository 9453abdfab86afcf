"""``python -m torture.fuzz [NAME …] --minutes 20``: fuzz kernels and loaders, exit with 1 where something failed.

Kernels are the targets in ``fuzz/``, run by cargo-fuzz; loaders those of :mod:`torture.fuzz.targets`, run by atheris.
Inputs that reach something new are kept in ``target/fuzz``, those that fail in ``target/fuzz/failed``. ``--keep`` brings
the fewest that reach all of it into the corpus of the repository, which the tests replay.
"""

from __future__ import annotations

import argparse
import hashlib
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

from torture.fuzz.fewest import fewest
from torture.fuzz.seeds import seeds
from torture.fuzz.targets import TARGETS

ROOT = Path(__file__).parents[2]
WORK = ROOT / "target" / "fuzz"
# Of an input, in bytes: longer ones only repeat. In the corpus, which is in every clone, they are shorter still: kernels,
# whose arguments are drawn, go on with zeros.
LONGEST, KEPT, DRAWN = 8192, 4096, 176
_LIMITS = ("-timeout=30", "-rss_limit_mb=4096")


class Target(NamedTuple):
    """Something to fuzz."""

    kind: str
    name: str

    @property
    def corpus(self) -> Path:
        """Its inputs in the repository."""
        folder = ROOT / "fuzz" if self.kind == "kernel" else ROOT / "torture" / "fuzz"
        return folder / "corpus" / self.name

    @property
    def found(self) -> Path:
        """Its inputs that reach something new."""
        return WORK / f"{self.kind}s" / self.name

    @property
    def failed(self) -> Path:
        """Its inputs that fail."""
        return WORK / "failed" / f"{self.kind}s" / self.name

    def run(self, options: list[str], *folders: Path) -> subprocess.CompletedProcess[str]:
        """Run libFuzzer over it."""
        for folder in (*folders, self.failed):
            folder.mkdir(parents=True, exist_ok=True)
        places = list(map(str, folders))
        if self.kind == "kernel":
            cargo = ["cargo", "+nightly", "fuzz", "run", "--features", "libfuzzer"]
            command = [*cargo, self.name, *places, "--", *options]
        else:
            own = [sys.executable, "-m", "torture.fuzz.one", self.name, str(self.failed)]
            command = [*own, *options, *places]
        return subprocess.run(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace", cwd=ROOT
        )


def main() -> int:
    """Run the command line of this process."""
    kernels = sorted(path.stem for path in (ROOT / "fuzz" / "fuzz_targets").glob("*.rs"))
    every = [Target("kernel", name) for name in kernels] + [Target("loader", name) for name in TARGETS]
    known = sorted({target.name for target in every})
    asked = argparse.ArgumentParser(prog="python -m torture.fuzz", description=__doc__)
    asked.add_argument(
        "names", nargs="*", metavar="NAME", help=f"of {', '.join(known)}; all if none is named"
    )
    asked.add_argument("--minutes", type=float, default=20, help="for each target")
    asked.add_argument(
        "--keep", action="store_true", help="do not fuzz; bring what was found into the corpus"
    )
    given = asked.parse_args()
    if strange := set(given.names) - set(known):
        asked.error(f"no such target: {', '.join(sorted(strange))}; there are {', '.join(known)}")
    chosen = [target for target in every if target.name in (given.names or known)]
    if given.keep:
        for target in chosen:
            keep(target)
        return 0
    rows = [fuzz(target, round(given.minutes * 60)) for target in chosen]
    print("\n| target | of | minutes | executions | edges reached | failed |\n|---|---|---:|---:|---:|---:|")
    for row in rows:
        print("| " + " | ".join(map(str, row)) + " |")
    return 1 if any(row[-1] for row in rows) else 0


def fuzz(target: Target, seconds: int) -> tuple[str, str, str, str, str, int]:
    """One target for so long; what there is to say of it."""
    for number, content in enumerate(seeds(target.name) if target.kind == "loader" else []):
        target.found.mkdir(parents=True, exist_ok=True)
        (target.found / f"seed-{number:03}").write_bytes(content)
    before = set(target.failed.glob("*"))
    options = [f"-max_total_time={seconds}", f"-max_len={LONGEST}", "-print_final_stats=1", *_LIMITS]
    done = target.run([*options, f"-artifact_prefix={target.failed}/"], target.found, target.corpus)
    (WORK / f"{target.kind}-{target.name}.log").write_text(done.stdout, encoding="utf-8")
    new = sorted(set(target.failed.glob("*")) - before)
    for path in new:
        if path.suffix == ".txt":
            print(path.read_text(encoding="utf-8"))
    if done.returncode:
        print("\n".join(done.stdout.splitlines()[-60:]))
    said = {"number_of_executed_units": "?", "cov": "?"}
    for key in said:
        if numbers := re.findall(rf"{key}: *(\d+)", done.stdout):
            said[key] = numbers[-1]
    failed = max(sum(path.suffix != ".txt" for path in new), int(done.returncode != 0))
    row = (target.name, f"{target.kind}s", f"{seconds / 60:g}", *said.values(), failed)
    print("fuzzed", *row, flush=True)
    return row


def keep(target: Target) -> None:
    """Replace the corpus of a target by the fewest of its inputs and the new ones that reach as much."""
    there = [path for folder in (target.corpus, target.found) if folder.is_dir() for path in folder.iterdir()]
    if target.kind == "loader":
        chosen = fewest(target.name, [path.read_bytes() for path in there], longest=KEPT)
    else:
        fresh = WORK / "kept" / target.name
        shutil.rmtree(fresh, ignore_errors=True)
        done = target.run(["-merge=1", f"-max_len={DRAWN}", *_LIMITS], fresh, target.corpus, target.found)
        if done.returncode:
            sys.exit(
                "\n".join([f"{target.name}: the corpus cannot be merged", *done.stdout.splitlines()[-20:]])
            )
        chosen = [path.read_bytes() for path in fresh.iterdir()]
    target.corpus.mkdir(parents=True, exist_ok=True)
    for path in target.corpus.iterdir():
        # Those that once failed have a name in words, and stay.
        if re.fullmatch(r"[0-9a-f]{40}", path.name):
            path.unlink()
    for data in chosen:
        (target.corpus / hashlib.sha1(data).hexdigest()).write_bytes(data)
    print("kept", target.name, target.kind, len(chosen), flush=True)


if __name__ == "__main__":
    sys.exit(main())
