"""The command ``magnet``: every verb prints for people, or with ``--json`` one document for programs."""

from typing import Any

__all__ = ["app", "main"]


def main() -> None:
    """Run the command line of this process and exit."""
    from magnet.cli.stops import answered, watched

    # The verbs are imported within, so that a signal meanwhile is answered like any other.
    with watched(), answered():
        from magnet.cli.verbs import run

        run()


def __getattr__(name: str) -> Any:
    if name != "app":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from magnet.cli.verbs import app

    return app
