"""``magnet bench``: how far a training step is from what the machine can do."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from magnet.cli.examples import examples
from magnet.cli.options import ConfigFile, Json, Modalities, Settings, Split, read_data
from magnet.cli.terminal import print_json
from magnet.files import as_path
from magnet.tables import print_table

if TYPE_CHECKING:
    from magnet.data import Dataset
    from magnet.roofline.cost import Cost
    from magnet.roofline.steps import StepTimes

__all__ = ["app"]

app = typer.Typer(no_args_is_help=True, help="Measure this machine at Magnet's work.")


@app.callback()
def _root() -> None:
    """Measure this machine at Magnet's work."""


@app.command("step", epilog=examples("bench step"))
def step(
    data: Annotated[
        Path | None,
        typer.Option(
            "--data",
            metavar="PATH",
            help="Folder with inter.tsv and features; the demo's data by default.",
            parser=as_path,
        ),
    ] = None,
    split: Split = "split",
    modalities: Modalities = None,
    settings: Settings = None,
    config: ConfigFile = None,
    batch_size: Annotated[
        int | None, typer.Option("--batch-size", min=1, help="Pairs; the configuration's by default.")
    ] = None,
    threads: Annotated[
        str, typer.Option("--threads", metavar="N,N,…", help="Numbers of threads to measure with.")
    ] = "1,2",
    steps: Annotated[int, typer.Option("--steps", min=1, help="To time.")] = 10,
    as_json: Json = False,
) -> None:
    """Time the parts of a training step of MAGNET's backbone beside their counted arithmetic and traffic.

    The roofline is the time of the counted operations at the rate of float32 products plus that of the counted bytes at
    the bandwidth of memory, both measured between the steps.
    """
    counts = _numbers(threads)
    from magnet.cli.train import make_model
    from magnet.models.magnet import MagnetConfig
    from magnet.roofline.steps import measure_steps

    chosen = [*(settings or [])] + ([f"train.batch_size={batch_size}"] if batch_size else [])
    settled = make_model("magnet", seed=0, config=config, settings=chosen).config
    assert isinstance(settled, MagnetConfig)
    dataset = _dataset(data, split, modalities)
    measured = measure_steps(dataset, settled, threads=counts, steps=steps)
    document = {
        "data": dataset.name,
        "n_users": dataset.n_users,
        "n_items": dataset.n_items,
        "batch_size": settled.train.batch_size,
        "steps": steps,
        "measured": [_document(one) for one in measured],
    }
    if as_json:
        print_json(document)
    else:
        _print(document)


def _numbers(text: str) -> list[int]:
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isdigit() and int(part) > 0 for part in parts):
        raise typer.BadParameter(f"--threads takes whole numbers of at least 1, such as 1,2; got {text!r}")
    return [int(part) for part in parts]


def _dataset(data: Path | None, split: str, modalities: str | None) -> "Dataset":
    if data is not None:
        return read_data(data, split=split, modalities=modalities)
    from magnet.synthetic.generator import generate

    return generate("demo").dataset


def _document(one: "StepTimes") -> dict[str, Any]:
    def row(name: str, cost: "Cost", seconds: float) -> dict[str, Any]:
        floor = one.rates.seconds(cost)
        return {
            "part": name,
            "gflop": cost.flops / 1e9,
            "megabytes": cost.bytes / 1e6,
            "milliseconds": seconds * 1e3,
            "roofline_milliseconds": floor * 1e3,
            "ratio": seconds / floor,
        }

    return {
        "threads": one.threads,
        "gemm_gflops": one.rates.gemm / 1e9,
        "memory_gbytes": one.rates.memory / 1e9,
        "parts": [row(name, cost, one.part_seconds[name]) for name, cost in one.costs.items()],
        "step": row("whole step", one.total, one.step_seconds),
    }


def _print(document: dict[str, Any]) -> None:
    columns = ["part", "GFLOP", "MB", "ms", "roofline ms", "ratio"]
    for one in document["measured"]:
        title = (
            f"{document['data']}, batch {document['batch_size']:,}, {one['threads']} thread"
            f"{'s' * (one['threads'] > 1)}: {one['gemm_gflops']:.0f} GFLOP/s, {one['memory_gbytes']:.1f} GB/s"
        )
        rows = [
            [
                row["part"],
                f"{row['gflop']:.3f}",
                f"{row['megabytes']:.1f}",
                f"{row['milliseconds']:.2f}",
                f"{row['roofline_milliseconds']:.2f}",
                f"{row['ratio']:.2f}",
            ]
            for row in [*one["parts"], one["step"]]
        ]
        print_table(title, columns, rows)
