"""``magnet data convert`` and ``magnet data filter``: read data of any kind, and write them as a folder."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from magnet.cli.options import (
    DataPath,
    ItemColumn,
    Json,
    MinRating,
    Modalities,
    Overwrite,
    RatingColumn,
    SplitSeed,
    UserColumn,
    read_data,
)
from magnet.cli.terminal import note, print_json
from magnet.files import as_path

if TYPE_CHECKING:
    from magnet.data import Dataset

__all__ = ["convert", "filter_data"]

Out = Annotated[
    Path,
    typer.Option("--out", metavar="FOLDER", help="Folder to write.", show_default=False, parser=as_path),
]
MaybeSplit = Annotated[
    str | None,
    typer.Option(
        "--split",
        metavar="NAME",
        help="A column or a rule, as training takes it; by default the column split, if there is one.",
    ),
]


def convert(
    path: DataPath,
    out: Out,
    split: MaybeSplit = None,
    split_seed: SplitSeed = 0,
    modalities: Modalities = None,
    user_column: UserColumn = None,
    item_column: ItemColumn = None,
    min_rating: MinRating = None,
    rating_column: RatingColumn = None,
    overwrite: Overwrite = False,
    as_json: Json = False,
) -> None:
    """Read data of any kind, and write them as a folder that is read to the same content."""
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
    _deliver(dataset, out, overwrite=overwrite, as_json=as_json)


def filter_data(
    path: DataPath,
    out: Out,
    min_user: Annotated[
        int, typer.Option("--min-user-count", min=0, help="Interactions that every user keeps at least.")
    ] = 0,
    min_item: Annotated[
        int, typer.Option("--min-item-count", min=0, help="Interactions that every item keeps at least.")
    ] = 0,
    k_core: Annotated[int | None, typer.Option("--k-core", min=1, help="Both of these.")] = None,
    since: Annotated[
        str | None, typer.Option("--since", metavar="DATE", help="The first moment that counts.")
    ] = None,
    until: Annotated[
        str | None, typer.Option("--until", metavar="DATE", help="The first moment that counts no more.")
    ] = None,
    keep_items: Annotated[
        bool, typer.Option("--keep-items", help="Keep items without any interaction left.")
    ] = False,
    split: MaybeSplit = None,
    split_seed: SplitSeed = 0,
    modalities: Modalities = None,
    user_column: UserColumn = None,
    item_column: ItemColumn = None,
    min_rating: MinRating = None,
    rating_column: RatingColumn = None,
    overwrite: Overwrite = False,
    as_json: Json = False,
) -> None:
    """Leave out interactions, and users and items that have too few, and write what is left as a folder.

    A split is drawn first, and nothing moves to another part; draw it when training to have it on what is left.
    """
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
    cuts = min_user or min_item or any(option is not None for option in (k_core, since, until))
    if cuts or min_rating is None:
        dataset = dataset.filter(
            min_user=min_user,
            min_item=min_item,
            k_core=k_core,
            since=since,
            until=until,
            drop_items=not keep_items,
        )
    _deliver(dataset, out, overwrite=overwrite, as_json=as_json)


def _deliver(dataset: "Dataset", out: Path, *, overwrite: bool, as_json: bool) -> None:
    from magnet.data import PARTS

    folder = dataset.save(out, overwrite=overwrite)
    counts = {name: int((dataset.parts == number).sum()) for number, name in enumerate(PARTS)}
    if as_json:
        print_json(
            {
                "path": str(folder),
                "n_users": dataset.n_users,
                "n_items": dataset.n_items,
                "n_interactions": int(dataset.users.size),
                "parts": counts,
                "modalities": list(dataset.modalities),
                "messages": list(dataset.messages),
                "content_hash": dataset.content_hash,
            }
        )
        return
    for message in dataset.messages:
        note(message)
    held_out = ", ".join(f"{name} {count:,}" for name, count in counts.items())
    told = held_out if counts["valid"] or counts["test"] else "no split: draw one with --split when training"
    typer.echo(
        f"{folder}: {dataset.n_users:,} users, {dataset.n_items:,} items, {dataset.users.size:,} interactions "
        f"({told}), modalities {', '.join(dataset.modalities) or 'none'}"
    )
