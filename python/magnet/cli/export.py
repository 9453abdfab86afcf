"""``magnet export``: a run's model for other programs."""

from pathlib import Path
from typing import Annotated

import typer

from magnet.cli.options import Json, Overwrite, Run, Threads, set_threads
from magnet.cli.terminal import print_json
from magnet.files import as_path

__all__ = ["export"]


def export(
    run: Run,
    out: Annotated[
        Path,
        typer.Option("--out", metavar="FOLDER", help="Folder to make.", show_default=False, parser=as_path),
    ],
    what: Annotated[
        str,
        typer.Option("--what", metavar="A,B", help="Of vectors, operators, onnx and card, one or several."),
    ] = "vectors,card",
    rank: Annotated[
        int, typer.Option("--rank", help="Width of vectors that approximate a model that is none of vectors.")
    ] = 256,
    backbone: Annotated[
        bool, typer.Option("--backbone", help="Vectors of a mixture's backbone instead of an approximation.")
    ] = False,
    top: Annotated[
        int, typer.Option("--top", help="Weights to keep in each column of a dense operator.")
    ] = 200,
    overwrite: Overwrite = False,
    threads: Threads = None,
    as_json: Json = False,
) -> None:
    """Write vectors for a search index, operators, ONNX, and a page that describes the model.

    Where the vectors only approximate the model, it is measured and said how many of its best items they find.
    """
    set_threads(threads)
    from magnet.api import load

    made = load(run).export(
        out,
        [name.strip() for name in what.split(",") if name.strip()],
        rank=rank,
        backbone=backbone,
        top=top,
        overwrite=overwrite,
    )
    if as_json:
        print_json(made.to_json())
    else:
        typer.echo(made.text())
