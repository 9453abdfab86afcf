"""The parts of the items that models are compared on, as columns of a table."""

from __future__ import annotations

from typing import TYPE_CHECKING

from magnet.evaluate.metrics import TARGET

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["column_groups", "group_column"]


def group_column(group: str) -> str:
    """The name of the metric of a group of items, such as ``"tail recall@20"``."""
    return f"{group} {TARGET}"


def column_groups(columns: Iterable[str]) -> list[str]:
    """The groups of items whose metrics are among these columns, in their order."""
    ending = f" {TARGET}"
    return [column.removesuffix(ending) for column in columns if column.endswith(ending)]
