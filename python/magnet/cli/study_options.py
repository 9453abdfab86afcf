"""The options that studies share, and where their tables go."""

import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from magnet.cli.terminal import check_free, new_file, print_json
from magnet.errors import ConfigError, MissingExtraError
from magnet.files import as_path

if TYPE_CHECKING:
    from magnet.study.comparison import Comparison

__all__ = ["LatexFile", "MarkdownFile", "Outputs", "PlotFile", "Seeds", "Store", "read_seeds"]

Seeds = Annotated[str, typer.Option("--seeds", metavar="A,B", help="Of the trainings.")]
Store = Annotated[
    Path,
    typer.Option(
        "--store",
        metavar="DIR",
        help="Folder of the experiments; what is there is not run again.",
        parser=as_path,
    ),
]
MarkdownFile = Annotated[
    Path | None,
    typer.Option("--markdown", metavar="FILE", help="Write tables with all intervals.", parser=as_path),
]
LatexFile = Annotated[
    Path | None, typer.Option("--latex", metavar="FILE", help="Write the table of results.", parser=as_path)
]
PlotFile = Annotated[
    Path | None,
    typer.Option(
        "--plot", metavar="FILE", help="Draw results and differences: .png, .svg or .pdf.", parser=as_path
    ),
]


class Outputs:
    """Files to write beside what is printed; made before anything is run, so that a wrong name costs nothing.

    Args:
        markdown: Where tables go, if anywhere; likewise the others.
        latex: The table of results.
        plot: The picture.
        overwrite: Whether files that are there may be replaced.

    Raises:
        DataError: If a file may not be written.
        ConfigError: If the picture's file ends in something else than .png, .svg or .pdf.
        MissingExtraError: If there is no matplotlib for the picture.
    """

    def __init__(
        self, markdown: Path | None, latex: Path | None, plot: Path | None, *, overwrite: bool
    ) -> None:
        self.markdown, self.latex, self.plot, self.overwrite = markdown, latex, plot, overwrite
        for path in (markdown, latex, plot):
            if path is not None:
                check_free(path, overwrite=overwrite)
        if plot is not None and plot.suffix.lower() not in (".png", ".svg", ".pdf"):
            raise ConfigError(f"--plot {plot}: expected a file that ends in .png, .svg or .pdf")
        if plot is not None and importlib.util.find_spec("matplotlib") is None:
            raise MissingExtraError("--plot needs matplotlib: pip install 'magnet-rec[report]'")

    def deliver(self, found: "Comparison", *, as_json: bool) -> None:
        """Write the files, and print the tables or one JSON document."""
        for path, make in ((self.markdown, found.markdown), (self.latex, found.latex)):
            if path is not None:
                with new_file(path, overwrite=self.overwrite) as temporary:
                    temporary.write_text(make(), encoding="utf-8")
        if self.plot is not None:
            with new_file(self.plot, overwrite=self.overwrite) as temporary:
                found.plot(temporary)
        if as_json:
            print_json(found.to_json())
        else:
            typer.echo(found.text(), nl=False)


def read_seeds(text: str) -> list[int]:
    """Read ``0,1,2``.

    Raises:
        ConfigError: If it is something else.
    """
    words = [word.strip() for word in text.split(",")]
    if not all(word.isdecimal() for word in words) or len(set(words)) < len(words):
        raise ConfigError(
            f"--seeds {text}: expected different whole numbers with commas between, as in 0,1,2"
        )
    return [int(word) for word in words]
