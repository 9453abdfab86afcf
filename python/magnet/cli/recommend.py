"""``magnet recommend``: lists for users, by their own ids, from a run folder alone."""

import json
from collections.abc import Hashable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, get_args

import typer

from magnet.choices import ListFormat, Unknown
from magnet.cli.options import Json, Overwrite, Run, Threads, set_threads
from magnet.cli.terminal import check_free, new_file, print_json
from magnet.errors import DataError
from magnet.files import as_path

if TYPE_CHECKING:
    import polars as pl

__all__ = ["as_text", "match_ids", "read_users", "recommend"]


def recommend(
    run: Run,
    users: Annotated[
        str,
        typer.Option(
            "--users",
            metavar="FILE|ID,ID,…",
            help="Ids, or a file with one in each line.",
            show_default=False,
        ),
    ],
    k: Annotated[int, typer.Option("-k", help="Items for each user.")] = 20,
    form: Annotated[
        ListFormat | None, typer.Option("--format", help="By default that of FILE's ending, or csv.")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="FILE", help="Write here instead of printing.", parser=as_path),
    ] = None,
    unknown: Annotated[Unknown, typer.Option("--unknown", help="What to do about unknown users.")] = "error",
    weigh: Annotated[
        list[str] | None,
        typer.Option("--weigh", metavar="CUE=FACTOR", help="What a cue adds, times this; may be repeated."),
    ] = None,
    role: Annotated[
        list[str] | None,
        typer.Option("--role", metavar="ROLE=FACTOR", help="What a role's experts add, times this."),
    ] = None,
    overwrite: Overwrite = False,
    threads: Threads = None,
    as_json: Json = False,
) -> None:
    """Recommend items that the users have not seen.

    Columns: user_id, item_id, rank, score, title where there are titles, and reason: popular for a user whom
    the model does not know.
    """
    chosen = _format(form, out, as_json)
    if out is not None:
        check_free(out, overwrite=overwrite)
    texts = read_users(users)
    weights, roles = (_factors(given, option) for given, option in ((weigh, "--weigh"), (role, "--role")))
    set_threads(threads)
    from magnet.api import load

    model = load(run)
    ids = match_ids(texts, model.contents.user_ids)
    frame = model.recommend(ids, k, unknown=unknown, weights=weights, roles=roles)
    document: dict[str, Any] = {
        "model": model.name,
        "k": k,
        "n_users": frame["user_id"].n_unique() if len(frame) else 0,
    }
    if out is not None:
        with new_file(out, overwrite=overwrite) as temporary:
            _write(frame, temporary, chosen, document)
        if as_json:
            print_json(document | {"out": str(out), "format": chosen, "n_rows": len(frame)})
    elif chosen == "json":
        print_json(document | {"recommendations": _records(frame)})
    else:
        typer.echo(_plain(frame).write_csv(), nl=False)


def _factors(given: list[str] | None, option: str) -> dict[str, float]:
    factors = {}
    for text in given or []:
        name, _, number = text.rpartition("=")
        try:
            factors[name] = float(number)
        except ValueError:
            name = ""
        if not name:
            raise typer.BadParameter(
                f"{text!r}: expected NAME=NUMBER, such as text=2", param_hint=f"'{option}'"
            )
    return factors


def _format(form: ListFormat | None, out: Path | None, as_json: bool) -> ListFormat:
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
    ending = out.suffix.removeprefix(".")
    return next((known for known in get_args(ListFormat) if known == ending), "csv")


def read_users(given: str) -> list[str]:
    """The ids on the command line, or of a file with one in each line.

    Raises:
        DataError: If the file cannot be read, or there is no id.
    """
    path = as_path(given)
    if path.is_file():
        try:
            lines = path.read_text(encoding="utf-8-sig").splitlines()
        except UnicodeDecodeError as error:
            raise DataError(f"{path}: not a text file with one user id in each line: {error}") from None
        ids = [line.strip() for line in lines if line.strip()]
        if not ids:
            raise DataError(f"{path}: empty, expected one user id in each line")
        return ids
    ids = [part.strip() for part in given.split(",") if part.strip()]
    if not ids:
        raise DataError(
            "--users names no user: give ids with commas between them, or a file with one in each line"
        )
    if len(ids) == 1 and (path.parent != Path() or path.suffix in (".txt", ".csv", ".tsv")):
        raise DataError(
            f"{path}: no such file; expected one with a user id in each line, or ids with commas between"
        )
    return ids


def match_ids(texts: Iterable[str], known: Iterable[Hashable]) -> list[Hashable]:
    """The ids that are written like these texts, as they are or in the spelling that ids of files are brought into.

    A text like which none is written stays itself.
    """
    from magnet.data.spelling import clean_text

    by_text: dict[str, Hashable] = {}
    for key in known:
        # Where both the text "1" and the number 1 are ids, the text wins.
        if isinstance(key, str) or as_text(key) not in by_text:
            by_text[as_text(key)] = key
    return [by_text.get(text, by_text.get(clean_text(text), text)) for text in texts]


def as_text(key: Hashable) -> str:
    """An id as it is written on a command line and in files: tuples as JSON lists."""
    from magnet.run.ids import id_text

    return id_text(key)


def _plain(frame: "pl.DataFrame") -> "pl.DataFrame":
    """The frame with ids that no file format knows written as text."""
    import polars as pl

    odd = [name for name, kind in frame.schema.items() if kind == pl.Object]
    return frame.with_columns(
        pl.Series(name, [as_text(key) for key in frame[name]], dtype=pl.String) for name in odd
    )


def _records(frame: "pl.DataFrame") -> list[dict[str, Any]]:
    return [dict(zip(frame.columns, row, strict=True)) for row in frame.iter_rows()]


def _write(frame: "pl.DataFrame", path: Path, form: ListFormat, document: dict[str, Any]) -> None:
    if form == "csv":
        _plain(frame).write_csv(path)
    elif form == "parquet":
        _plain(frame).write_parquet(path)
    else:
        whole = document | {"recommendations": _records(frame)}
        path.write_text(json.dumps(whole, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
