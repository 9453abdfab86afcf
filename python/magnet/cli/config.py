"""``magnet config``: what can be set of a model."""

from typing import Annotated

import typer

from magnet.cli.options import Json
from magnet.cli.terminal import print_json
from magnet.models.registry import MODELS

__all__ = ["config", "pointer"]


def config(
    model: Annotated[
        str,
        typer.Argument(
            metavar="MODEL", help=f"{', '.join(MODELS.own)}, or one that is registered.", show_default=False
        ),
    ],
    as_json: Json = False,
) -> None:
    """List every setting of a model: key, default, what it may be, and what it means.

    The keys are those of train --set KEY=VALUE; in a file for --config a part is a table.
    """
    from magnet.models.registry import find_model
    from magnet.settings import list_settings, settings_text

    entry = find_model(model)
    if as_json:
        settings = [setting.to_json() for part in list_settings(entry.config).values() for setting in part]
        print_json({"model": model, "settings": settings})
        return
    typer.echo(
        settings_text(f"{model}: KEY = DEFAULT (what it may be), for --set KEY=VALUE", entry.config), nl=False
    )


def pointer(model: str) -> str:
    """Where an error about a setting sends its reader."""
    return f"(`magnet config {model}` lists every setting)"
