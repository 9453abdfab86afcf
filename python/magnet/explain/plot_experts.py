"""The use of experts as a picture: a heat map by group, and beside it the roles."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from magnet.explain.figures import INK, new_figure, role_colours, save

if TYPE_CHECKING:
    from pathlib import Path

    from matplotlib.axes import Axes

    from magnet.explain.model import ExpertUse, ModelExplanation

__all__ = ["plot_experts"]

# Numbers in cells are smaller above the first number of experts, and left out above the second.
_LARGE, _MANY = 10, 24


def plot_experts(explained: ModelExplanation, path: str | Path) -> None:
    """Draw mean weights after the top k on held-out pairs: experts by group, and roles by group."""
    use = [group for group in explained.use if group.routing.n_pairs] or explained.use[:1]
    n_experts = len(explained.experts)
    figure = new_figure(5.2 + max(4.6, 0.58 * n_experts), 2.6 + 0.42 * len(use))
    heat, bars = figure.subplots(1, 2, sharey=True, width_ratios=[max(2.0, 0.27 * n_experts), 1.15])
    _heat(heat, explained, use)
    _bars(bars, use)
    for axis in (heat, bars):
        for number in range(1, len(use)):
            if use[number].kind != use[number - 1].kind:
                axis.axhline(
                    number - 0.5, color="white" if axis is heat else INK, linewidth=3 if axis is heat else 0.8
                )
    save(figure, path)


def _heat(axis: Axes, explained: ModelExplanation, use: list[ExpertUse]) -> None:
    weights = 100 * np.array([group.routing.weights for group in use])  # (G, E)
    top = max(float(weights.max()), 1e-9)
    axis.imshow(weights, cmap="Blues", vmin=0, vmax=top, aspect="auto")
    axis.set_xticks(
        range(len(explained.experts)),
        [e.name for e in explained.experts],
        rotation=40,
        ha="right",
        rotation_mode="anchor",
    )
    axis.tick_params(axis="x", labelsize=9, length=0)
    axis.set_yticks(range(len(use)), [_label(group) for group in use], fontsize=9)
    axis.tick_params(axis="y", length=0)
    axis.set_title(
        f"{explained.model}: mean weight of each expert, in %", loc="left", fontsize=11, fontweight="bold"
    )
    if len(explained.experts) <= _MANY:
        for row, column in np.ndindex(*weights.shape):
            value = weights[row, column]
            axis.text(
                column,
                row,
                f"{value:.0f}",
                ha="center",
                va="center",
                fontsize=9 if len(explained.experts) <= _LARGE else 7,
                color="white" if value > 0.6 * top else "black",
            )
    roles = [e.role for e in explained.experts]
    for number in range(1, len(roles)):
        if roles[number] != roles[number - 1]:
            axis.axvline(number - 0.5, color="white", linewidth=3)
    axis.spines[:].set_visible(False)


def _bars(axis: Axes, use: list[ExpertUse]) -> None:
    rows = np.arange(len(use))
    left = np.zeros(len(use))
    for role, colour in role_colours(list(use[0].roles)).items():
        shares = np.array([100 * group.roles[role] for group in use])
        axis.barh(rows, shares, left=left, height=0.72, color=colour, label=role, edgecolor="white")
        left += shares
    axis.set_xlim(0, 100)
    axis.set_xlabel("weight by role, in %")
    axis.tick_params(axis="y", length=0)
    axis.spines[["top", "right", "left"]].set_visible(False)
    axis.legend(
        loc="lower left",
        bbox_to_anchor=(0.0, 1.0),
        frameon=False,
        fontsize=9,
        ncols=1,
        labelspacing=0.2,
        borderaxespad=0.2,
    )


def _label(group: ExpertUse) -> str:
    n = f"{group.routing.n_pairs:,} pairs"
    if group.kind == "all":
        return f"all held-out pairs ({n})"
    if group.kind == "users":
        return f"users with {group.name} items ({n})"
    return f"items with {group.name} users ({n})"
