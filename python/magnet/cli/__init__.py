"""The command ``magnet``: every verb prints for people, or with ``--json`` one document for programs."""

from magnet.cli.app import app, main

__all__ = ["app", "main"]
