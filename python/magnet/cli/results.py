"""``magnet results``: a page out of a store, without data and without training."""

import importlib.util
from pathlib import Path
from typing import Annotated

import typer

from magnet.cli.options import Json, Overwrite
from magnet.cli.terminal import check_free, new_file, print_json
from magnet.errors import MissingExtraError
from magnet.files import as_path

__all__ = ["results"]


def results(
    store: Annotated[
        Path,
        typer.Option(
            "--store", metavar="DIR", help="Folder of experiments.", show_default=False, parser=as_path
        ),
    ],
    out: Annotated[
        Path,
        typer.Option(
            "--out",
            metavar="FILE.md",
            help="Page to write; pictures go beside it.",
            show_default=False,
            parser=as_path,
        ),
    ],
    share: Annotated[
        Path | None,
        typer.Option(
            "--share",
            metavar="DIR",
            help="Copy what the page is made of into this store, without models and without paths of this machine.",
            parser=as_path,
        ),
    ] = None,
    skip: Annotated[
        str | None,
        typer.Option(
            "--skip", metavar="REGEX", help="With --share: leave out rows whose name it is found in."
        ),
    ] = None,
    overwrite: Overwrite = False,
    as_json: Json = False,
) -> None:
    """Write tables and plots of all that a store has: one comparison for each data set, split and protocol.

    Nothing is trained, and no data are needed. Beside every row stands the command that makes it again.
    """
    if skip is not None and share is None:
        raise typer.BadParameter("it goes with --share alone", param_hint="--skip")
    check_free(out, overwrite=overwrite)
    if importlib.util.find_spec("matplotlib") is None:
        raise MissingExtraError("the pictures need matplotlib: pip install 'magnet-rec[report]'")
    from magnet.errors import RunError
    from magnet.study.published import read_published
    from magnet.study.results import ABOUT, comparisons, page, slug
    from magnet.study.share import share as copy_experiments

    if not (store / "store.json").is_file():
        raise RunError(f"{store}: not a store of experiments; name the folder that magnet compare filled")
    if share is not None:
        copy_experiments(store, share, skip=skip)
        store = share
    published = read_published(store)
    about = (store / ABOUT).read_text(encoding="utf-8", errors="replace") if (store / ABOUT).is_file() else ""
    found = comparisons(store)
    pictures = {name: out.with_name(f"{out.stem}-{slug(name)}.png") for name in found}
    for picture in pictures.values():
        check_free(picture, overwrite=overwrite)
    for name, picture in pictures.items():
        with new_file(picture, overwrite=overwrite) as temporary:
            found[name].plot(temporary)
    with new_file(out, overwrite=overwrite) as temporary:
        temporary.write_text(
            page(found, {n: p.name for n, p in pictures.items()}, published, about=about), encoding="utf-8"
        )
    if as_json:
        print_json({name: comparison.to_json() for name, comparison in found.items()})
    else:
        rows = sum(len(comparison.rows) for comparison in found.values())
        typer.echo(f"{out}: {rows} row{'' if rows == 1 else 's'} of {', '.join(found)}")
