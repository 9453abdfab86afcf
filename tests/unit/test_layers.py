"""What the layer linter cannot see: who touches the extension, and who knows files."""

from __future__ import annotations

import ast
from pathlib import Path

import magnet

PACKAGE = Path(magnet.__file__).parent
CORE_USERS = {
    "graph",
    "sampling.py",
    "nn/products.py",
    "nn/propagate.py",
    "nn/dropout.py",
    "nn/mixing.py",
    "nn/unit.py",
    "evaluate/rank.py",
    "data/split.py",
    "runtime.py",
    "__init__.py",
    "cli",
}


def imported(path: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def test_only_the_named_modules_touch_the_extension() -> None:
    users = {p.relative_to(PACKAGE) for p in PACKAGE.rglob("*.py") if "magnet._core" in imported(p)}
    strangers = {p for p in users if p.as_posix() not in CORE_USERS and p.parts[0] not in CORE_USERS}
    assert users
    assert not strangers


def test_the_network_knows_neither_files_nor_frames() -> None:
    for path in (PACKAGE / "nn").rglob("*.py"):
        names = imported(path)
        assert not {n for n in names if n.split(".")[0] in {"polars", "narwhals", "pathlib"}}, path
        assert not {n for n in names if n.startswith("magnet.data")}, path
