"""Tables for people: aligned, without markup, the same on a terminal and in a text."""

from __future__ import annotations

import io
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import IO

    from rich.console import Console
    from rich.table import Table

__all__ = ["console", "print_table", "render", "table"]

# Tables that do not go to a terminal are not cut to 80 columns.
_WIDE = 200
_WIDTH_OF_TEXTS = 140
_WIDEST_CELL = 44


def table(
    head: Sequence[str],
    rows: Iterable[Sequence[str]],
    *,
    left: int = 1,
    title: str | None = None,
    widest: int | None = _WIDEST_CELL,
) -> Table:
    """Lay out a table.

    Args:
        head: Names of the columns.
        rows: Cells, one for each column; brackets are text, not markup.
        left: How many columns hold text and are aligned to the left; the others hold numbers and are aligned to
            the right.
        title: Stands above the table.
        widest: Longer cells end in an ellipsis; None breaks them over lines where the console is too narrow.
    """
    from rich import box
    from rich.table import Table
    from rich.text import Text

    laid = Table(
        title=None if title is None else Text(title),
        title_justify="left",
        box=box.SIMPLE_HEAD,
        pad_edge=False,
        show_edge=False,
    )
    for position, name in enumerate(head):
        laid.add_column(
            Text(name),
            justify="left" if position < left else "right",
            no_wrap=widest is not None,
            overflow="fold" if widest is None else "ellipsis",
            max_width=widest,
        )
    for row in rows:
        laid.add_row(*map(Text, row))
    return laid


def render(parts: Iterable[str | Table], *, width: int = _WIDTH_OF_TEXTS) -> str:
    """Put texts and tables below each other as plain text.

    Args:
        parts: Each starts on a line of its own.
        width: Columns that a table may take.
    """
    stream = io.StringIO()
    to_stream = console(stream, width=width)
    for part in parts:
        if isinstance(part, str):
            # The reader's window breaks sentences.
            stream.write(part + "\n")
        else:
            to_stream.print(part)
    return "\n".join(line.rstrip() for line in stream.getvalue().splitlines()) + "\n"


def print_table(title: str, head: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print a title, a table of numbers, whose first column names the rows, and an empty line on standard output."""
    to_stream = console(sys.stdout)
    to_stream.print(title)  # above and not in the table, whose width it would be broken to
    to_stream.print(table(head, rows, widest=None))
    to_stream.print()


def console(stream: IO[str], *, width: int | None = None) -> Console:
    """A console that prints text as it is: ids and titles may look like markup.

    Args:
        stream: Where it prints.
        width: In columns; by default a terminal's own, and wide enough elsewhere.
    """
    from rich.console import Console

    plain = not stream.isatty()
    return Console(
        file=stream,
        width=_WIDE if width is None and plain else width,
        color_system=None if plain else "auto",
        markup=False,
        emoji=False,
        highlight=False,
    )
