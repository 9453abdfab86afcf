"""The verbs together, and how an error becomes one message and an exit code."""

import errno
import importlib
import importlib.util
import logging
import os
import sys
import warnings
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from magnet.cli import (
    ablate,
    add_items,
    bench,
    cache,
    compare,
    config,
    data,
    demo,
    doctor,
    evaluate,
    explain,
    export,
    plan,
    recommend,
    results,
    similar,
    train,
    tune,
)
from magnet.cli.examples import examples
from magnet.cli.stops import answered, exit_code
from magnet.cli.terminal import be_quiet, complain, note
from magnet.errors import ConfigError, MagnetError

__all__ = ["app", "run"]

INPUT_AT_FAULT, COMMAND_LINE_AT_FAULT = 1, 2


class Verbs(TyperGroup):
    """Runs a verb and turns what Magnet raises on purpose into a message and an exit code.

    Anything else is a bug of ours and keeps its traceback.
    """

    def make_context(self, *args: Any, **kwargs: Any) -> Any:
        """Read the command line; typer would answer Ctrl-C here with an exit code of its own."""
        with answered():
            return super().make_context(*args, **kwargs)

    def invoke(self, ctx: Any) -> Any:
        """Run the verb that the command line names."""
        try:
            return super().invoke(ctx)
        except ConfigError as error:
            complain(error)
            raise typer.Exit(COMMAND_LINE_AT_FAULT) from None
        except MagnetError as error:
            complain(error)
            raise typer.Exit(INPUT_AT_FAULT) from None
        except KeyboardInterrupt as stop:
            complain(str(stop) or "interrupted", kind="")
            raise typer.Exit(exit_code(stop)) from None
        except OSError as error:
            # A closed pipe, as in `magnet … | head`, is no error; typer ends quietly.
            if error.errno == errno.EPIPE:
                raise
            complain(f"{error.filename}: {error.strerror}" if error.filename else error)
            raise typer.Exit(INPUT_AT_FAULT) from None


app = typer.Typer(
    name="magnet",
    cls=Verbs,
    no_args_is_help=True,
    epilog=examples(""),
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("plan", epilog=examples("plan"))(plan.plan)
app.command("train", epilog=examples("train"))(train.train)
app.command("evaluate", epilog=examples("evaluate"))(evaluate.evaluate)
app.command("recommend", epilog=examples("recommend"))(recommend.recommend)
app.command("similar", epilog=examples("similar"))(similar.similar)
app.command("add-items", epilog=examples("add-items"))(add_items.add_items)
app.command("explain", epilog=examples("explain"))(explain.explain)
app.command("export", epilog=examples("export"))(export.export)
app.command("compare", epilog=examples("compare"))(compare.compare)
app.command("ablate", epilog=examples("ablate"))(ablate.ablate)
app.command("tune", epilog=examples("tune"))(tune.tune)
app.command("results", epilog=examples("results"))(results.results)
app.command("config", epilog=examples("config"))(config.config)
app.add_typer(data.app, name="data", epilog=examples("data"))
app.add_typer(cache.app, name="cache", epilog=examples("cache"))
app.command("doctor", epilog=examples("doctor"))(doctor.doctor)
app.command("demo", epilog=examples("demo"))(demo.demo)
app.add_typer(bench.app, name="bench", epilog=examples("bench"))


def _version(asked: bool) -> None:
    if asked:
        from magnet._core import __version__

        typer.echo(f"magnet {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", help="No progress, notes or warnings; errors stay.")
    ] = False,
    imports: Annotated[
        list[str] | None,
        typer.Option(
            "--import",
            metavar="MODULE",
            help="Import a module or a .py file first, which registers models, readers or more; repeatable.",
        ),
    ] = None,
) -> None:
    """Multimodal recommendation with a mixture of graph experts.

    Exit codes: 0 done, 1 the input was at fault, 2 the command line was at fault, 130 interrupted,
    143 and 129 asked to end by SIGTERM or SIGHUP.
    """
    be_quiet(quiet)
    for name in imports or []:
        import_named(name)


def import_named(name: str) -> None:
    """Import a module by its name, or a file of Python by its path.

    Raises:
        ConfigError: If it is not there, or its import fails.
    """
    path = Path(name).expanduser()
    try:
        if path.suffix != ".py":
            # As python -m does: modules of the folder one stands in are found.
            sys.path.insert(0, str(Path.cwd()))
            importlib.import_module(name)
            return
        if not path.is_file():
            raise ConfigError(f"--import {name}: no such file")
        if path.stem in sys.modules:
            raise ConfigError(f"--import {name}: there is a module {path.stem!r} already; rename the file")
        spec = importlib.util.spec_from_file_location(path.stem, path)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[path.stem] = module
        spec.loader.exec_module(module)
    except MagnetError:
        raise
    except Exception as error:
        raise ConfigError(f"--import {name}: cannot be imported: {type(error).__name__}: {error}") from error


class _Notes(logging.Handler):
    """Says on standard error what was removed from the cache."""

    def emit(self, record: logging.LogRecord) -> None:
        """Say one record."""
        note(record.getMessage())


def _warn(message: Warning | str, *_: Any, **__: Any) -> None:
    note(message, kind="warning: ")


def run() -> None:
    """Run the command line of this process and exit."""
    warnings.showwarning = _warn
    log = logging.getLogger("magnet.cache")
    log.setLevel(logging.INFO)
    if not any(isinstance(handler, _Notes) for handler in log.handlers):
        log.addHandler(_Notes())
    if not {"OMP_WAIT_POLICY", "GOMP_SPINCOUNT"} & os.environ.keys():
        os.environ["OMP_WAIT_POLICY"] = "PASSIVE"  # before torch is imported: see magnet.runtime
    app(prog_name="magnet")
