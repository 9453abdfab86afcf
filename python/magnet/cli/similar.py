"""``magnet similar``: items like an item, users like a user."""

from typing import Annotated

import typer

from magnet.cli.ids import match_ids, read_ids
from magnet.cli.options import Json, Overwrite, Run, Threads, Where, set_threads
from magnet.cli.rows import Format, Out, chosen_format, give_rows
from magnet.cli.terminal import check_free

__all__ = ["similar"]


def similar(
    run: Run,
    items: Annotated[
        str | None,
        typer.Option(
            "--items", metavar="FILE|ID,ID,…", help="Items to find the like of.", show_default=False
        ),
    ] = None,
    users: Annotated[
        str | None,
        typer.Option("--users", metavar="FILE|ID,ID,…", help="Or users.", show_default=False),
    ] = None,
    k: Annotated[int, typer.Option("-k", help="How many for each.")] = 10,
    by: Annotated[
        str, typer.Option("--by", metavar="model|taken|MODALITY", help="What makes two of them alike.")
    ] = "model",
    where: Where = None,
    form: Format = None,
    out: Out = None,
    overwrite: Overwrite = False,
    threads: Threads = None,
    as_json: Json = False,
) -> None:
    """Find the items most like some items, or the users most like some users.

    By the model: its vectors, or what it says of two items. By taken: shared users, or shared items. By a
    modality: its features.
    """
    if (items is None) == (users is None):
        raise typer.BadParameter("give --items or --users", param_hint="'--items'")
    if users is not None and where:
        raise typer.BadParameter("users have no columns; --where goes with --items", param_hint="'--where'")
    chosen = chosen_format(form, out, as_json)
    if out is not None:
        check_free(out, overwrite=overwrite)
    texts = read_ids(items, option="--items", kind="item") if items is not None else read_ids(users or "")
    set_threads(threads)
    from magnet.api import load

    model = load(run)
    if items is not None:
        frame = model.similar_items(match_ids(texts, model.item_ids), k, by=by, where=where or None)
    else:
        frame = model.similar_users(match_ids(texts, model.user_ids), k, by=by)
    give_rows(
        frame,
        {"model": model.name, "k": k, "by": by},
        name="similar",
        form=chosen,
        out=out,
        overwrite=overwrite,
        as_json=as_json,
    )
