"""``magnet tune``: a model's settings chosen on validation."""

from pathlib import Path
from typing import Annotated

import typer

from magnet.choices import Protocol
from magnet.cli.options import (
    ConfigFile,
    Data,
    ItemColumn,
    Json,
    MinRating,
    Modalities,
    Overwrite,
    RatingColumn,
    Settings,
    Split,
    SplitSeed,
    Threads,
    UserColumn,
    read_data,
    set_threads,
)
from magnet.cli.study_options import Seeds, Store, read_seeds
from magnet.cli.terminal import check_free, is_quiet, new_file, print_json
from magnet.cli.train import make_model
from magnet.files import as_path
from magnet.models.registry import MODELS

__all__ = ["tune"]


def tune(
    data: Data,
    model: Annotated[
        str,
        typer.Option(
            "--model",
            metavar="NAME",
            help=f"{', '.join(MODELS.own)}, or one that is registered.",
            show_default=False,
        ),
    ],
    space: Annotated[
        list[str] | None,
        typer.Option(
            "--space",
            metavar="KEY=LOW..HIGH",
            help="What to search, or KEY=A|B|C, over what the model declares; KEY=A fixes it. Repeatable.",
        ),
    ] = None,
    trials: Annotated[
        int, typer.Option("--trials", min=1, help="Settings to try at most, those given up included.")
    ] = 20,
    minutes: Annotated[
        float | None, typer.Option("--minutes", help="Begin no trial after so much training.")
    ] = None,
    seeds: Seeds = "0,1,2",
    finalists: Annotated[
        int, typer.Option("--finalists", min=1, help="Best trials that are run with every seed.")
    ] = 3,
    split: Split = "split",
    split_seed: SplitSeed = 0,
    modalities: Modalities = None,
    user_column: UserColumn = None,
    item_column: ItemColumn = None,
    min_rating: MinRating = None,
    rating_column: RatingColumn = None,
    protocol: Annotated[Protocol, typer.Option("--protocol", help="Of validation.")] = "strict",
    settings: Settings = None,
    config: ConfigFile = None,
    store: Store = Path("study"),
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", metavar="FILE", help="Write the chosen settings, for train --config.", parser=as_path
        ),
    ] = None,
    overwrite: Overwrite = False,
    threads: Threads = None,
    as_json: Json = False,
) -> None:
    """Try settings of a model, choose on validation alone, and say what was chosen.

    Every model has the same number of trials. Those that fall behind are given up, the best few are run again with
    every seed. Trials are kept in the store of magnet compare: after Ctrl-C the same command goes on. --overwrite is
    for the file of settings.
    """
    numbers = read_seeds(seeds)
    recommender = make_model(model, seed=0, config=config, settings=settings or [])
    if out is not None:
        check_free(out, overwrite=overwrite)
    set_threads(threads)
    from magnet.models.space import read_space
    from magnet.study.tune import tune as run

    asked = read_space(space or [])
    dataset = read_data(
        data,
        split=split,
        split_seed=split_seed,
        modalities=modalities,
        user=user_column,
        item=item_column,
        min_rating=min_rating,
        rating=rating_column,
        tell=True,
    )
    found = run(
        dataset,
        recommender,
        space=asked,
        trials=trials,
        minutes=minutes,
        seeds=numbers,
        finalists=finalists,
        protocol=protocol,
        store=store,
        progress=not is_quiet(),
    )
    if out is not None:
        with new_file(out, overwrite=overwrite) as temporary:
            temporary.write_text(found.toml(str(out)), encoding="utf-8")
    if as_json:
        print_json(found.to_json())
    else:
        typer.echo(found.text(), nl=False)
