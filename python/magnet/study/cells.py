"""Tables of texts, and how figures stand in them."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

from magnet.study.statistics import mean_and_deviation

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Cells", "markdown_table", "number", "percent", "signed", "spread"]


class Cells(NamedTuple):
    """A table of texts; the first ``left`` columns are names."""

    title: str
    head: list[str]
    rows: list[list[str]]
    left: int = 1


def markdown_table(cells: Cells) -> str:
    """One table with its title, and an empty line after it."""
    sides = ["---"] * cells.left + ["---:"] * (len(cells.head) - cells.left)
    head = [f"**{cells.title}**", "", _line(cells.head), f"|{'|'.join(sides)}|"]
    return "\n".join([*head, *map(_line, cells.rows), ""])


def number(value: float) -> str:
    """Four digits after the point, no zero before it.

    Example:
        >>> number(0.11064), number(-0.5), number(1.0), number(float("nan"))
        ('.1106', '-.5000', '1.0000', '')
    """
    if math.isnan(value):
        return ""
    shown = f"{value:.4f}"
    return shown.replace("0.", ".", 1) if shown.startswith(("0.", "-0.")) else shown


def signed(value: float) -> str:
    """The same with its sign, unless it is zero to four digits.

    Example:
        >>> signed(0.0012), signed(-0.0012), signed(-0.00001)
        ('+.0012', '-.0012', '.0000')
    """
    shown = number(value)
    if not shown.strip("-.0"):
        return shown.lstrip("-")
    return f"+{shown}" if value > 0 else shown


def percent(value: float) -> str:
    """A share in percent with its sign, unless it is zero to one digit.

    Example:
        >>> percent(0.0123), percent(-0.0004)
        ('+1.2%', '0.0%')
    """
    shown = f"{value:+.1%}"
    return shown if shown.strip("+-.0%") else "0.0%"


def spread(values: Sequence[float]) -> str:
    """Mean and standard deviation over seeds; the value alone where there is one."""
    mean, deviation = mean_and_deviation(values)
    return number(mean) if deviation is None else f"{number(mean)} ± {number(deviation)}"


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"
