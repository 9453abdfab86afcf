"""The options that several verbs share, and reading the data that they name."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from magnet.cli.terminal import tell_gist
from magnet.files import as_path

if TYPE_CHECKING:
    from magnet.data import Dataset

__all__ = [
    "DATA_OPTION",
    "ConfigFile",
    "Data",
    "DataPath",
    "ItemColumn",
    "Json",
    "MinRating",
    "Modalities",
    "Overwrite",
    "RatingColumn",
    "Run",
    "Settings",
    "Split",
    "SplitSeed",
    "Threads",
    "UserColumn",
    "Where",
    "read_data",
    "set_threads",
]


Run = Annotated[
    Path, typer.Argument(metavar="RUN", help="Folder of a run.", show_default=False, parser=as_path)
]
DataPath = Annotated[
    Path,
    typer.Argument(
        metavar="PATH",
        help="Folder with inter.tsv and features, or a file of interactions alone.",
        show_default=False,
        parser=as_path,
    ),
]
Split = Annotated[
    str,
    typer.Option(
        "--split",
        metavar="NAME",
        help="A column of inter.tsv, or a rule: mmrec, random, leave-last[:N], temporal[:SHARE|DATE], "
        "cold-items[:SHARE], cold-users[:SHARE], k-fold:F/K.",
    ),
]
SplitSeed = Annotated[int, typer.Option("--split-seed", help="Of a split that is drawn.")]
Modalities = Annotated[
    str | None,
    typer.Option(
        "--modalities", metavar="A,B", help="Features to use, by their file's stem; all by default."
    ),
]
UserColumn = Annotated[str | None, typer.Option("--user-column", help="If its name is not recognised.")]
ItemColumn = Annotated[str | None, typer.Option("--item-column", help="If its name is not recognised.")]
Where = Annotated[
    list[str] | None,
    typer.Option(
        "--where",
        metavar="CONDITION",
        help="On a column of the items, such as 'price<=10' or 'category=tea|cup'; repeatable, all must hold.",
    ),
]
MinRating = Annotated[
    float | None,
    typer.Option("--min-rating", metavar="N", help="Count only interactions that are rated so or better."),
]
RatingColumn = Annotated[str | None, typer.Option("--rating-column", help="If its name is not recognised.")]
Threads = Annotated[
    int | None, typer.Option("--threads", min=1, help="Of the kernels and of torch; all cores by default.")
]
DATA_OPTION = typer.Option(
    "--data",
    metavar="PATH",
    help="Folder with inter.tsv and features, or a file of interactions alone.",
    show_default=False,
    parser=as_path,
)
Data = Annotated[Path, DATA_OPTION]
Settings = Annotated[
    list[str] | None,
    typer.Option(
        "--set", metavar="KEY=VALUE", help="Of the model's configuration, parts with dots; repeatable."
    ),
]
ConfigFile = Annotated[
    Path | None,
    typer.Option("--config", metavar="FILE", help="The same in TOML; --set goes over it.", parser=as_path),
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document and nothing else.")]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace what is there.")]


def set_threads(threads: int | None) -> None:
    """Use that many threads, if it was asked for."""
    if threads is not None:
        from magnet.runtime import set_num_threads

        set_num_threads(threads)


def read_data(
    path: Path,
    *,
    split: str | None,
    modalities: str | None,
    split_seed: int = 0,
    user: str | None = None,
    item: str | None = None,
    min_rating: float | None = None,
    rating: str | None = None,
    tell: bool = False,
) -> "Dataset":
    """Read a folder, or a file that has a reader, as the options say.

    With ``tell``, for a verb that goes on with the data, what is odd about them is said in one line.

    Raises:
        DataError: If something is missing, empty, or breaks a rule.
    """
    from magnet.data import Dataset

    names = None if modalities is None else [name.strip() for name in modalities.split(",") if name.strip()]
    dataset = Dataset.read(
        path,
        split=split,
        modalities=names,
        user=user,
        item=item,
        seed=split_seed,
        min_rating=min_rating,
        rating=rating,
    )
    if tell:
        tell_gist(dataset.messages, path)
    return dataset
