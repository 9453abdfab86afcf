"""``magnet compare``: models x data x seeds in one command."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from magnet.choices import Protocol
from magnet.cli.config import pointer
from magnet.cli.options import (
    ItemColumn,
    Json,
    MinRating,
    Modalities,
    Overwrite,
    RatingColumn,
    Split,
    SplitSeed,
    Threads,
    UserColumn,
    read_data,
    set_threads,
)
from magnet.cli.study_options import (
    LatexFile,
    MarkdownFile,
    Outputs,
    PlotFile,
    Seeds,
    Store,
    read_seeds,
)
from magnet.cli.terminal import is_quiet
from magnet.errors import ConfigError, nearest
from magnet.files import as_path
from magnet.models.registry import MODELS

if TYPE_CHECKING:
    from magnet.api import Recommender

__all__ = ["compare"]


def compare(
    data: Annotated[
        list[Path],
        typer.Option(
            "--data",
            metavar="PATH",
            help="Folder with inter.tsv and features; repeatable.",
            show_default=False,
            parser=as_path,
        ),
    ],
    models: Annotated[
        str,
        typer.Option(
            "--models",
            metavar="A,B,NAME=C",
            help=f"{', '.join(MODELS.own)}, or ones that are registered; NAME=MODEL gives a row a name of its own.",
            show_default=False,
        ),
    ],
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="NAME:KEY=VALUE",
            help="Of one model; NAME: may lack where there is one. Repeatable.",
        ),
    ] = None,
    seeds: Seeds = "0,1,2",
    split: Split = "split",
    split_seed: SplitSeed = 0,
    modalities: Modalities = None,
    user_column: UserColumn = None,
    item_column: ItemColumn = None,
    min_rating: MinRating = None,
    rating_column: RatingColumn = None,
    protocol: Annotated[Protocol, typer.Option("--protocol", help="Of validation and test.")] = "strict",
    against: Annotated[
        str | None,
        typer.Option(
            "--against", metavar="NAME", help="What the others are compared with; the first if not given."
        ),
    ] = None,
    candidates: Annotated[
        bool,
        typer.Option(
            "--candidates", help="Rows for what MAGNET could have delivered: backbone, constants, stages."
        ),
    ] = False,
    store: Store = Path("study"),
    markdown: MarkdownFile = None,
    latex: LatexFile = None,
    plot: PlotFile = None,
    overwrite: Overwrite = False,
    threads: Threads = None,
    as_json: Json = False,
) -> None:
    """Train every model with every seed, score the test part once, and say what the differences are worth.

    Runs are kept in the store: after Ctrl-C, or with one more model or seed, the same command makes only what lacks.
    --overwrite is for the files of tables and plot; nothing in the store is ever replaced.
    """
    numbers = read_seeds(seeds)
    named = make_models(models, settings or [])
    outputs = Outputs(markdown, latex, plot, overwrite=overwrite)
    set_threads(threads)
    from magnet.study.compare import compare as run

    datasets = {}
    for path in data:
        dataset = read_data(
            path,
            split=split,
            split_seed=split_seed,
            modalities=modalities,
            user=user_column,
            item=item_column,
            min_rating=min_rating,
            rating=rating_column,
            tell=True,
        )
        datasets[dataset.name if dataset.name not in datasets else str(path)] = dataset
    found = run(
        named,
        datasets,
        seeds=numbers,
        protocol=protocol,
        store=store,
        progress=not is_quiet(),
        against=against,
        candidates=candidates,
    )
    outputs.deliver(found, as_json=as_json)


def make_models(models: str, settings: list[str]) -> "dict[str, Recommender]":
    """The models of a command line, by the names of their rows.

    Args:
        models: ``A,NAME=B``.
        settings: ``NAME:KEY=VALUE``, or ``KEY=VALUE`` for an only model.

    Raises:
        ConfigError: If a name is unknown or taken, or a setting is wrong or of no model.
    """
    from magnet.api import make
    from magnet.config import merge_settings
    from magnet.models.registry import find_model

    rows: dict[str, str] = {}
    for word in filter(None, (word.strip() for word in models.split(","))):
        name, _, model = (part.strip() for part in word.partition("="))
        if name in rows:
            raise ConfigError(
                f"--models: two rows are called {name!r}; give one a name of its own: NAME={name}"
            )
        find_model(model or name)
        rows[name] = model or name
    if not rows:
        raise ConfigError("--models: name at least one model")
    values: dict[str, dict[str, Any]] = {name: {} for name in rows}
    for setting in settings:
        key, equals, value = setting.partition("=")
        name, colon, rest = key.rpartition(":")
        if not colon:
            if len(rows) > 1:
                raise ConfigError(
                    f"--set {setting}: of which model? Write NAME:KEY=VALUE, with NAME one of {', '.join(rows)}"
                )
            name = next(iter(rows))
        if name not in rows:
            raise ConfigError(f"--set {setting}: no row is called {name!r}{nearest(name, rows)}")
        values[name] = merge_settings(values[name], [f"{rest}{equals}{value}"])
    made = {}
    for name, model in rows.items():
        try:
            made[name] = make(model, **values[name])
        except ConfigError as error:
            raise ConfigError(f"--set of {name}: {error}\n{pointer(model)}") from None
    return made
