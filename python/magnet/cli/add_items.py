"""``magnet add-items``: a run that knows new items as well, without training."""

from pathlib import Path
from typing import Annotated

import typer

from magnet.cli.options import Json, Overwrite, Run, Threads, set_threads
from magnet.cli.terminal import note, print_json
from magnet.errors import DataError
from magnet.files import as_path

__all__ = ["add_items"]


def add_items(
    run: Run,
    items: Annotated[
        Path,
        typer.Option(
            "--items",
            metavar="FILE",
            help="Table of the new items: an item column, a title, other columns (.csv, .tsv, .parquet).",
            show_default=False,
            parser=as_path,
        ),
    ],
    features: Annotated[
        list[str],
        typer.Option(
            "--features",
            metavar="MODALITY=FILE",
            help="Theirs, in the order of the table or with ids; repeatable.",
            show_default=False,
        ),
    ],
    out: Annotated[
        Path,
        typer.Option("--out", metavar="FOLDER", help="Run to write.", show_default=False, parser=as_path),
    ],
    neighbours: Annotated[
        int, typer.Option("--neighbours", help="Items that each new one is made of at most.")
    ] = 20,
    overwrite: Overwrite = False,
    threads: Threads = None,
    as_json: Json = False,
) -> None:
    """Write a run that knows new items by their content.

    Each new item stands for the mean of the items that are most like it: whoever likes those gets the new one. Nothing
    is trained, and the old run stays as it is.
    """
    paths = {}
    for text in features:
        name, _, file = text.partition("=")
        if not name or not file:
            raise typer.BadParameter(
                f"{text!r}: expected MODALITY=FILE, such as text=new.npy", param_hint="'--features'"
            )
        paths[name] = as_path(file)
    missing = [path for path in paths.values() if not path.is_file()]
    if missing:
        raise DataError(f"{missing[0]}: no such file; expected features of the new items")
    set_threads(threads)
    from magnet.api import load
    from magnet.data.about import read_items

    model = load(run)
    as_known = str if all(isinstance(key, str) for key in model.item_ids) else None
    frame, notes = read_items(items, as_text=as_known is not None)
    for odd in notes:
        note(odd)
    grown = model.add_items(frame, features=paths, neighbours=neighbours)
    grown.save(out, overwrite=overwrite)
    counts = {"n_new": len(frame), "n_items": len(grown.item_ids)}
    if as_json:
        print_json({"run": str(out), **counts})
    else:
        more = f"{counts['n_new']} new item{'s' * (counts['n_new'] != 1)}"
        typer.echo(f"{out}: {more}, {counts['n_items']} in all")
