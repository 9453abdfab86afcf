"""``magnet data``: look at data before training, check them, or make some with planted truth."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from magnet.choices import Difficulty, Size
from magnet.cli.examples import examples
from magnet.cli.options import (
    DataPath,
    ItemColumn,
    Json,
    MinRating,
    Modalities,
    Overwrite,
    RatingColumn,
    Split,
    SplitSeed,
    UserColumn,
    read_data,
)
from magnet.cli.reshape import convert, filter_data
from magnet.cli.terminal import note, print_json
from magnet.files import as_path
from magnet.tables import print_table

if TYPE_CHECKING:
    from magnet.data import Dataset

__all__ = ["app"]

NEIGHBOURS = 10  # k of the graphs whose lift is shown; what MAGNET uses by default

app = typer.Typer(no_args_is_help=True, help="Describe, check, convert, filter or generate data.")
app.command("convert", epilog=examples("data convert"))(convert)
app.command("filter", epilog=examples("data filter"))(filter_data)


@app.command("describe", epilog=examples("data describe"))
def describe_data(
    path: DataPath,
    split: Split = "split",
    split_seed: SplitSeed = 0,
    modalities: Modalities = None,
    user_column: UserColumn = None,
    item_column: ItemColumn = None,
    min_rating: MinRating = None,
    rating_column: RatingColumn = None,
    as_json: Json = False,
) -> None:
    """Print sizes, density, degree quantiles, and of every modality missing rows and lift.

    Lift: how many times more users two neighbours in a modality share than two random items; 1 says nothing.
    """
    from magnet.data.describe import describe

    dataset = read_data(
        path,
        split=split,
        modalities=modalities,
        split_seed=split_seed,
        user=user_column,
        item=item_column,
        min_rating=min_rating,
        rating=rating_column,
    )
    document = describe(dataset, lifts=lifts(dataset)).as_dict()
    if as_json:
        print_json(document)
        return
    for message in document["messages"]:
        note(message)
    _print(document)


@app.command("check", epilog=examples("data check"))
def check(
    path: DataPath,
    split: Split = "split",
    split_seed: SplitSeed = 0,
    modalities: Modalities = None,
    user_column: UserColumn = None,
    item_column: ItemColumn = None,
    min_rating: MinRating = None,
    rating_column: RatingColumn = None,
    as_json: Json = False,
) -> None:
    """Read the data as training would, and say what is wrong or odd."""
    dataset = read_data(
        path,
        split=split,
        modalities=modalities,
        split_seed=split_seed,
        user=user_column,
        item=item_column,
        min_rating=min_rating,
        rating=rating_column,
    )
    document = {
        "name": dataset.name,
        "n_users": dataset.n_users,
        "n_items": dataset.n_items,
        "n_interactions": int(dataset.users.size),
        "modalities": list(dataset.modalities),
        "messages": list(dataset.messages),
        "content_hash": dataset.content_hash,
    }
    if as_json:
        print_json(document)
        return
    for message in dataset.messages:
        typer.echo(f"note: {message}")
    typer.echo(
        f"{path}: fit to train on: {dataset.n_users:,} users, {dataset.n_items:,} items, "
        f"{dataset.users.size:,} interactions, modalities {', '.join(dataset.modalities) or 'none'}"
    )


@app.command("synthetic", epilog=examples("data synthetic"))
def synthetic(
    out: Annotated[
        Path,
        typer.Option("--out", metavar="PATH", help="Folder to write.", show_default=False, parser=as_path),
    ],
    size: Annotated[
        Size, typer.Option("--size", help="240 users and 160 items, or 3,000 and 1,500.")
    ] = "demo",
    seed: Annotated[int, typer.Option("--seed", help="Equal seeds give equal data.")] = 0,
    difficulty: Annotated[Difficulty, typer.Option("--difficulty", help="Of the features.")] = "standard",
    overwrite: Overwrite = False,
    as_json: Json = False,
) -> None:
    """Generate data in which the cue that drives each user is known, and write them with their truth."""
    from magnet.synthetic.generator import generate
    from magnet.synthetic.write import write_folder

    made = generate(size, seed=seed, difficulty=difficulty)
    folder = write_folder(made, out, overwrite=overwrite)
    dataset = made.dataset
    document = {
        "path": str(folder),
        "name": dataset.name,
        "seed": seed,
        "difficulty": difficulty,
        "n_users": dataset.n_users,
        "n_items": dataset.n_items,
        "n_interactions": int(dataset.users.size),
    }
    if as_json:
        print_json(document)
        return
    typer.echo(
        f"{folder}: {dataset.n_users:,} users, {dataset.n_items:,} items, "
        f"{dataset.users.size:,} interactions, and what drives each user in truth.npz"
    )


def lifts(dataset: "Dataset") -> dict[str, float]:
    """Lift of every modality, by its graph of ten nearest neighbours."""
    from magnet.graph.build import lift
    from magnet.graph.cache import cached_knn

    return {
        name: lift(dataset.train, cached_knn(modality.features, NEIGHBOURS, present=modality.present))
        for name, modality in dataset.modalities.items()
    }


def _print(figures: dict[str, Any]) -> None:
    sizes = [
        ["users", f"{figures['n_users']:,}"],
        ["items", f"{figures['n_items']:,}"],
        ["interactions", f"{figures['n_interactions']:,}"],
        ["density", f"{figures['density']:.4%}"],
        *([part, f"{count:,}"] for part, count in figures["parts"].items()),
        *([f"users in {part}", f"{count:,}"] for part, count in figures["users_in"].items()),
        ["users without a training interaction", f"{figures['cold_users']:,}"],
        ["items without a training interaction", f"{figures['cold_items']:,}"],
    ]
    print_table(figures["name"], ["", "count"], sizes)
    degrees = {"of a user": figures["user_degrees"], "of an item": figures["item_degrees"]}
    names = list(figures["user_degrees"])
    rows = [[whose, *(f"{values[name]:g}" for name in names)] for whose, values in degrees.items()]
    print_table("Training interactions", ["", *names], rows)
    if figures["modalities"]:
        table = [
            [name, f"{m['width']:,}", m["dtype"], f"{m['missing']:,}", f"{m['lift']:.2f}"]
            for name, m in figures["modalities"].items()
        ]
        print_table("Modalities", ["", "width", "type", "missing rows", "lift"], table)
