"""A training as a picture: routing entropy, loads and validation over epochs, with stages and trigger."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from magnet.evaluate.metrics import metric_title
from magnet.explain.experts import ExpertInfo
from magnet.explain.figures import GREY, INK, expert_colours, new_figure, save

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from matplotlib.axes import Axes

    from magnet.explain.model import ModelExplanation

__all__ = ["plot_training"]

# Background colours of the stages; a stage of another name is grey.
_SHADES = {"fold": "#d0d0d0", "global": "#dff0e2", "coverage": "#d9e8f5", "specialisation": "#fdebd3"}
_PLAIN = "#e6e6e6"
# At most this many epochs without the router are drawn, as a multiple of those with it: more would leave the rest
# too little room.
_BEFORE = 0.75
_CURVES = (
    ("marginal_entropy", "marginal $H_m$", "#0072B2", "-"),
    ("pair_entropy", "per pair $H_s$", "#D55E00", "--"),
    ("load_entropy", "hard loads", "#999999", ":"),
    ("smoothed_load_entropy", "hard loads, smoothed\n(the trigger's view)", INK, "-."),
)


def plot_training(explained: ModelExplanation, path: str | Path) -> None:
    """Draw the course of a training.

    Panels: routing entropies and stacked hard loads, for a model with a router; and what validation chooses by.
    """
    training = explained.training
    routed = training.routed
    figure = new_figure(10.0, 8.2 if routed else 3.6)
    from matplotlib.ticker import MaxNLocator

    rows = 3 if routed else 1
    axes: list[Axes] = list(
        figure.subplots(rows, 1, sharex=True, squeeze=False, height_ratios=[1.15, 1.3, 1][-rows:])[:, 0]
    )
    shown, left_out = _shown(training.events, routed)
    for axis in axes:
        _stages(axis, explained, shown)
    if routed:
        _entropies(axes[0], explained, routed)
        _loads(axes[1], routed, explained.experts)
    _validation(axes[-1], explained, shown, left_out)
    # The title stands to the left, because the label of the trigger stands above the axes.
    figure.suptitle(f"{explained.model}: training", x=0.01, ha="left", fontsize=12, fontweight="bold")
    axes[-1].set_xlabel("epoch")
    axes[-1].set_xlim(shown[0]["epoch"] - 0.5, shown[-1]["epoch"] + 0.5)
    axes[-1].xaxis.set_major_locator(MaxNLocator(integer=True, steps=[1, 2, 5, 10], min_n_ticks=1))
    save(figure, path)


def _shown(
    events: Sequence[dict[str, Any]], routed: Sequence[dict[str, Any]]
) -> tuple[Sequence[dict[str, Any]], int]:
    """The epochs to draw, and how many are left out before them."""
    before = len(events) - len(routed)
    keep = round(_BEFORE * len(routed))
    # Leaving out only a few epochs would gain nothing.
    if not routed or before <= 2 * keep:
        return events, 0
    return events[before - keep :], before - keep


def _stages(axis: Axes, explained: ModelExplanation, shown: Sequence[dict[str, Any]]) -> None:
    first = shown[0]["epoch"]
    for stage in explained.training.stages:
        if stage.last >= first:
            shade = _SHADES.get(stage.name, _PLAIN)
            axis.axvspan(max(stage.first, first) - 0.5, stage.last + 0.5, color=shade, zorder=0)
    if explained.training.fired_at is not None:
        axis.axvline(
            explained.training.fired_at + 0.5, color=INK, linewidth=1.4, linestyle=(0, (4, 2)), zorder=5
        )
    axis.spines[["top", "right"]].set_visible(False)


def _entropies(axis: Axes, explained: ModelExplanation, routed: Sequence[dict[str, Any]]) -> None:
    fired = explained.training.fired_at
    drawn: list[float] = []
    for key, label, colour, style in _CURVES:
        # The controller does not update the smoothed entropy after the trigger.
        points = [
            (record["epoch"], record[key])
            for record in routed
            if record.get(key) is not None
            and not (key == "smoothed_load_entropy" and fired is not None and record["epoch"] > fired)
        ]
        if points:
            x, y = zip(*points, strict=True)
            axis.plot(
                x, y, style, color=colour, linewidth=1.8, label=label, marker="o" if len(x) == 1 else None
            )
            drawn += [value for value in y if np.isfinite(value)]
    axis.set_ylim(max(0.0, min(drawn, default=0.0) - 0.05), 1.03)
    axis.set_ylabel("entropy (share of log E)")
    axis.legend(loc="upper left", bbox_to_anchor=(1.01, 1.0), frameon=False, fontsize=9, borderaxespad=0)
    if fired is not None:
        axis.annotate(
            f"trigger ({explained.training.fired_by})",
            (fired + 0.5, 1.0),
            xycoords=("data", "axes fraction"),
            xytext=(0, 3),
            textcoords="offset points",
            ha="center",
            va="bottom",
            fontsize=9,
            color=INK,
        )


def _loads(axis: Axes, routed: Sequence[dict[str, Any]], experts: Sequence[ExpertInfo]) -> None:
    loads = np.array([record["loads"] for record in routed], dtype=np.float64)  # (T, E)
    edges = np.append([record["epoch"] - 0.5 for record in routed], routed[-1]["epoch"] + 0.5)
    tops = np.vstack([np.zeros(len(routed)), loads.T.cumsum(0)])  # (E + 1, T)
    tops = np.hstack([tops, tops[:, -1:]])  # a last column closes the last step
    names = [expert.name for expert in experts] or [f"expert {e + 1}" for e in range(loads.shape[1])]
    colours = expert_colours(experts or [ExpertInfo(name, "", {}) for name in names])
    for number, (name, colour) in enumerate(zip(names, colours, strict=True)):
        axis.fill_between(
            edges, tops[number], tops[number + 1], step="post", color=colour, label=name, linewidth=0
        )
        if number:
            axis.step(edges, tops[number], where="post", color="white", linewidth=0.7)
    axis.set_ylim(0, 1)
    axis.set_ylabel("hard load (share)")
    handles, labels = axis.get_legend_handles_labels()
    # The legend has the order of the areas, from top to bottom.
    axis.legend(
        handles[::-1],
        labels[::-1],
        loc="upper left",
        bbox_to_anchor=(1.01, 1.0),
        frameon=False,
        fontsize=9 if len(names) <= 10 else 6.5,
        labelspacing=0.3,
        borderaxespad=0,
    )


def _validation(
    axis: Axes, explained: ModelExplanation, shown: Sequence[dict[str, Any]], left_out: int
) -> None:
    from matplotlib.patches import Patch

    metric = explained.training.metric
    points = [(r["epoch"], r["valid"][metric]) for r in shown if r.get("valid", {}).get(metric) is not None]
    if points:
        x, y = zip(*points, strict=True)
        axis.plot(x, y, color="#0072B2", linewidth=1.8, marker="o", markersize=3, label="validation")
    training = explained.training
    backbone = training.stage("backbone")
    if backbone is not None and backbone.best is not None and len(training.stages) > 1:
        axis.axhline(backbone.best, color=GREY, linewidth=1.2, linestyle=":", label="best of the backbone")
    stage = training.stage(training.delivered)
    if stage is not None and stage.best is not None and (stage.best_epoch or 0) >= shown[0]["epoch"]:
        (star,) = axis.plot([stage.best_epoch or 0], [stage.best], "*", label="delivered", zorder=6)
        star.set(color="#D55E00", markersize=13, markeredgecolor="white")
    axis.set_ylabel(metric_title(metric))
    axis.margins(y=0.15)
    if left_out:
        axis.text(
            0.006,
            0.03,
            f"the first {left_out} epochs are not shown",
            transform=axis.transAxes,
            fontsize=8,
            color=INK,
        )
    handles, labels = axis.get_legend_handles_labels()
    for known in training.stages:
        if known.last >= shown[0]["epoch"]:
            handles.append(Patch(color=_SHADES.get(known.name, _PLAIN)))
            labels.append(f"stage: {known.name}")
    axis.legend(
        handles,
        labels,
        loc="upper left",
        bbox_to_anchor=(1.01, 1.0),
        frameon=False,
        fontsize=9,
        borderaxespad=0,
    )
