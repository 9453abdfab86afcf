"""``magnet doctor``: what this machine has, and whether the parts work on it."""

import importlib.util
import os
import tempfile
from pathlib import Path
from typing import Any

import typer

from magnet.cli.options import Json
from magnet.cli.terminal import print_json
from magnet.tables import print_table

__all__ = ["doctor"]

# Flags of /proc/cpuinfo that decide how fast products are and whether bfloat16 helps.
INTERESTING = ("avx2", "fma", "avx512f", "avx512_bf16", "amx_bf16")


def doctor(as_json: Json = False) -> None:
    """Print versions, threads and instruction sets, and try every part that needs the machine."""
    import torch

    from magnet.runtime import num_threads, versions

    flags = _cpu_flags()
    document: dict[str, Any] = {
        "versions": versions(),
        "threads": {"magnet": num_threads(), "torch": torch.get_num_threads(), "cores": os.cpu_count()},
        "instructions": [flag for flag in INTERESTING if flag in flags],
        "torch": {"cuda_build": torch.version.cuda, "cuda_available": torch.cuda.is_available()},
        "bfloat16_pays": bool({"avx512_bf16", "amx_bf16"} & flags),
        "matplotlib": importlib.util.find_spec("matplotlib") is not None,
        "checks": [_try(name, check) for name, check in CHECKS.items()],
    }
    document["healthy"] = all(check["ok"] for check in document["checks"])
    if as_json:
        print_json(document)
    else:
        _print(document)
    if not document["healthy"]:
        raise typer.Exit(1)


def _print(found: dict[str, Any]) -> None:
    torch, threads = found["torch"], found["threads"]
    rows = [[name, version] for name, version in found["versions"].items()]
    rows += [
        ["threads", f"{threads['magnet']} in kernels, {threads['torch']} in torch, {threads['cores']} cores"],
        ["instructions", " ".join(found["instructions"]) or "none of those that matter"],
        ["torch build", f"CUDA {torch['cuda_build']}" if torch["cuda_build"] else "CPU only"],
        ["GPU", "usable" if torch["cuda_available"] else "none"],
        ["bfloat16", "pays on this CPU" if found["bfloat16_pays"] else "does not pay on this CPU"],
        ["matplotlib", "installed" if found["matplotlib"] else "missing: plots need magnet-rec[report]"],
    ]
    rows += [
        [check["name"], "ok" if check["ok"] else f"FAILED: {check['detail']}"] for check in found["checks"]
    ]
    print_table("magnet doctor", ["", ""], rows)


def _cpu_flags() -> set[str]:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return set()
    return {flag for line in lines if line.startswith("flags") for flag in line.split(":", 1)[1].split()}


def _try(name: str, check: Any) -> dict[str, Any]:
    try:
        check()
    except Exception as error:  # whatever it is, the doctor reports it
        return {"name": name, "ok": False, "detail": f"{type(error).__name__}: {error}"}
    return {"name": name, "ok": True, "detail": ""}


def _ranking() -> None:
    import numpy as np
    import torch

    from magnet.evaluate.rank import rank
    from magnet.states import DotState

    scores = np.random.default_rng(0).standard_normal((5, 40)).astype(np.float32)
    state = DotState(torch.from_numpy(scores), torch.eye(40))
    found = rank(state, np.arange(5, dtype=np.int32), None, 10).items
    _expect((np.asarray(found) == np.argsort(-scores, axis=1)[:, :10]).all(), "the ranking is wrong")


def _neighbours() -> None:
    import numpy as np

    from magnet.graph.knn import knn_graph

    rows = np.random.default_rng(0).standard_normal((30, 8)).astype(np.float32)
    units = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    cosines = units @ units.T - 2 * np.eye(30)
    found = knn_graph(rows, 1)
    _expect((found.indices == cosines.argmax(axis=1)).all(), "the nearest neighbours are wrong")


def _cache() -> None:
    from magnet.graph.cache import cache_folder

    folder = cache_folder()
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryFile(dir=folder):
        pass


def _expect(right: bool, otherwise: str) -> None:
    if not right:
        raise RuntimeError(otherwise)


CHECKS = {
    "ranking kernel": _ranking,
    "neighbour kernel": _neighbours,
    "graph cache is writable": _cache,
}
