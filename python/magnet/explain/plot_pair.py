"""The explanation of a pair as a picture: what adds how much to the score."""

from __future__ import annotations

from typing import TYPE_CHECKING

from magnet.explain.experts import ExpertInfo
from magnet.explain.figures import GREY, INK, expert_colours, new_figure, save

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from matplotlib.axes import Axes

    from magnet.explain.pair import PairExplanation

__all__ = ["plot_pair"]

_LISTED = 12
_LONGEST = 46


def plot_pair(pair: PairExplanation, path: str | Path) -> None:
    """Draw the contributions to a score.

    With a mixture two panels, each on a scale of its own, because the backbone may dwarf the experts:
    backbone, mixture and score; and the experts.
    """
    if not pair.experts:
        bars = [(_short(part.name), part.contribution, "#0072B2", "") for part in pair.history[:_LISTED]]
        rest = sum(part.contribution for part in pair.history[_LISTED:])
        if len(pair.history) > _LISTED:
            bars.append((f"{len(pair.history) - _LISTED} others", rest, GREY, ""))
        bars.append(("score", pair.score, INK, ""))
        figure = new_figure(8.0, 1.4 + 0.32 * len(bars))
        axis = figure.subplots()
        _bars(axis, bars)
        axis.set_xlabel("contribution to the score")
        _title(axis, pair)
        save(figure, path)
        return
    figure = new_figure(8.5, 3.0 + 0.36 * len(pair.experts))
    above, below = figure.subplots(2, 1, height_ratios=[3.2, 1.2 + len(pair.experts)])
    mixture = sum(part.contribution for part in pair.experts)
    _bars(
        above,
        [
            ("backbone", pair.backbone, GREY, ""),
            ("mixture", mixture, "#56B4E9", ""),
            ("score", pair.score, INK, ""),
        ],
    )
    _title(above, pair)
    colours = expert_colours([ExpertInfo(part.name, part.role, {}) for part in pair.experts])
    _bars(
        below,
        [
            (part.name, part.contribution, colour, f"{100 * part.weight:.0f} %" if part.weight else "unused")
            for part, colour in zip(pair.experts, colours, strict=True)
        ],
    )
    below.set_xlabel("contribution to the score of each expert, and the weight that the router gives it")
    save(figure, path)


def _bars(axis: Axes, bars: Sequence[tuple[str, float, str, str]]) -> None:
    """Draw ``(name, value, colour, note)`` from top to bottom, value and note at the end of each bar."""
    values = [value for _, value, _, _ in bars]
    axis.barh(range(len(bars)), values, color=[colour for _, _, colour, _ in bars], height=0.7)
    axis.set_yticks(range(len(bars)), [name for name, *_ in bars], fontsize=9, parse_math=False)
    axis.invert_yaxis()
    axis.axvline(0, color=INK, linewidth=0.8)
    # Room for the numbers beside the longest bars on both sides.
    low, high = min(0.0, *values), max(0.0, *values)
    room = 0.3 * ((high - low) or 1.0)
    axis.set_xlim(low - (room if low < 0 else 0.02 * room), high + room)
    for row, (_, value, _, note) in enumerate(bars):
        axis.annotate(
            f"{value:+.3f}" + (f"  ({note})" if note else ""),
            (value, row),
            xytext=(4 if value >= 0 else -4, 0),
            textcoords="offset points",
            ha="left" if value >= 0 else "right",
            va="center",
            fontsize=9,
        )
    axis.tick_params(axis="y", length=0)
    axis.spines[["top", "right", "left"]].set_visible(False)


def _title(axis: Axes, pair: PairExplanation) -> None:
    title = f"{pair.model}: user {pair.user_id}, item {_short(pair.item_name)}"
    axis.set_title(title, loc="left", fontsize=11, fontweight="bold", parse_math=False)


def _short(name: str) -> str:
    return name if len(name) <= _LONGEST else name[: _LONGEST - 1] + "…"
