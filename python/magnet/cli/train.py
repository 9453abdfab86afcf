"""``magnet train``: from a data folder to a run folder."""

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from magnet.choices import Protocol
from magnet.cli.config import pointer
from magnet.cli.options import (
    DATA_OPTION,
    ConfigFile,
    ItemColumn,
    Json,
    MinRating,
    Modalities,
    Overwrite,
    RatingColumn,
    Settings,
    Split,
    SplitSeed,
    Threads,
    UserColumn,
    read_data,
    set_threads,
)
from magnet.cli.terminal import is_quiet, print_json
from magnet.files import as_path
from magnet.models.registry import MODELS

if TYPE_CHECKING:
    from magnet.api import Recommender
    from magnet.data import Dataset
    from magnet.run.folder import RunContents
    from magnet.study.yardstick import Yardstick

__all__ = ["make_model", "train", "trigger"]


def train(
    *,
    data: Annotated[Path | None, DATA_OPTION] = None,
    model: Annotated[
        str | None,
        typer.Option(
            "--model",
            metavar="NAME",
            help=f"{', '.join(MODELS.own)}, or one that is registered.",
            show_default=False,
        ),
    ] = None,
    final: Annotated[
        Path | None,
        typer.Option(
            "--final",
            metavar="RUN",
            help="Refit on all parts, with the settings and epochs of this run and its data.",
            show_default=False,
            parser=as_path,
        ),
    ] = None,
    out: Annotated[
        Path,
        typer.Option("--out", metavar="RUN", help="Run folder to write.", show_default=False, parser=as_path),
    ],
    split: Split = "split",
    split_seed: SplitSeed = 0,
    modalities: Modalities = None,
    user_column: UserColumn = None,
    item_column: ItemColumn = None,
    min_rating: MinRating = None,
    rating_column: RatingColumn = None,
    protocol: Annotated[Protocol, typer.Option("--protocol", help="Of validation.")] = "strict",
    seed: Annotated[int, typer.Option("--seed", min=0, help="Of the weights and of every draw.")] = 0,
    settings: Settings = None,
    config: ConfigFile = None,
    threads: Threads = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on from the run's last checkpoint.")] = False,
    overwrite: Overwrite = False,
    no_yardstick: Annotated[
        bool,
        typer.Option(
            "--no-yardstick", help="Leave out what popularity and EASE have on the same validation part."
        ),
    ] = False,
    as_json: Json = False,
) -> None:
    """Train a model and choose its weights on the validation part.

    Progress goes to standard error. Ctrl-C keeps the last checkpoint.
    """
    if resume and overwrite:
        raise typer.BadParameter("--resume goes on with a run, --overwrite replaces it: give one of them")
    set_threads(threads)
    if final is not None:
        if model is not None or settings or config is not None or resume:
            raise typer.BadParameter(
                "--final takes model, settings and epochs from the run; leave out --model, --set, --config and --resume"
            )
        _refit(final, data, out, overwrite=overwrite, as_json=as_json)
        return
    if data is None or model is None:
        missing = " and ".join(
            name for name, given in (("--data", data), ("--model", model)) if given is None
        )
        raise typer.BadParameter(f"{missing} must be given, or --final RUN to refit a run on everything")
    recommender = make_model(model, seed=seed, config=config, settings=settings or [])
    dataset = read_data(
        data,
        split=split,
        split_seed=split_seed,
        modalities=modalities,
        user=user_column,
        item=item_column,
        min_rating=min_rating,
        rating=rating_column,
        tell=True,
    )
    started = time.perf_counter()
    try:
        recommender.fit(
            dataset,
            protocol=protocol,
            folder=out,
            overwrite=overwrite,
            resume=resume,
            progress=not is_quiet(),
        )
    except KeyboardInterrupt as stop:
        stop.args = (_interrupted(out),)
        raise
    document = _document(recommender, out, time.perf_counter() - started)
    beside = None if no_yardstick else _yardstick(recommender, dataset, document, protocol, out)
    if as_json:
        print_json(document if beside is None else document | {"yardstick": beside.to_json()})
        return
    from magnet.evaluate.metrics import TARGET, metric_title

    if document["valid"] is None:
        typer.echo(f"{model}: fitted without a validation part, {document['seconds']:.0f} s; saved in {out}")
        return
    metrics = document["valid"]["metrics"]
    shown = ", ".join(f"{metric_title(name)} {metrics[name]:.4f}" for name in (TARGET, "ndcg@20"))
    typer.echo(f"{model}: validation ({protocol}) {shown}, {document['seconds']:.0f} s; saved in {out}")
    if beside is not None:
        typer.echo(beside.text())


def _yardstick(
    model: "Recommender", dataset: "Dataset", document: dict[str, Any], protocol: Protocol, out: Path
) -> "Yardstick | None":
    """What the simplest models have where this one was validated; None without validation."""
    from magnet.study.yardstick import measure_yardstick

    if document["valid"] is None:
        return None
    try:
        return measure_yardstick(model.name, document["valid"]["metrics"], dataset, protocol=protocol)
    except KeyboardInterrupt as stop:
        stop.args = (f"interrupted while popularity and EASE were measured; the run is whole, in {out}",)
        raise


def _refit(run: Path, data: Path | None, out: Path, *, overwrite: bool, as_json: bool) -> None:
    from magnet.api import load
    from magnet.cli.evaluate import read_again

    recommender = load(run)
    dataset = read_again(recommender.description, run, data)
    started = time.perf_counter()
    try:
        recommender.fit(
            dataset,
            protocol=recommender.description.protocol,
            folder=out,
            overwrite=overwrite,
            progress=not is_quiet(),
            final=True,
        )
    except KeyboardInterrupt as stop:
        stop.args = ("interrupted; a final training is begun anew with --overwrite",)
        raise
    document = _document(recommender, out, time.perf_counter() - started)
    if as_json:
        print_json(document)
        return
    typer.echo(
        f"{recommender.name}: refitted on all {dataset.users.size:,} interactions (train, valid and test), "
        f"{document['epochs']} epochs, {document['seconds']:.0f} s; nothing is left to measure it on; saved in {out}"
    )


def make_model(name: str, *, seed: int, config: Path | None, settings: list[str]) -> "Recommender":
    """A model to train, of a file of settings and of single ones over it.

    Raises:
        ConfigError: If there is no such model, or a setting is unknown or out of range; it says where.
    """
    from magnet.api import make
    from magnet.config import merge_settings, read_toml
    from magnet.errors import ConfigError
    from magnet.models.registry import find_model

    entry = find_model(name)
    values: dict[str, Any] = {}
    if config is not None:
        values = read_toml(config)
    try:
        if config is not None:
            entry.config.build(values, where=str(config))
        values = merge_settings(values, settings)
        entry.config.build(values, where="--set")
    except ConfigError as error:
        raise ConfigError(f"{error}\n{pointer(name)}") from None
    return make(name, seed=seed, **values)


def _document(model: "Recommender", out: Path, seconds: float) -> dict[str, Any]:
    contents, description = model.contents, model.description
    facts = contents.facts
    return {
        "model": model.name,
        "run": str(out),
        "protocol": description.protocol,
        "seed": description.seed,
        "content_hash": description.content_hash,
        "seconds": seconds,
        "epochs": len(contents.events),
        "best": facts.get("best", {}),
        "delivered": facts.get("delivered", ""),
        "chosen_by": facts.get("chosen_by"),
        **trigger(contents),
        "valid": contents.metrics.get(f"valid/{description.protocol}"),
    }


def trigger(contents: "RunContents") -> dict[str, Any]:
    """What fired the trigger, and the epoch after which it fired; None twice where nothing did."""
    from magnet.run.events import trigger_of

    fired_by, fired_at = trigger_of(contents.events)
    return {"fired_by": fired_by, "fired_at": fired_at}


def _interrupted(out: Path) -> str:
    from magnet.errors import RunError
    from magnet.run.folder import RunFolder

    try:
        run = RunFolder.open(out, unfinished=True)
    except RunError:  # before the folder was made
        return "interrupted before the training"
    kept = "" if run.path.name == out.name else f"; the run that was there is still in {out}"
    if not run.checkpoints.exists("last"):
        return f"interrupted before the first checkpoint{kept}"
    return f"interrupted; the last checkpoint is kept in {run.checkpoints.path('last')}; --resume goes on from it{kept}"
