"""``magnet ablate``: every control and switch of MAGNET in one table."""

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
from magnet.cli.train import make_model

__all__ = ["ablate"]


def ablate(
    data: Data,
    controls: Annotated[
        str,
        typer.Option(
            "--controls",
            metavar="A,B",
            help="Names, or all, mixture, backbone, modalities, none.",
        ),
    ] = "all",
    seeds: Seeds = "0,1,2",
    split: Split = "split",
    split_seed: SplitSeed = 0,
    modalities: Modalities = None,
    user_column: UserColumn = None,
    item_column: ItemColumn = None,
    min_rating: MinRating = None,
    rating_column: RatingColumn = None,
    protocol: Annotated[Protocol, typer.Option("--protocol", help="Of validation and test.")] = "strict",
    settings: Settings = None,
    config: ConfigFile = None,
    store: Store = Path("study"),
    markdown: MarkdownFile = None,
    latex: LatexFile = None,
    plot: PlotFile = None,
    overwrite: Overwrite = False,
    threads: Threads = None,
    as_json: Json = False,
) -> None:
    """Compare MAGNET with its parts and with itself less one thing at a time.

    Controls of the mixture take the backbone of the plain run of their seed; the others train their own. Runs are kept
    in the store of magnet compare, and made once.
    """
    numbers = read_seeds(seeds)
    model = make_model("magnet", seed=0, config=config, settings=settings or [])
    outputs = Outputs(markdown, latex, plot, overwrite=overwrite)
    set_threads(threads)
    from magnet.study.ablate import ablate as run

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
        model,
        controls=[name.strip() for name in controls.split(",") if name.strip()],
        seeds=numbers,
        protocol=protocol,
        store=store,
        progress=not is_quiet(),
    )
    outputs.deliver(found, as_json=as_json)
