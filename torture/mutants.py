"""Faults put in by hand, each with the tests that have to notice: ``python -m torture.mutants [--only python|rust]``.

The tree is copied, one text is changed in the copy, and the named tests run there: a fault that they let pass has
survived. For Rust the tests are those of the crate whose names hold the text after ``cargo:``.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import traceback
from importlib import import_module
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]


class Mutant(NamedTuple):
    """A fault: the file, the text that is there once or more (the first is changed), what it becomes, and the tests."""

    file: str
    old: str
    new: str
    tests: str


_NN, _RUN = "python/magnet/nn", "python/magnet/run"
_METRICS, _CONTROLLER = "python/magnet/evaluate/metrics.py", f"{_NN}/controller.py"
_GATE, _LOSSES, _MIXED = f"{_NN}/mixture/gate.py", f"{_NN}/losses.py", f"{_NN}/mixture/losses.py"
_PLACING, _FOLDER = "python/magnet/placing.py", f"{_RUN}/folder.py"
_RUST = "rust/src/kernels"

MUTANTS = [
    # Losses
    Mutant(_LOSSES, "-F.logsigmoid(positive - negative)", "-F.logsigmoid(negative - positive)", "tests/unit/nn/test_losses.py"),
    Mutant(_LOSSES, "masked_fill(seen, -torch.inf)", "masked_fill(seen, 0.0)", "tests/unit/nn/test_losses.py"),
    Mutant(_LOSSES, "rows.square().sum() / (2 * pairs)", "rows.square().sum() / pairs", "tests/unit/nn/test_losses.py"),
    Mutant(_LOSSES, "slope.T @ a if", "slope @ a if", "tests/unit/nn/test_losses.py"),
    Mutant(_MIXED, "F.relu(weights.target - entropy)", "F.relu(entropy - weights.target)", "tests/unit/nn"),
    Mutant(_MIXED, "rivals.topk(k, dim=1).values[:, -1]", "rivals.topk(k, dim=1).values[:, 0]", "tests/unit/nn/test_mixture.py"),
    # Router
    Mutant(_GATE, "descending=True, stable=True", "descending=False, stable=True", "tests/unit/nn/test_gate.py"),
    Mutant(_GATE, "floor * on / on.sum(-1, keepdim=True).clamp(min=1)", "floor / dense.shape[-1]", "tests/unit/nn/test_gate.py"),
    Mutant(_GATE, "return kept / kept.sum(-1, keepdim=True).clamp(min=1e-20)", "return kept", "tests/unit/nn/test_gate.py"),
    Mutant(f"{_NN}/mixture/mixture.py", "there[:, list(e.group)].all(1)", "there[:, list(e.group)].any(1)", "tests/unit/nn/test_mixture.py"),
    # Metrics
    Mutant(_METRICS, "np.arange(2, self.items.shape[1] + 2", "np.arange(3, self.items.shape[1] + 3", "tests/unit/evaluate/test_metrics.py"),
    Mutant(_METRICS, "ideal[np.minimum(k, r.n_relevant) - 1]", "ideal[k - 1]", "tests/unit/evaluate/test_metrics.py"),
    Mutant(_METRICS, "r.n_hits[:, k - 1] / float(k)", "r.n_hits[:, k - 1] / float(r.items.shape[1])", "tests/unit/evaluate/test_metrics.py"),
    Mutant(_METRICS, "(pairs[place] == wanted) & (items >= 0)", "pairs[place] == wanted", "tests/unit/evaluate/test_metrics.py"),
    # Controller
    Mutant(_CONTROLLER, "self.streak + 1 if met else 0", "self.streak + 1 if met else self.streak", "tests/unit/nn/test_controller.py"),
    Mutant(_CONTROLLER, "elif now.mutual_information > c.trigger_information:", "elif True:", "tests/unit/nn/test_controller.py"),
    Mutant(_CONTROLLER, "and min(now.loads) >= c.trigger_load / self.n_experts", "", "tests/unit/nn/test_controller.py"),
    Mutant(_CONTROLLER, "(self.n_experts + 1) // 2", "self.n_experts // 2", "tests/unit/nn/test_controller.py"),
    Mutant(_CONTROLLER, "self.average / self.mass if self.mass", "self.average if self.mass", "tests/unit/nn/test_controller.py"),
    # Run folder
    Mutant(f"{_RUN}/events.py", "            os.fsync(self._file.fileno())\n", "", "tests/unit/run/test_events.py"),
    Mutant(f"{_RUN}/checkpoint.py", "json.dumps(dict(meta), allow_nan=False)", "json.dumps(dict(meta), allow_nan=False, sort_keys=True)", "tests/unit/run/test_checkpoint.py"),
    Mutant(f"{_RUN}/checkpoint.py", "if found.meta.pop(_RUN, self.run) != self.run:", "if found.meta.pop(_RUN, self.run) is None:", "tests/unit/run"),
    Mutant(_FOLDER, "if file_digest(path / name) != digest:", "if not digest:", "tests/unit/run"),
    Mutant(_FOLDER, "(self.path / _MANIFEST).is_file() and not (self.path / _REPLACES).exists()", "(self.path / _MANIFEST).is_file()", "tests/unit/run"),
    Mutant(_PLACING, "    _sync(file)\n    file.replace(path)", "    file.replace(path)", "tests/unit/test_placing.py"),
    Mutant(_PLACING, "        _sync(folder.parent)\n    path.mkdir", "    path.mkdir", "tests/unit/test_placing.py"),
    # Kernels
    Mutant(f"{_RUST}/topk.rs", "self.id < other.id", "self.id > other.id", "cargo:topk"),
    Mutant(f"{_RUST}/sampling/alias.rs", "share[rich] -= 1.0 - share[poor];", "share[rich] -= share[poor];", "cargo:alias"),
    Mutant(f"{_RUST}/adjacency.rs", "index.write(item + n_users as i32);", "index.write(item);", "cargo:adjacency"),
    Mutant(f"{_RUST}/edge_dropout.rs", "exponential * (row_root * column_roots[column as usize])", "exponential / (row_root * column_roots[column as usize])", "cargo:edge_dropout"),
    Mutant(f"{_RUST}/k_core.rs", "if *degree == others.least {", "if *degree < others.least {", "cargo:k_core"),
    Mutant(f"{_RUST}/csr.rs", "fits = before <= start && start <= indices.len() as i64;", "fits = before <= start;", "cargo:csr"),
]  # fmt: skip


def copy(place: Path) -> None:
    """The tree as git sees it, and the extension that was built."""
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    built = [str(file.relative_to(ROOT)) for file in (ROOT / "python/magnet").glob("_core*.so")]
    for name in [*listed.stdout.splitlines(), *built]:
        if (ROOT / name).is_file():
            (place / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, place / name)


def run(place: Path, tests: str) -> tuple[bool, str]:
    """Whether the tests pass in the copy, and which failed first."""
    if tests.startswith("cargo:"):
        words = ["cargo", "test", "--quiet", "--lib", tests.removeprefix("cargo:")]
        done = subprocess.run(words, cwd=place, capture_output=True, text=True, timeout=1200)
        code, said = done.returncode, done.stdout + done.stderr
        usual = (0, 101)
    else:
        code, said = _pytest(place, tests)
        usual = (0, 1)
    # A copy that cannot be compiled, or tests that are not there, prove nothing.
    if (
        code not in usual
        or "error: could not compile" in said
        or "running 0 tests" in said.split("test result")[0]
    ):
        return True, f"could not be run: {said[-300:]!r}"
    failed = [line for line in said.splitlines() if line.startswith(("FAILED", "ERROR", "---- "))]
    return code == 0, failed[0].split(" - ")[0].split("::")[-1].strip("- ") if failed else ""


def _pytest(place: Path, tests: str) -> tuple[int, str]:
    """In a fork, which has everything imported but the package."""
    said = place / "said.txt"
    child = os.fork()
    if child == 0:
        with said.open("w") as file:
            os.dup2(file.fileno(), 1)
            os.dup2(file.fileno(), 2)
        os.chdir(place)
        os.environ["PYTHONPATH"] = str(place / "python")
        sys.path[:0] = [str(place / "python"), str(place)]
        import pytest

        code = 99
        try:
            code = int(pytest.main(["-q", "-x", "--no-header", *tests.split()]))
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), said.read_text(errors="replace")


def main() -> int:
    """Run the command line of this process."""
    asked = argparse.ArgumentParser(prog="python -m torture.mutants", description=__doc__)
    asked.add_argument("--only", choices=["python", "rust"])
    asked.add_argument("--out", type=Path, default=Path("target/mutants.json"))
    given = asked.parse_args()
    os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = "1"
    sys.dont_write_bytecode = True  # a stale one would stand for a change within a second
    for name in ("torch", "scipy.sparse.linalg", "polars", "pandas"):
        import_module(name)
    assert not any(name.split(".")[0] == "magnet" for name in sys.modules)
    rows = []
    with tempfile.TemporaryDirectory(prefix="mutants-") as folder:
        place = Path(folder)
        copy(place)
        for mutant in MUTANTS:
            kind = "rust" if mutant.tests.startswith("cargo:") else "python"
            if given.only not in (None, kind):
                continue
            file, started = place / mutant.file, time.monotonic()
            sound = file.read_text()
            if mutant.old not in sound:
                raise SystemExit(f"{mutant.file} does not hold {mutant.old!r} any more")
            file.write_text(sound.replace(mutant.old, mutant.new, 1))
            # Later than any build: cargo compares times, and a change within the second of a build would be missed.
            os.utime(file, (time.time() + 2,) * 2)
            survived, first = run(place, mutant.tests)
            file.write_text(sound)
            rows.append(mutant._asdict() | {"survived": survived, "by": first})
            said = "SURVIVED" if survived else "killed"
            print(
                f"| {said} | `{mutant.file}` | `{mutant.old.strip()}` → `{mutant.new.strip()}` | {first} |",
                flush=True,
            )
            print(f"{time.monotonic() - started:.0f} s", file=sys.stderr, flush=True)
    killed = sum(not row["survived"] for row in rows)
    print(f"{killed} of {len(rows)} killed")
    given.out.parent.mkdir(parents=True, exist_ok=True)
    given.out.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")
    return 0 if killed == len(rows) else 1


if __name__ == "__main__":
    sys.exit(main())
