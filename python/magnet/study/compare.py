"""``magnet.compare``: models x data x seeds in one call, resumable, with what the differences are worth."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from magnet.data import Dataset
from magnet.errors import ConfigError, nearest
from magnet.study.assemble import assembled
from magnet.study.contenders import contenders
from magnet.study.described import keep_description
from magnet.study.plan import check_asked, plan
from magnet.study.runner import run_all
from magnet.study.store import RunStore

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from magnet.api import Recommender
    from magnet.study.comparison import Comparison
    from magnet.study.contenders import Contender

__all__ = ["compare", "study"]


def compare(
    models: Mapping[str, str | Recommender] | Iterable[str | Recommender],
    data: Dataset | Mapping[str, Dataset] | Iterable[Dataset],
    *,
    seeds: Sequence[int] = (0, 1, 2),
    protocol: str = "strict",
    store: str | Path = "study",
    against: str | None = None,
    candidates: bool = False,
    progress: bool = True,
) -> Comparison:
    """Train every model on every data set with every seed, score the test part once, and compare.

    Validation chooses, within each run. What the store has already is not run again: a call that was interrupted, or
    that asks for one more model, goes on from there. Differences are averages over seeds, with paired bootstrap
    intervals over users.

    Args:
        models: Names of models, or unfitted models with settings of their own; as a mapping by the name that they have
            in tables. Their own seeds do not count.
        data: One data set or several; as a mapping by the name that they have in tables.
        seeds: Of the trainings. Models that draw nothing are run once.
        protocol: ``strict`` or ``mmrec``, of validation and test.
        store: Folder of the experiments; made if it is missing.
        against: Name of the model that the others are compared with; the first one if not given.
        candidates: Whether what a MAGNET could have delivered instead, its backbone, its constants and its stages, are
            rows of their own.
        progress: Whether to show progress on standard error.

    Returns:
        Rows, differences and slices, with ``text()``, ``markdown()``, ``latex()``, ``to_json()`` and ``plot(path)``.

    Raises:
        ConfigError: If a model, a setting, a seed or the protocol is wrong; nothing is run then.
        DataError: If a data set lacks a validation or test part; nothing is run then.
        RunError: If the store is something else, or cannot be written.

    Example:
        >>> import tempfile
        >>> import magnet
        >>> data = magnet.synthetic.generate("tiny").dataset
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     found = magnet.compare(["ease", "popularity"], data, store=folder, progress=False)
        >>> found.gap("popularity").found.mean < 0
        True
    """
    return study(
        contenders(models, candidates=candidates),
        data,
        seeds=seeds,
        protocol=protocol,
        store=store,
        against=against,
        progress=progress,
    )


def study(
    models: Sequence[Contender],
    data: Dataset | Mapping[str, Dataset] | Iterable[Dataset],
    *,
    seeds: Sequence[int],
    protocol: str,
    store: str | Path,
    against: str | None = None,
    pairs: Iterable[tuple[str, str]] = (),
    progress: bool = True,
) -> Comparison:
    """What :func:`compare` does, for models that are described already.

    Args:
        models: At least one.
        data: As :func:`compare` takes it; likewise all that is not named here.
        seeds: Of the trainings.
        protocol: Of validation and test.
        store: Folder of the experiments.
        against: Name of the model that the others are compared with.
        pairs: Labels of rows to be compared beside that.
        progress: Whether to show progress.

    Raises:
        ConfigError, DataError, RunError: As :func:`compare`.
    """
    named = _named(data)
    check_asked(named, seeds, protocol)
    names = [model.name for model in models]
    if against is not None and against not in names:
        raise ConfigError(f"against: no model {against!r} is compared{nearest(against, names)}")
    experiments = plan(models, named, list(seeds), protocol=protocol)
    there = RunStore(store)
    try:
        records = run_all(experiments, there, show=progress)
    except KeyboardInterrupt as stop:
        kept = sum(there.find(one.key) is not None for one in experiments)
        stop.args = (
            f"interrupted; {kept} of {len(experiments)} runs are in {there.path}, and the same command goes on from "
            "there",
        )
        raise
    for dataset in {id(one.dataset): one.dataset for one in experiments}.values():
        keep_description(dataset, there)  # what some of the models see of the data
    return assembled(
        experiments,
        records,
        {name: keep_description(dataset, there) for name, dataset in named.items()},
        protocol=protocol,
        reference=names[0] if against is None else against,
        pairs=pairs,
    )


def _named(data: Dataset | Mapping[str, Dataset] | Iterable[Dataset]) -> dict[str, Dataset]:
    if isinstance(data, Dataset):
        data = [data]
    if isinstance(data, Mapping):
        return dict(data)
    named: dict[str, Dataset] = {}
    for dataset in data:
        if dataset.name in named:
            raise ConfigError(
                f"two data sets are called {dataset.name!r}; give a mapping from names of their own to data sets"
            )
        named[dataset.name] = dataset
    return named
