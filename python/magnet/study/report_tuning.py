"""A tuning as tables for a terminal, and its settings as TOML."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from magnet.evaluate.metrics import TARGET, metric_title
from magnet.study.cells import number, spread
from magnet.study.commands import train_command
from magnet.study.progress import duration
from magnet.study.scoring import METRICS
from magnet.study.search import need
from magnet.tables import render, table

if TYPE_CHECKING:
    from rich.table import Table

    from magnet.study.trials import Trial
    from magnet.study.tuning import Tuning

__all__ = ["text", "toml"]

_WIDTH = 160
_ORDER = ("complete", "pruned", "failed")


def text(found: Tuning) -> str:
    """All trials, the best first; the finalists over seeds; what was chosen."""
    titles = [f"validation {metric_title(metric)}" for metric in METRICS]
    keys = list(found.trials[0].params)
    counts = {state: sum(trial.state == state for trial in found.trials) for state in _ORDER}
    spent = duration(sum(trial.seconds for trial in found.trials))
    ordered = sorted(
        found.trials, key=lambda trial: (_ORDER.index(trial.state), -_reached(trial), trial.number)
    )
    parts: list[str | Table] = [
        f"{found.model} on {found.data}: {len(found.trials)} trials in {spent}, {counts['pruned']} given up, "
        f"{counts['failed']} failed; validation part, protocol {found.protocol}; test was not looked at",
        f"searched: {', '.join(found.space)}",
        "",
        table(
            ["trial", *keys, *titles, "time", ""],
            [
                [
                    str(trial.number + 1),
                    *(_shown(trial.params[key]) for key in keys),
                    *(number(trial.metrics[m]) if m in trial.metrics else "" for m in METRICS),
                    duration(trial.seconds),
                    _said(trial),
                ]
                for trial in ordered
            ],
            title="Trials, the best first; trial 1 has the settings that tuning began with",
        ),
        "",
        table(
            ["trial", "seeds", *titles, ""],
            [
                [
                    str(finalist.number + 1),
                    str(len(finalist.seeds)),
                    *(spread(finalist.metrics[metric]) for metric in METRICS),
                    "" if place else "chosen",
                ]
                for place, finalist in enumerate(found.finalists)
            ],
            title="Final choice; means over seeds, ± standard deviation",
        ),
        "",
        toml(found).rstrip(),
    ]
    return render(parts, width=_WIDTH)


def _reached(trial: Trial) -> float:
    return trial.value if trial.state == "complete" else max(trial.steps, default=0.0)


def _said(trial: Trial) -> str:
    if trial.state == "pruned":
        return f"given up at {number(max(trial.steps))}"
    return "failed" if trial.state == "failed" else ""


def _shown(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def toml(found: Tuning, config: str = "FILE.toml") -> str:
    """The chosen settings, with the command that they are for.

    Args:
        found: The tuning.
        config: Name of the file.

    Raises:
        MissingExtraError: If tomli-w is not installed.
    """
    writer = need("tomli_w")
    chosen = found.finalists[0]
    command = train_command(found.model, found.source, found.protocol, config)
    over = f" over seeds {', '.join(map(str, chosen.seeds))}" if len(chosen.seeds) > 1 else ""
    lines = [
        *([] if command is None else [f"# {command}"]),
        f"# Chosen on validation from {len(found.trials)} trials: {metric_title(TARGET)} "
        f"{spread(chosen.metrics[TARGET])}{over}; only what differs from the defaults.",
    ]
    return "\n".join([*lines, writer.dumps(found.settings)])
