"""Rows of an answer as CSV, Parquet or JSON: printed, or in a file whose ending names its format."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, get_args

import typer

from magnet.choices import ListFormat
from magnet.cli.terminal import new_file, print_json
from magnet.errors import DataError
from magnet.files import as_path

if TYPE_CHECKING:
    import polars as pl

__all__ = ["Format", "Out", "chosen_format", "give_rows"]

Format = Annotated[
    ListFormat | None, typer.Option("--format", help="By default that of FILE's ending, or csv.")
]
Out = Annotated[
    Path | None,
    typer.Option("--out", metavar="FILE", help="Write here instead of printing.", parser=as_path),
]


def chosen_format(form: ListFormat | None, out: Path | None, as_json: bool) -> ListFormat:
    """The format that the options ask for.

    Raises:
        DataError: If the file's ending is that of a format which is not written.
    """
    if out is None:
        if form == "parquet":
            raise typer.BadParameter(
                "parquet is binary; say where to write it with --out FILE", param_hint="'--format'"
            )
        if as_json and form == "csv":
            raise typer.BadParameter(
                "--json prints JSON; --format csv needs --out FILE then", param_hint="'--format'"
            )
        return "json" if as_json else form or "csv"
    if form is not None:
        return form
    ending = out.suffix.removeprefix(".").lower()
    if ending and ending not in (*get_args(ListFormat), "txt"):
        raise DataError(
            f"{out}: files that end in .{ending} are not written; name it .csv, .parquet or .json, or say --format"
            + ("; spreadsheets open .csv" if ending in ("xlsx", "xls", "ods") else "")
        )
    return next((known for known in get_args(ListFormat) if known == ending), "csv")


def give_rows(
    frame: "pl.DataFrame",
    document: dict[str, Any],
    *,
    name: str,
    form: ListFormat,
    out: Path | None,
    overwrite: bool,
    as_json: bool,
) -> None:
    """Print or write the rows of an answer.

    Args:
        frame: The rows.
        document: What JSON says beside them.
        name: What JSON calls them.
        form: Format.
        out: File to write, None to print.
        overwrite: Whether it may be replaced.
        as_json: Whether to say in JSON what was written.
    """
    if out is not None:
        with new_file(out, overwrite=overwrite) as temporary:
            _write(frame, temporary, form, document, name)
        if as_json:
            print_json(document | {"out": str(out), "format": form, "n_rows": len(frame)})
    elif form == "json":
        print_json(document | {name: _records(frame)})
    else:
        typer.echo(_plain(frame).write_csv(), nl=False)


def _plain(frame: "pl.DataFrame") -> "pl.DataFrame":
    """The frame with ids that no file format knows written as text."""
    import polars as pl

    from magnet.run.ids import id_text

    odd = [name for name, kind in frame.schema.items() if kind == pl.Object]
    return frame.with_columns(
        pl.Series(name, [None if key is None else id_text(key) for key in frame[name]], dtype=pl.String)
        for name in odd
    )


def _records(frame: "pl.DataFrame") -> list[dict[str, Any]]:
    return [dict(zip(frame.columns, row, strict=True)) for row in frame.iter_rows()]


def _write(frame: "pl.DataFrame", path: Path, form: ListFormat, document: dict[str, Any], name: str) -> None:
    if form == "csv":
        _plain(frame).write_csv(path)
    elif form == "parquet":
        _plain(frame).write_parquet(path)
    else:
        whole = document | {name: _records(frame)}
        path.write_text(json.dumps(whole, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
