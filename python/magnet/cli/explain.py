"""``magnet explain``: one score, or the model as a whole."""

from pathlib import Path
from typing import Annotated

import typer

from magnet.cli.options import Json, Overwrite, Run, Threads, set_threads
from magnet.cli.recommend import match_ids
from magnet.cli.terminal import check_free, new_file, print_json

__all__ = ["explain"]


def explain(
    run: Run,
    user: Annotated[str | None, typer.Option("--user", metavar="ID", help="Explain a score of this user …")] = None,
    item: Annotated[str | None, typer.Option("--item", metavar="ID", help="… for this item.")] = None,
    png: Annotated[Path | None, typer.Option("--png", metavar="FILE", help="Plot it too.")] = None,
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
    if png is not None:
        with new_file(png, overwrite=overwrite) as temporary:
            explanation.plot(temporary)
    if as_json:
        print_json(explanation.to_json())
    else:
        typer.echo(explanation.text())
