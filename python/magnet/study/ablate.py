"""``magnet.ablate``: every control and switch of MAGNET in one table."""

from __future__ import annotations

from typing import TYPE_CHECKING

from magnet.config import changed
from magnet.errors import ConfigError
from magnet.models.registry import find_model
from magnet.study.compare import study
from magnet.study.contenders import ROUTED
from magnet.study.controls import PLAIN, ablation

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from magnet.api import Recommender
    from magnet.data import Dataset
    from magnet.study.comparison import Comparison

__all__ = ["ablate"]


def ablate(
    data: Dataset,
    model: Recommender | None = None,
    *,
    controls: str | Iterable[str] = "all",
    seeds: Sequence[int] = (0, 1, 2),
    protocol: str = "strict",
    store: str | Path = "study",
    progress: bool = True,
) -> Comparison:
    """Compare MAGNET with itself, less one thing at a time.

    Rows are what it delivers and its candidates (backbone alone, constants alone, each stage), then every control: of
    the mixture, which take the backbone of the plain run of their seed; of the backbone, which train their own; and
    each modality taken away. Controls of the mixture are compared as delivered and as *routed*, where validation cannot
    fall back on a part that the control leaves alone.

    Args:
        data: Interactions and features.
        model: An unfitted :class:`magnet.Magnet` with settings that all rows share; the defaults if not given.
        controls: Names as in :mod:`magnet.study.controls`, or ``all``, ``mixture``, ``backbone``, ``modalities`` or
            ``none``.
        seeds: Of the trainings.
        protocol: ``strict`` or ``mmrec``.
        store: Folder of the experiments, shared with :func:`magnet.compare`.
        progress: Whether to show progress on standard error.

    Returns:
        As :func:`magnet.compare`.

    Raises:
        ConfigError: If a control is unknown, or the model is not MAGNET.
        DataError, RunError: As :func:`magnet.compare`.
    """
    settings = {}
    if model is not None:
        if model.name != "magnet":
            raise ConfigError(
                f"only MAGNET has controls, and {model.name!r} was given; compare it with magnet.compare"
            )
        settings = changed(model.config.resolved(), find_model("magnet").config.build().resolved())
    return study(
        ablation(settings, data.modalities, controls),
        data,
        seeds=seeds,
        protocol=protocol,
        store=store,
        against=PLAIN,
        # Does looking at the pair bring more than constants do?
        pairs=[(f"{PLAIN}: {ROUTED}", f"{PLAIN}: global")],
        progress=progress,
    )
