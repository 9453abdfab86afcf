"""``magnet.tune``: a model's settings chosen on validation, with a budget that is the same for every model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from magnet.data.given import as_whole
from magnet.errors import ConfigError
from magnet.models.registry import find_model
from magnet.models.space import check_space
from magnet.study.contenders import contenders
from magnet.study.identity import experiment
from magnet.study.plan import check_asked
from magnet.study.search import COMPARED, EARLIEST, STARTUP, Search
from magnet.study.store import RunStore
from magnet.study.trials import TrialLog
from magnet.study.tuner import TUNED, Budget, Tuner
from magnet.study.tuning import Tuning
from magnet.study.untested import without_test

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from magnet.api import Recommender
    from magnet.data import Dataset
    from magnet.models.space import Dimension, Space
    from magnet.study.contenders import Contender

__all__ = ["FINALISTS", "TRIALS", "tune"]

TRIALS = 20
"""The budget of every model."""

FINALISTS = 3
"""The best trials, which are run again with every seed."""


def tune(
    data: Dataset,
    model: str | Recommender,
    *,
    space: Space | None = None,
    trials: int = TRIALS,
    minutes: float | None = None,
    seeds: Sequence[int] = (0, 1, 2),
    finalists: int = FINALISTS,
    protocol: str = "strict",
    store: str | Path = "study",
    progress: bool = True,
) -> Tuning:
    """Choose a model's settings on validation.

    Trials see no test interaction. The first one has the settings that are given; the others are drawn from the space,
    and given up where validation falls behind. The best few are run again with every seed, and the best mean is chosen.
    The same call tries the same settings, and goes on where it was interrupted; what the store has is not run again.

    Args:
        data: Interactions and features, with a validation part.
        model: Name of a model, or an unfitted one with settings that every trial shares.
        space: What to search, laid over what the model declares: by setting, parts with dots, a tuple of two ends or a
            list of values; a single value fixes a setting. Positive ends of a factor of ten or more are searched by
            their logarithm.
        trials: How many settings are tried at most, those given up included.
        minutes: Begin no trial after so much training; None for no limit.
        seeds: Of the final choice; trials have the first one.
        finalists: How many of the best trials are run with every seed.
        protocol: Of validation, ``strict`` or ``mmrec``.
        store: Folder of the experiments, shared with :func:`magnet.compare`.
        progress: Whether to show progress on standard error.

    Returns:
        Trials, finalists and the chosen settings, with ``text()``, ``to_json()``, ``toml()`` and ``recommender()``.

    Raises:
        ConfigError: If the model, a setting, the space, a seed or the protocol is wrong, or there is nothing to search.
        DataError: If the data lack a validation part, or a number is out of range.
        MissingExtraError: If Optuna is not installed.
        RunError: If the store is something else, or cannot be written.
        TrainingError: If no trial could be trained to its end.

    Example:
        >>> import tempfile
        >>> import magnet
        >>> data = magnet.synthetic.generate("tiny").dataset
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     found = magnet.tune(data, "ease", trials=4, store=folder, progress=False)
        >>> found.settings["regularization"] < 200
        True
    """
    (given,) = contenders([model])
    budget = Budget(as_whole(trials, "trials", least=1), minutes, as_whole(finalists, "finalists", least=1))
    if minutes is not None and not minutes > 0:
        raise ConfigError(f"minutes must be more than 0, got {minutes}; leave it out for no limit")
    check_asked({data.name: data}, seeds, protocol, parts=TUNED)
    searched = _searched(given, space)
    search = Search(searched, seed=seeds[0])
    there = RunStore(store)
    config = given.recommender(seeds[0]).config
    described = {
        **experiment(data, given.model, config, seed=seeds[0], protocol=protocol, parts=TUNED),
        "space": [repr(one) for one in searched.values()],
        "search": {"startup": STARTUP, "compared": COMPARED, "earliest": EARLIEST},
    }
    tuner = Tuner(
        given,
        without_test(data),
        search,
        TrialLog(there, described),
        there,
        budget=budget,
        seeds=list(seeds),
        protocol=protocol,
        show=progress,
    )
    made, best = tuner.run()
    return Tuning(
        model=given.model,
        data=data.name,
        source=data.source,
        protocol=protocol,
        space=[str(one) for one in searched.values()],
        trials=made,
        finalists=best,
        store=there.path,
    )


def _searched(given: Contender, space: Space | None) -> dict[str, Dimension]:
    entry = find_model(given.model)
    asked = check_space(entry.config, space or {}, base=given.settings, where=f"space of {given.model}")
    declared = {
        key: one
        for key, one in entry.space.items()
        # What differs from the default was set on purpose.
        if key not in _keys(given.settings)
    }
    found = {**declared, **asked}
    if found:
        return found
    if entry.config.model_fields:
        raise ConfigError(
            f"{given.model} declares nothing to search; give a space, as in {{'l2': (1e-4, 1e-1)}} or "
            f"--space KEY=LOW..HIGH (`magnet config {given.model}` lists every setting)"
        )
    raise ConfigError(f"{given.model} has no settings, so there is nothing to tune")


def _keys(settings: Mapping[str, Any], prefix: str = "") -> set[str]:
    keys = set()
    for name, value in settings.items():
        keys.add(f"{prefix}{name}")
        if isinstance(value, Mapping):
            keys |= _keys(value, f"{prefix}{name}.")
    return keys
