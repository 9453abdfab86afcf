"""What the layer linter cannot see: who touches the extension, and who knows files."""

from __future__ import annotations

import ast
from pathlib import Path

import magnet

PACKAGE = Path(magnet.__file__).parent
# Only these rooms may touch the extension.
CORE_USERS = ("graph/", "sampling.py", "nn/ops/", "nn/propagate.py", "evaluate/rank.py", "runtime.py")
# The version is written in the extension, and the package's face and the command print it.
VERSION_ONLY = {"__init__.py", "cli/app.py"}


def imported(path: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def test_only_the_named_modules_touch_the_extension() -> None:
    users = {
        p.relative_to(PACKAGE).as_posix() for p in PACKAGE.rglob("*.py") if "magnet._core" in imported(p)
    }
    assert users > VERSION_ONLY
    assert not {name for name in users - VERSION_ONLY if not name.startswith(CORE_USERS)}


def test_the_face_and_the_command_read_nothing_but_the_version() -> None:
    for name in VERSION_ONLY:
        names = {n for n in imported(PACKAGE / name) if n.startswith("magnet._core")}
        assert names == {"magnet._core", "magnet._core.__version__"}


def test_the_network_knows_neither_files_nor_frames() -> None:
    for path in (PACKAGE / "nn").rglob("*.py"):
        names = imported(path)
        assert not {n for n in names if n.split(".")[0] in {"polars", "narwhals", "pathlib"}}, path
        assert not {n for n in names if n.startswith("magnet.data")}, path
