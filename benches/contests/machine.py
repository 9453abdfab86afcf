"""Facts about this machine that a ratio depends on."""

from __future__ import annotations

import importlib.metadata
import os
import platform
from pathlib import Path

from magnet.runtime import versions

RIVALS = ("faiss-cpu", "scikit-learn", "numba", "implicit", "pynndescent", "usearch")


def facts(threads: int) -> dict[str, str]:
    """Processor, paths, threads, load and versions."""
    found = {
        "processor": _cpuinfo("model name") or platform.processor(),
        "kind": kind(),
        "path forced": os.environ.get("MAGNET_SIMD", "none"),
        "threads": f"{threads} of {os.cpu_count()}",
        "load before": f"{os.getloadavg()[0]:.1f}",
        "OMP_WAIT_POLICY": os.environ.get("OMP_WAIT_POLICY", "default"),
        "OPENBLAS_CORETYPE": os.environ.get("OPENBLAS_CORETYPE", "default"),
    }
    found |= versions()
    for name in RIVALS:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            found[name] = "not installed"
    return found


def be_fair() -> None:
    """Give rivals the kernels that fit the machine; to be called before they are imported.

    The OpenBLAS inside faiss-cpu knows no processor with AMX and takes its oldest kernels there: faiss is then several
    times slower than it can be.
    """
    if kind() in ("amx", "avx512"):
        os.environ.setdefault("OPENBLAS_CORETYPE", "SkylakeX")


def kind() -> str:
    """`amx`, `avx512`, `avx2` or `portable`: what decides which targets apply."""
    forced = os.environ.get("MAGNET_SIMD")
    if forced:
        return forced
    flags = set(_cpuinfo("flags").split())
    if {"amx_bf16", "avx512f"} <= flags:
        return "amx"
    if {"avx512f", "avx512bw"} <= flags:
        return "avx512"
    return "avx2" if {"avx2", "fma"} <= flags else "portable"


def _cpuinfo(name: str) -> str:
    path = Path("/proc/cpuinfo")
    lines = path.read_text().splitlines() if path.exists() else []
    return next((line.partition(":")[2].strip() for line in lines if line.startswith(name)), "")
