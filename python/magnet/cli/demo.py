"""``magnet demo``: everything once, on generated data whose truth is known."""

import importlib.util
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from magnet.cli.options import Json, Overwrite, Threads, set_threads
from magnet.cli.terminal import check_free, is_quiet, new_file, note, print_json
from magnet.cli.train import trigger
from magnet.errors import DataError, MissingExtraError
from magnet.files import as_path
from magnet.tables import print_table

if TYPE_CHECKING:
    from magnet.api import Recommender
    from magnet.data import Dataset
    from magnet.synthetic.generator import Truth

__all__ = ["demo"]

BESIDE = "ndcg@20"  # shown beside the metric that validation chooses by
# The demo recommends to a user with at least this many training items, so that the reasons can name one.
HISTORY, RECOMMENDED = 10, 5


def demo(
    out: Annotated[
        Path, typer.Option("--out", metavar="DIR", help="Folder for data, run and plots.", parser=as_path)
    ] = Path("demo"),
    seed: Annotated[int, typer.Option("--seed", min=0, help="Of the data and of the training.")] = 0,
    overwrite: Overwrite = False,
    threads: Threads = None,
    as_json: Json = False,
) -> None:
    """Generate data, train MAGNET and its rivals, compare, recommend, explain and plot; a minute.

    Leaves DIR/data, DIR/run, DIR/training.png, and DIR/experts.png where validation prefers experts to the backbone.
    """
    if importlib.util.find_spec("matplotlib") is None:
        raise MissingExtraError(
            "the demo plots, and matplotlib is not installed: pip install 'magnet-rec[report]'"
        )
    plots = {"training": out / "training.png", "experts": out / "experts.png"}
    _prepare(out, plots, overwrite=overwrite)
    set_threads(threads)
    started = time.perf_counter()
    from magnet.data import Dataset
    from magnet.states import BlendState
    from magnet.synthetic.generator import generate
    from magnet.synthetic.write import write_folder

    made = generate("demo", seed=seed)
    # The data are read from the folder, so that the run records where they are and `magnet evaluate` finds them.
    dataset = Dataset.from_folder(write_folder(made, out / "data", overwrite=overwrite))
    note(f"{dataset.n_users:,} users, {dataset.n_items:,} items in {out / 'data'}", kind="")
    models = _train(dataset, out / "run", seed=seed, overwrite=overwrite)
    table = _compare(models, dataset, made.truth, out / "run")
    magnet = models["magnet"]
    shown = _recommend(magnet, dataset)
    explanation = magnet.explain()
    if not isinstance(
        magnet.contents.state, BlendState
    ):  # the backbone alone was better and has no experts to draw
        del plots["experts"]
    for name, path in plots.items():
        with new_file(path, overwrite=overwrite) as temporary:
            getattr(explanation, f"plot_{name}")(temporary)
    document = {
        "out": str(out),
        "seed": seed,
        "seconds": time.perf_counter() - started,
        "protocol": "strict",
        "test": table,
        "recommendations": shown,
        "run": str(out / "run"),
        "plots": {name: str(path) for name, path in plots.items()},
        **trigger(magnet.contents),
    }
    if as_json:
        print_json(document)
    else:
        _print(document)


def _prepare(out: Path, plots: dict[str, Path], *, overwrite: bool) -> None:
    if out.exists() and not out.is_dir():
        raise DataError(f"{out}: a file is in the way of the demo's folder; choose another with --out")
    if not overwrite and out.exists() and any(out.iterdir()):
        raise DataError(
            f"{out}: exists already and is not empty; choose another folder with --out, or --overwrite it"
        )
    out.mkdir(parents=True, exist_ok=True)
    for path in plots.values():
        check_free(path, overwrite=overwrite)


def _train(dataset: "Dataset", run: Path, *, seed: int, overwrite: bool) -> dict[str, "Recommender"]:
    from magnet.api import EASE, LightGCN, Magnet, Popularity
    from magnet.synthetic.presets import DEMO

    show = not is_quiet()
    magnet = Magnet(seed=seed, **DEMO["magnet"])
    try:
        magnet.fit(dataset, folder=run, overwrite=overwrite, progress=show)
    except KeyboardInterrupt as stop:
        stop.args = (f"interrupted; what was trained so far is in {run}",)
        raise
    return {
        "magnet": magnet,
        "lightgcn": LightGCN(seed=seed, **DEMO["lightgcn"]).fit(dataset, progress=show),
        "ease": EASE(seed=seed, **DEMO["ease"]).fit(dataset),
        "popularity": Popularity(seed=seed, **DEMO["popularity"]).fit(dataset),
    }


def _compare(
    models: dict[str, "Recommender"], dataset: "Dataset", truth: "Truth", run: Path
) -> dict[str, dict[str, float]]:
    """Test metrics by model, and those of ranking by the truth."""
    from magnet.evaluate import evaluate
    from magnet.evaluate.metrics import TARGET
    from magnet.run.folder import RunFolder
    from magnet.synthetic.ceilings import ceiling_state

    states = {name: model.contents.state for name, model in models.items()} | {
        "ceiling": ceiling_state(truth)
    }
    table = {}
    for name, state in states.items():
        found = evaluate(state, dataset, "test", protocol="strict")
        table[name] = {metric: found.metrics[metric] for metric in (TARGET, BESIDE)}
        if name == "magnet":
            RunFolder.open(run).record_metrics("test/strict", found.to_json(name))
    return table


def _recommend(magnet: "Recommender", dataset: "Dataset") -> list[dict[str, Any]]:
    """The best items of one user, each with the reason for it."""
    import numpy as np

    from magnet.explain.pair import reason

    degrees = np.diff(dataset.train.indptr)
    long_enough = np.flatnonzero(degrees >= HISTORY)
    user = dataset.user_ids[long_enough[0] if long_enough.size else degrees.argmax()]
    frame = magnet.recommend([user], RECOMMENDED)
    contents, row_of = magnet.contents, dataset.item_index
    return [
        row | {"reason": reason(contents, dataset.user_index[user], row_of[row["item_id"]])}
        for row in frame.to_dicts()
    ]


NAMES = {
    "magnet": "MAGNET",
    "lightgcn": "LightGCN",
    "ease": "EASE",
    "popularity": "popularity",
    "ceiling": "ceiling (ranking by the truth)",
}


def _print(document: dict[str, Any]) -> None:
    from magnet.evaluate.metrics import metric_title

    test = document["test"]
    rows = [[NAMES[name], *(f"{value:.4f}" for value in values.values())] for name, values in test.items()]
    print_table("Test part, protocol strict", ["model", *map(metric_title, test["magnet"])], rows)
    shown = document["recommendations"]
    typer.echo(f"For user {shown[0]['user_id']}:")
    for row in shown:
        title = f" ({row['title']})" if row.get("title") else ""
        typer.echo(f"  {row['rank']}. {row['item_id']}{title}, score {row['score']:.3f}: {row['reason']}")
    if document["fired_by"] and document["fired_by"] != "no evidence":
        typer.echo(
            f"\nThe second stage began after epoch {document['fired_at']}, fired by {document['fired_by']}."
        )
    typer.echo(
        f"\nThe run is in {document['run']}, the plots are {' and '.join(document['plots'].values())}."
    )
    typer.echo(f"{document['seconds']:.0f} s. Go on with: magnet explain {document['run']}")
