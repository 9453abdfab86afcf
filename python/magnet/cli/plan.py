"""``magnet plan``: what a training will take, before it is begun."""

from typing import Annotated

import typer

from magnet.cli.options import (
    ConfigFile,
    DataPath,
    ItemColumn,
    Json,
    MinRating,
    Modalities,
    RatingColumn,
    Settings,
    Split,
    SplitSeed,
    Threads,
    UserColumn,
    read_data,
    set_threads,
)
from magnet.cli.terminal import print_json
from magnet.cli.train import make_model
from magnet.errors import ConfigError
from magnet.models.registry import MODELS
from magnet.tables import print_table

__all__ = ["plan"]

_USUAL = ("magnet", "lightgcn", "ease", "popularity")


def plan(
    path: DataPath,
    model: Annotated[
        list[str] | None,
        typer.Option(
            "--model",
            metavar="NAME",
            help=f"Repeatable; {', '.join(_USUAL)} by default. Of {', '.join(MODELS.own)}.",
        ),
    ] = None,
    split: Split = "split",
    split_seed: SplitSeed = 0,
    modalities: Modalities = None,
    user_column: UserColumn = None,
    item_column: ItemColumn = None,
    min_rating: MinRating = None,
    rating_column: RatingColumn = None,
    settings: Settings = None,
    config: ConfigFile = None,
    threads: Threads = None,
    as_json: Json = False,
) -> None:
    """Say about how much memory and time a training takes; nothing is trained.

    The work is counted from the sizes of data and model, and the machine's speed is measured in half a second. How
    many steps a training takes until it stops is a guess.
    """
    names = list(dict.fromkeys(model or _USUAL))
    if (settings or config is not None) and len(names) != 1:
        raise ConfigError("--set and --config are for one model: name it with --model NAME")
    models = {name: make_model(name, seed=0, config=config, settings=settings or []) for name in names}
    set_threads(threads)
    from magnet.memory import gigabytes
    from magnet.plan import forecast, measured_rates
    from magnet.runtime import num_threads
    from magnet.study.progress import duration

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
    rates = measured_rates()
    found = [forecast(dataset, name, one.config, rates) for name, one in models.items()]
    if as_json:
        print_json(
            {
                "data": dataset.name,
                "n_users": dataset.n_users,
                "n_items": dataset.n_items,
                "n_train": int(dataset.train.nnz),
                "threads": num_threads(),
                "gemm_gflops": rates.gemm / 1e9,
                "memory_gbytes": rates.memory / 1e9,
                "models": [one.to_json() for one in found],
            }
        )
        return

    def time(seconds: float | None) -> str:
        return "not known" if seconds is None else f"about {duration(seconds)}"

    rows = [[one.model, one.memory_text(), time(one.seconds), time(one.at_most)] for one in found]
    threads_text = f"{num_threads()} thread{'s' * (num_threads() > 1)}"
    title = (
        f"{dataset.name}: {dataset.n_users:,} users, {dataset.n_items:,} items, {dataset.train.nnz:,} training pairs; "
        f"{threads_text}, {rates.gemm / 1e9:.0f} GFLOP/s, {rates.memory / 1e9:.1f} GB/s"
    )
    print_table(title, ["model", "memory", "time", "at most"], rows)
    available = found[0].available
    if available is not None:
        typer.echo(f"This process may have about {gigabytes(available)} of memory.")
    typer.echo("Counted from sizes and measured rates; expect up to twice or half of it. Guesses:")
    for one in found:
        if one.guesses:
            typer.echo(f"  {one.model}: {'; '.join(one.guesses)}")
