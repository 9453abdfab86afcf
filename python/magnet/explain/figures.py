"""What all plots share: matplotlib when it is there, colours, and files."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

from magnet.errors import DataError, MagnetError, MissingExtraError
from magnet.files import as_path

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from matplotlib.figure import Figure

    from magnet.explain.experts import ExpertInfo

__all__ = ["GREY", "INK", "expert_colours", "new_figure", "role_colours", "save"]

INK, GREY = "#222222", "#888888"
# Okabe and Ito's colours, told apart with any kind of colour blindness.
_ROLES = {"dominant": "#0072B2", "balanced": "#E69F00", "complementary": "#009E73"}
_OTHERS = ("#CC79A7", "#56B4E9", "#D55E00", "#999999")
_FORMATS = (".png", ".svg", ".pdf")
_DPI = 150
# The lightest shade of a role keeps this much of its colour.
_LIGHTEST = 0.3


def new_figure(width: float, height: float) -> Figure:
    """An empty figure of a size in inches, which belongs to no window.

    Raises:
        MissingExtraError: If matplotlib is not installed.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise MissingExtraError("plots need matplotlib: pip install 'magnet-rec[report]'") from None
    return Figure(figsize=(width, height), layout="constrained")


def save(figure: Figure, path: str | Path) -> None:
    """Write a figure to a file.

    Raises:
        DataError: If the file's ending is none of .png, .svg and .pdf.
        MagnetError: If the file cannot be written.
    """
    path = as_path(path)
    if path.suffix.lower() not in _FORMATS:
        raise DataError(f"{path}: a plot's file must end in {', '.join(_FORMATS)}, not in {path.suffix!r}")
    try:
        with warnings.catch_warnings():
            # The font may lack letters of a title: matplotlib draws boxes instead, and the plot is still useful.
            warnings.filterwarnings("ignore", message="Glyph .* missing")
            figure.savefig(path, dpi=_DPI)
    except OSError as error:
        raise MagnetError(
            f"{path}: the plot cannot be written ({error.strerror}); choose a folder that exists and is yours"
        ) from error


def role_colours(roles: Sequence[str]) -> dict[str, str]:
    """A colour for each role."""
    unknown = [role for role in roles if role not in _ROLES]
    spare = {role: _OTHERS[position % len(_OTHERS)] for position, role in enumerate(unknown)}
    return {role: _ROLES.get(role) or spare[role] for role in roles}


def expert_colours(experts: Sequence[ExpertInfo]) -> list[str]:
    """A colour for each expert: shades of its role's, the first one the strongest."""
    base = role_colours([expert.role for expert in experts])
    totals: dict[str, int] = {}
    for expert in experts:
        totals[expert.role] = totals.get(expert.role, 0) + 1
    used: dict[str, int] = {}
    colours = []
    for expert in experts:
        position = used.get(expert.role, 0)
        used[expert.role] = position + 1
        kept = 1 - (1 - _LIGHTEST) * position / max(1, totals[expert.role] - 1)
        channels = (int(base[expert.role][at : at + 2], 16) for at in (1, 3, 5))
        colours.append("#" + "".join(f"{round(255 - kept * (255 - channel)):02x}" for channel in channels))
    return colours
