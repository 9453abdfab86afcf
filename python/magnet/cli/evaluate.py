"""``magnet evaluate``: a run's model on one part of its data."""

import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from magnet.choices import HeldOut, Protocol
from magnet.cli.options import Json, Overwrite, Run, Threads, set_threads
from magnet.cli.terminal import check_free, print_json
from magnet.errors import RunError
from magnet.files import as_path
from magnet.tables import print_table

if TYPE_CHECKING:
    from collections.abc import Mapping

    from magnet.data import Dataset
    from magnet.run.folder import RunDescription

__all__ = ["evaluate", "metric_rows"]


def evaluate(
    run: Run,
    part: Annotated[
        HeldOut,
        typer.Option("--part", help="What to look for.", show_default=False),
    ],
    protocol: Annotated[
        Protocol | None,
        typer.Option("--protocol", help="The one that the run was validated by, if not given."),
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option(
            "--data", metavar="PATH", help="Where the data are, if they have moved.", parser=as_path
        ),
    ] = None,
    ks: Annotated[
        str | None, typer.Option("--ks", metavar="K,K,…", help="Cut-offs; 5,10,20,50 by default.")
    ] = None,
    metrics: Annotated[
        str | None,
        typer.Option(
            "--metrics",
            metavar="A,B,…",
            help="recall, ndcg, precision, hit (the default), map, mrr, auc, novelty, diversity, tail, calibration, "
            "coverage, gini, or one that is registered.",
        ),
    ] = None,
    slices: Annotated[
        bool,
        typer.Option(
            "--slices",
            help="Also by users' numbers of interactions, of head, tail and cold items, of missing modalities.",
        ),
    ] = False,
    trec: Annotated[
        Path | None,
        typer.Option(
            "--trec",
            metavar="FILE",
            help="Write the lists, K of the largest cut-off, as a run.",
            parser=as_path,
        ),
    ] = None,
    qrels: Annotated[
        Path | None,
        typer.Option(
            "--qrels", metavar="FILE", help="Write what had to be found for trec_eval.", parser=as_path
        ),
    ] = None,
    overwrite: Overwrite = False,
    threads: Threads = None,
    as_json: Json = False,
) -> None:
    """Rank the whole catalogue for every user with held-out items, and record the result in the run.

    The data are read again from where they were; other content is refused.
    """
    cuts = None if ks is None else _cuts(ks)
    for path in (trec, qrels):
        if path is not None:
            check_free(path, overwrite=overwrite)
    if trec is not None and trec == qrels:
        raise typer.BadParameter("--trec and --qrels name the same file; give them two")
    set_threads(threads)
    from magnet.evaluate import DEFAULT_KS, DEFAULT_METRICS
    from magnet.evaluate import evaluate as measure
    from magnet.evaluate.metrics import find_metrics
    from magnet.run.folder import RunFolder

    asked = DEFAULT_METRICS if metrics is None else [n.strip() for n in metrics.split(",") if n.strip()]
    find_metrics(asked)  # before the data are read
    folder = RunFolder.open(run)
    description = folder.description
    dataset = read_again(description, run, data)
    chosen = description.protocol if protocol is None else protocol
    contents = folder.load()
    found = measure(
        contents.state,
        dataset,
        part,
        protocol=chosen,
        ks=cuts or DEFAULT_KS,
        metrics=asked,
        slices=slices,
    )
    document = found.to_json(description.model)
    folder.record_metrics(
        f"{part}/{chosen}", _together(contents.metrics.get(f"{part}/{chosen}", {}), document)
    )
    if trec is not None:
        found.write_run(trec, dataset, tag="-".join(description.model.split()), overwrite=overwrite)
    if qrels is not None:
        found.write_qrels(qrels, dataset, overwrite=overwrite)
    if as_json:
        print_json(document)
        return
    names, rows = metric_rows({description.model: document["metrics"]})
    print_table(f"{part} part, protocol {chosen}, {found.n_users:,} users", names, rows)
    for of, title in (("users", "users by training items"), ("items", "held-out items by group")):
        by_name = {f"{s.name} ({s.n_users:,} users)": s.metrics for s in found.slices if s.of == of}
        if by_name:
            names, rows = metric_rows(by_name)
            print_table(title, ["", *names[1:]], rows)
    if found.n_left_out or found.n_popular:
        typer.echo(
            f"{found.n_left_out:,} users without held-out items or history are left out, "
            f"{found.n_popular:,} without history are answered by popularity."
        )


def _cuts(given: str) -> list[int]:
    try:
        cuts = [int(text) for text in given.split(",")]
    except ValueError:
        cuts = [0]
    if min(cuts) < 1:
        raise typer.BadParameter(
            f"{given!r}: expected whole numbers from 1 with commas between, such as 5,10", param_hint="'--ks'"
        )
    return list(dict.fromkeys(cuts))


def _together(before: "Mapping[str, Any]", now: dict[str, Any]) -> dict[str, Any]:
    """What a run keeps: a result adds its metrics to those of an earlier one, of the same model on the same users."""
    return {**before, **now, "metrics": {**before.get("metrics", {}), **now["metrics"]}}


def read_again(description: "RunDescription", run: Path, moved: Path | None) -> "Dataset":
    """The data that a run was trained on.

    Args:
        description: Of the run.
        run: Its folder, for errors.
        moved: Where the data are now, or None for where they were.

    Raises:
        RunError: If the run does not say where its data are, or their content is another one.
        DataError: If the data cannot be read.
    """
    from magnet.data import Dataset, DataSource

    kept: Mapping[str, Any] = description.source or {}
    if not kept and moved is None:
        raise RunError(
            f"{run}: was trained on data from memory; say where they are in a folder with --data PATH"
        )
    place = str(kept["path"] if moved is None else moved)
    known = {name: value for name, value in kept.items() if name in DataSource.__dataclass_fields__}
    dataset = Dataset.from_source(DataSource(**{**known, "path": place}))
    if dataset.content_hash != description.content_hash:
        raise RunError(
            f"{place}: not the data that {run} was trained on: their content hash is "
            f"{dataset.content_hash[:12]}…, expected {description.content_hash[:12]}…; give the right folder "
            "with --data, or train again"
        )
    return dataset


def metric_rows(metrics: "dict[str, dict[str, float]]") -> tuple[list[str], list[list[str]]]:
    """Metrics by model as a table: a row for each model and cut-off.

    Returns:
        The names of the columns, and the rows.
    """
    from magnet.evaluate.metrics import name_parts

    cells: dict[tuple[str, str], dict[str, str]] = {}
    for model, one in metrics.items():
        for name, value in one.items():
            kind, cut = name_parts(name)
            text = "" if math.isnan(value) else f"{value:.4f}"
            cells.setdefault((model, cut), {})[kind] = text
    kinds = list(dict.fromkeys(kind for row in cells.values() for kind in row))
    order = {model: place for place, model in enumerate(metrics)}
    # What has no cut-off stands below what has one.
    keys = sorted(cells, key=lambda key: (order[key[0]], not key[1], int(key[1] or 0)))
    rows = [
        [model, f"@{cut}" if cut else "uncut", *(cells[model, cut].get(kind, "") for kind in kinds)]
        for model, cut in keys
    ]
    return ["model", "", *kinds], rows
