"""Tables as plain text: aligned, and the same wherever they are printed."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from rich import box
from rich.console import Console
from rich.table import Table

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

__all__ = ["render", "table"]

# Tables are only as wide as they need to be.
_WIDTH = 140
_WIDEST_CELL = 44


def table(head: Sequence[str], rows: Iterable[Sequence[str]], *, left: int = 1) -> Table:
    """Lay out a table.

    Args:
        head: Names of the columns.
        rows: Cells, as many as there are columns.
        left: So many first columns hold text and stand left; the others hold numbers and stand right.
    """
    laid = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for position, name in enumerate(head):
        laid.add_column(
            name,
            justify="left" if position < left else "right",
            no_wrap=True,
            overflow="ellipsis",
            max_width=_WIDEST_CELL,
        )
    for row in rows:
        laid.add_row(*row)
    return laid


def render(parts: Iterable[str | Table]) -> str:
    """Put texts and tables below each other, without colours or markup: a title is taken literally.

    Args:
        parts: Each starts on a line of its own.
    """
    stream = io.StringIO()
    console = Console(
        file=stream,
        width=_WIDTH,
        color_system=None,
        force_terminal=False,
        markup=False,
        emoji=False,
        highlight=False,
    )
    for part in parts:
        if isinstance(part, str):
            # Sentences are for the reader's own window to break.
            stream.write(part + "\n")
        else:
            console.print(part)
    return "\n".join(line.rstrip() for line in stream.getvalue().splitlines()) + "\n"
