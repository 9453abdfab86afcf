"""What the layer linter cannot see: who touches the extension, and who knows files."""

from __future__ import annotations

import ast
from pathlib import Path

import magnet

PACKAGE = Path(magnet.__file__).parent
# Only these rooms may call the kernels, and they do so through one door, which follows torch's threads.
CORE_USERS = (
    "blend.py",
    "graph/",
    "operators/",
    "sampling.py",
    "nn/ops/",
    "nn/propagate.py",
    "evaluate/rank.py",
)
DOOR = {"core.py", "runtime.py"}
# The version is written in the extension, and the package's face and the command print it.
VERSION_ONLY = {"__init__.py", "cli/verbs.py"}


def imported(path: Path, *, types: bool = True) -> set[str]:
    """Modules and names that a file imports; without ``types`` only those that it imports when it runs."""
    found: set[str] = set()
    todo: list[ast.AST] = [ast.parse(path.read_text(encoding="utf-8"))]
    while todo:
        node = todo.pop()
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING" and not types:
            continue
        todo += ast.iter_child_nodes(node)
    return found


def users_of(module: str) -> set[str]:
    files = PACKAGE.rglob("*.py")
    return {p.relative_to(PACKAGE).as_posix() for p in files if module in imported(p, types=False)}


def test_only_the_named_rooms_call_the_kernels() -> None:
    assert users_of("magnet._core") == DOOR | {"cli/verbs.py"}
    callers = users_of("magnet.core")
    assert len(callers) > 5
    assert not {name for name in callers if not name.startswith(CORE_USERS)}


def test_the_face_and_the_command_read_nothing_but_the_version() -> None:
    for name in VERSION_ONLY:
        names = {n for n in imported(PACKAGE / name) if n.startswith("magnet._core")}
        assert names == {"magnet._core", "magnet._core.__version__"}


def test_the_network_knows_neither_files_nor_frames() -> None:
    for path in (PACKAGE / "nn").rglob("*.py"):
        names = imported(path)
        assert not {n for n in names if n.split(".")[0] in {"polars", "narwhals", "pathlib"}}, path
        assert not {n for n in names if n.startswith("magnet.data")}, path
