"""``magnet evaluate``: a run's model on one part of its data."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from magnet.choices import HeldOut, Protocol
from magnet.cli.options import Json, Run, Threads, set_threads
from magnet.cli.terminal import print_json
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
    threads: Threads = None,
    as_json: Json = False,
) -> None:
    """Rank the whole catalogue for every user with held-out items, and record the result in the run.

    The data are read again from where they were; other content is refused.
    """
    set_threads(threads)
    from magnet.evaluate import evaluate as measure
    from magnet.run.folder import RunFolder

    folder = RunFolder.open(run)
    description = folder.description
    dataset = read_again(description, run, data)
    chosen = description.protocol if protocol is None else protocol
    found = measure(folder.load().state, dataset, part, protocol=chosen)
    document = found.to_json(description.model)
    folder.record_metrics(f"{part}/{chosen}", document)
    if as_json:
        print_json(document)
        return
    names, rows = metric_rows({description.model: document["metrics"]})
    print_table(f"{part} part, protocol {chosen}, {found.n_users:,} users", names, rows)
    if found.n_left_out or found.n_popular:
        typer.echo(
            f"{found.n_left_out:,} users without held-out items or history are left out, "
            f"{found.n_popular:,} without history are answered by popularity."
        )


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
    kinds = list(dict.fromkeys(name.split("@")[0] for one in metrics.values() for name in one))
    cuts = sorted({int(name.split("@")[1]) for one in metrics.values() for name in one})
    rows = [
        [
            model,
            f"@{cut}",
            *(f"{one[f'{kind}@{cut}']:.4f}" if f"{kind}@{cut}" in one else "" for kind in kinds),
        ]
        for model, one in metrics.items()
        for cut in cuts
    ]
    return ["model", "", *kinds], rows
