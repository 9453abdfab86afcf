"""``magnet cache``: the graphs that are kept on the disk, and how to be rid of them."""

import time
from typing import Annotated

import typer

from magnet.caching import Entry, cache_folder, cache_limit, entries, in_words
from magnet.caching import clear as clear_folder
from magnet.cli.examples import examples
from magnet.cli.options import Json
from magnet.cli.terminal import print_json
from magnet.tables import print_table

__all__ = ["app"]

app = typer.Typer(no_args_is_help=True, help="List or remove the graphs that are kept on the disk.")


@app.command("list", epilog=examples("cache list"))
def list_entries(as_json: Json = False) -> None:
    """List the kept graphs, the one that was used last first: sizes, ages, and what they are.

    They lie in $MAGNET_CACHE, by default ~/.cache/magnet, and take at most $MAGNET_CACHE_LIMIT together, by default
    10GiB: those that were used longest ago are removed first.
    """
    folder, limit = cache_folder(), cache_limit()
    found = entries(folder)
    size = sum(entry.size for entry in found)
    if as_json:
        document = {"folder": str(folder), "limit": limit, "size": size}
        print_json(document | {"entries": [entry.as_dict() for entry in found]})
        return
    if found:
        now = time.time()
        rows = [
            [
                entry.path.name[:16],
                _what(entry),
                _ago(now - entry.used),
                _ago(now - entry.built),
                in_words(entry.size),
            ]
            for entry in found
        ]
        print_table(str(folder), ["graph", "of", "used", "built", "size"], rows)
    count = f"{len(found):,} graph{'s' * (len(found) != 1)}"
    typer.echo(f"{folder}: {count}, {in_words(size)} of at most {in_words(limit)}")


@app.command("clear", epilog=examples("cache clear"))
def clear(
    older_than: Annotated[
        float | None,
        typer.Option("--older-than", metavar="DAYS", min=0, help="Only what was not used for so many days."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Remove the kept graphs, and what writers that died left behind. What is needed again is built again."""
    folder = cache_folder()
    done = clear_folder(folder, older_than=older_than)
    if as_json:
        print_json(
            {
                "folder": str(folder),
                "removed": [str(entry.path) for entry in done.removed],
                "in_use": done.in_use,
                "left_overs": done.left_overs,
                "size": done.size,
            }
        )
        return
    count = f"{len(done.removed):,} graph{'s' * (len(done.removed) != 1)}"
    left = (
        f" and {done.left_overs} left-over{'s' * (done.left_overs != 1)} of dead writers"
        if done.left_overs
        else ""
    )
    stayed = f"; {done.in_use} in use stayed" if done.in_use else ""
    typer.echo(f"{folder}: removed {count}{left}, {in_words(done.size)}{stayed}")


def _what(entry: Entry) -> str:
    about = entry.about
    try:
        rows = f"{about['rows']:,} rows of {about['width']:,} {about['dtype']}"
        return f"{rows}, {about['k']} neighbours, {about['search']}"
    except (KeyError, TypeError, ValueError):
        return "unknown: damaged, or of an older version"


def _ago(seconds: float) -> str:
    for length, name in ((86400, "day"), (3600, "hour"), (60, "minute")):
        if (count := int(seconds // length)) >= 1:
            return f"{count} {name}{'s' * (count != 1)} ago"
    return "just now"
