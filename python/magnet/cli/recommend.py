"""``magnet recommend``: lists for users and for people who are new, by their own ids, from a run folder alone."""

from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any

import typer

from magnet.choices import Unknown
from magnet.cli.ids import match_ids, read_ids
from magnet.cli.options import Json, Overwrite, Run, Threads, Where, set_threads
from magnet.cli.rows import Format, Out, chosen_format, give_rows
from magnet.cli.terminal import check_free

if TYPE_CHECKING:
    from magnet.api import Recommender

__all__ = ["recommend"]

# So many users or more are worth a bar.
_MANY = 20_000


def recommend(
    run: Run,
    users: Annotated[
        str | None,
        typer.Option(
            "--users",
            metavar="FILE|ID,ID,…|all",
            help="Ids, or a file with one in each line.",
            show_default=False,
        ),
    ] = None,
    history: Annotated[
        str | None,
        typer.Option(
            "--history",
            metavar="FILE|ID,ID,…",
            help="Instead of users: the items that somebody new took.",
            show_default=False,
        ),
    ] = None,
    k: Annotated[int, typer.Option("-k", help="Items for each user.")] = 20,
    form: Format = None,
    out: Out = None,
    unknown: Annotated[Unknown, typer.Option("--unknown", help="What to do about unknown ids.")] = "error",
    candidates: Annotated[
        str | None,
        typer.Option("--candidates", metavar="FILE|ID,…", help="Items that alone may stand in a list."),
    ] = None,
    exclude: Annotated[
        str | None, typer.Option("--exclude", metavar="FILE|ID,…", help="Items that may not.")
    ] = None,
    where: Where = None,
    diversity: Annotated[
        float, typer.Option("--diversity", help="From 0 to 1: unlike items before high scores.")
    ] = 0.0,
    calibrate: Annotated[
        str | None,
        typer.Option(
            "--calibrate", metavar="COLUMN", help="Give its values the shares that they have in the history."
        ),
    ] = None,
    calibration: Annotated[
        float, typer.Option("--calibration", help="From 0 to 1: how much that counts beside the scores.")
    ] = 0.5,
    reasons: Annotated[bool, typer.Option("--reasons", help="Say why, in a column 'because'.")] = False,
    probability: Annotated[
        bool,
        typer.Option("--probability", help="Say how often the item at such a place was taken in validation."),
    ] = False,
    seen: Annotated[bool, typer.Option("--seen", help="Rank what was seen as well.")] = False,
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

    Columns: user_id (empty for a history), item_id, rank, score, title where there are titles, and reason:
    popular for somebody of whom the model knows nothing.
    """
    if (users is None) == (history is None):
        raise typer.BadParameter(
            "give --users, or for somebody new --history, the items they took", param_hint="'--users'"
        )
    chosen = chosen_format(form, out, as_json)
    if out is not None:
        check_free(out, overwrite=overwrite)
    given = {
        name: read_ids(value, option=f"--{name}", kind="user" if name == "users" else "item")
        for name, value in (
            ("users", users),
            ("history", history),
            ("candidates", candidates),
            ("exclude", exclude),
        )
        if value is not None
    }
    turned = {"weights": _factors(weigh, "--weigh"), "roles": _factors(role, "--role")}
    set_threads(threads)
    from magnet.api import load

    model = load(run)
    asked: dict[str, Any] = {name: match_ids(texts, model.item_ids) for name, texts in given.items()}
    if users is not None:
        asked["users"] = _users(given["users"], model)
    with _watched(len(asked.get("users", []))) as watch:
        frame = model.recommend(
            k=k,
            unknown=unknown,
            exclude_seen=not seen,
            where=where or None,
            diversity=diversity,
            calibrate=calibrate,
            calibration=calibration,
            reasons=reasons,
            probability=probability,
            watch=watch,
            **asked,
            **turned,
        )
    document: dict[str, Any] = {
        "model": model.name,
        "k": k,
        "n_users": len(set(frame["user_id"].to_list())),
    }
    give_rows(
        frame,
        document,
        name="recommendations",
        form=chosen,
        out=out,
        overwrite=overwrite,
        as_json=as_json,
    )


def _users(texts: list[str], model: "Recommender") -> list[Hashable]:
    """Users by their ids; ``all`` is everyone, unless it is somebody's id."""
    ids = match_ids(texts, model.contents.user_ids)
    return model.user_ids if texts == ["all"] and ids == ["all"] and "all" not in model.user_ids else ids


@contextmanager
def _watched(n_users: int) -> Iterator[Callable[[int, int], None] | None]:
    """A bar on standard error for many users."""
    if n_users < _MANY:
        yield None
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True)) as progress:
        bar = progress.add_task("users", total=n_users)
        yield lambda done, _: progress.update(bar, completed=done)


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
