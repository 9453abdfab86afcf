"""Which module of the Rust core may use which: the compiler allows every one of them to use every other."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

KERNELS = Path(__file__).parents[2] / "rust" / "src" / "kernels"
# Each room, and the modules that it must not use.
FORBIDDEN = {
    "tiles": ["knn", "knn_approximate", "rank"],
    "rank": ["knn", "knn_approximate"],
    "knn": ["knn_approximate", "rank"],
}


def without_comments(source: str) -> str:
    """The source without comments: documentation may link to any module."""
    return re.sub(r"//.*", "", source)


def used(source: str, name: str) -> bool:
    """Whether the source uses a module: as a part of a path, or in a `use` that lists several."""
    code = without_comments(source)
    uses = re.findall(r"\buse\b[^;]*;", code)
    return bool(re.search(rf"\b{name}\s*::|::\s*{name}\b", code)) or any(
        re.search(rf"\b{name}\b", statement) for statement in uses
    )


def sources(folder: Path) -> list[Path]:
    if not KERNELS.is_dir():
        pytest.skip("the Rust sources are not beside the tests")
    found = sorted(folder.rglob("*.rs"))
    assert found, f"{folder} holds no Rust"
    return found


@pytest.mark.parametrize("room", FORBIDDEN)
def test_tiles_lie_below_neighbours_and_ranking_which_do_not_know_each_other(room: str) -> None:
    for path in sources(KERNELS / room):
        source = path.read_text(encoding="utf-8")
        assert not [name for name in FORBIDDEN[room] if used(source, name)], path


def test_the_kernels_do_not_know_python() -> None:
    for path in sources(KERNELS):
        code = without_comments(path.read_text(encoding="utf-8"))
        assert not re.search(r"\b(pyo3|numpy)\b|\bcrate\s*::\s*(py\b|\{[^;]*\bpy\b)", code), path


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("use crate::kernels::rank::walk::Walk;", True),
        ("use super::{knn, rank};", True),
        ("use crate::kernels::{\n    cancel::Cancel,\n    rank::{Places, Vectors},\n};", True),
        ("let found = super::rank::rank_dots(vectors);", True),
        ("//! [`crate::kernels::rank`] lies above.", False),
        ("use crate::kernels::knn::knn; let rank = 3; let x = rank * rank;", False),
    ],
)
def test_a_module_is_found_wherever_it_is_used(source: str, expected: bool) -> None:
    assert used(source, "rank") is expected
