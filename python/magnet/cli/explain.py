"""``magnet explain``: one score, or the model as a whole."""

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from magnet.cli.ids import match_ids
from magnet.cli.options import Json, Overwrite, Run, Threads, set_threads
from magnet.cli.terminal import check_free, print_json
from magnet.files import as_path
from magnet.placing import put_in_place

if TYPE_CHECKING:
    from magnet.explain import ModelExplanation, PairExplanation

__all__ = ["explain"]


def explain(
    run: Run,
    user: Annotated[
        str | None, typer.Option("--user", metavar="ID", help="Explain a score of this user …")
    ] = None,
    item: Annotated[str | None, typer.Option("--item", metavar="ID", help="… for this item.")] = None,
    png: Annotated[
        Path | None,
        typer.Option(
            "--png",
            metavar="FILE",
            help="Plot it too, the experts of a model in FILE-experts.",
            parser=as_path,
        ),
    ] = None,
    overwrite: Overwrite = False,
    threads: Threads = None,
    as_json: Json = False,
) -> None:
    """Say which expert did what: for a user and an item, or without them for the whole model."""
    if (user is None) != (item is None):
        raise typer.BadParameter("give --user and --item together, or neither to explain the whole model")
    if png is not None:
        if png.suffix.lower() != ".png":
            raise typer.BadParameter(f"{png} does not end in .png", param_hint="'--png'")
        check_free(png, overwrite=overwrite)
    set_threads(threads)
    from magnet.api import load

    model = load(run)
    if user is None or item is None:
        explanation = model.explain()
    else:
        (user_id,) = match_ids([user], model.contents.user_ids)
        (item_id,) = match_ids([item], model.contents.item_ids)
        explanation = model.explain(user_id, item_id)
    plots = [] if png is None else _plot(explanation, png, overwrite=overwrite)
    if as_json:
        print_json(explanation.to_json() | {"plots": [str(path) for path in plots]})
        return
    typer.echo(explanation.text())
    for path in plots:
        typer.echo(f"plotted in {path}")


def _plot(explanation: "PairExplanation | ModelExplanation", png: Path, *, overwrite: bool) -> list[Path]:
    """Plot into ``png``, and for a model of experts into a file beside it as well; all of them whole or none.

    Returns:
        The files.

    Raises:
        DataError: If one exists and may not be overwritten.
        MissingExtraError: If matplotlib is not installed.
    """
    with tempfile.TemporaryDirectory(prefix=f".{png.stem}-", dir=png.parent) as folder:
        explanation.plot(Path(folder) / png.name)
        made = sorted(Path(folder).iterdir())
        places = [png.with_name(file.name) for file in made]
        for place in places:
            check_free(place, overwrite=overwrite)
        for file, place in zip(made, places, strict=True):
            put_in_place(file, place)
    return places
