"""Figures that others published, beside ours: a file of them in a store, and a table of each comparison."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from magnet.config import Config, read_toml
from magnet.errors import ConfigError
from magnet.evaluate.metrics import TARGET, TIE
from magnet.study.cells import Cells, number, percent
from magnet.study.contenders import DELIVERED
from magnet.study.statistics import mean_and_deviation

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from magnet.study.comparison import Comparison, Row

__all__ = ["FILE", "PublishedFigure", "beside", "read_published"]

FILE = "published.toml"
"""Its name in a store."""

CLOSE = 0.03
"""A gap to a published figure that is larger wants a reason."""


class PublishedFigure(Config):
    """What a paper says of a model on a split that we have too.

    Attributes:
        comparison: Data, split and protocol in words, as a page of results names them.
        model: Its name in the registry where we have it, otherwise as the paper calls it.
        recall: Recall@20.
        ndcg: NDCG@20, where it is known.
        reruns: Recall@20 of the same model as third parties measured it.
        note: Where the figure comes from, what is odd about it, and why ours differs.
    """

    comparison: str
    model: str
    recall: float = Field(gt=0, lt=1)
    ndcg: float | None = Field(None, gt=0, lt=1)
    reruns: tuple[float, ...] = ()
    note: str = ""


def read_published(store: Path) -> list[PublishedFigure]:
    """The figures that lie in a store, ``[[figure]]`` after ``[[figure]]``; none where it has no such file.

    Raises:
        ConfigError: If the file is not TOML or has other keys.
    """
    path = store / FILE
    if not path.is_file():
        return []
    found = read_toml(path)
    figures = found.get("figure")
    if found.keys() != {"figure"} or not isinstance(figures, list):
        raise ConfigError(
            f"{path}: expected tables [[figure]] and nothing else, found {', '.join(found) or 'nothing'}"
        )
    return [
        PublishedFigure.build(figure, where=f"{path}, figure {place}")
        for place, figure in enumerate(figures, start=1)
    ]


def beside(name: str, found: Comparison, published: Sequence[PublishedFigure]) -> Cells | None:
    """Ours and theirs, model by model; None where nothing was published.

    Of the rows of a model, the one that is best on validation stands for it. A baseline is credited with the better of
    both figures, and MAGNET is compared with that.

    Args:
        name: Of the comparison, as in the figures.
        found: The comparison.
        published: Figures, of other comparisons too.
    """
    theirs = [figure for figure in published if figure.comparison == name]
    if not theirs:
        return None
    magnet = _ours(found, "magnet")
    lines = []
    for figure in sorted(theirs, key=lambda figure: figure.recall):
        ours = _ours(found, figure.model)
        recall = None if ours is None else _mean(ours, TARGET)
        credited = max(figure.recall, recall or 0)
        gap = None if recall is None else recall / figure.recall - 1
        lines.append(
            [
                figure.model if ours is None else ours.label,
                "" if ours is None or recall is None else _pair(recall, _mean(ours, TIE)),
                _pair(figure.recall, figure.ndcg),
                "" if gap is None else percent(gap) + (" *" if abs(gap) > CLOSE else ""),
                ", ".join(map(number, figure.reruns)),
                "" if magnet is None else percent(_mean(magnet, TARGET) / credited - 1),
                figure.note,
            ]
        )
    head = ["", "ours", "published", "gap", "re-runs", "MAGNET over the better", "note"]
    return Cells(f"Beside published figures, Recall@20/NDCG@20; * above {CLOSE:.0%}", head, lines)


def _ours(found: Comparison, model: str) -> Row | None:
    rows = [
        row
        for row in found.rows
        if row.answer == DELIVERED and row.name.partition(" ")[0] == model and row.metrics
    ]
    return max(rows, key=lambda row: _mean(row, TARGET, "valid"), default=None)


def _mean(row: Row, metric: str, part: str = "test") -> float:
    return mean_and_deviation(row.metrics[part][metric])[0]


def _pair(recall: float, ndcg: float | None) -> str:
    return number(recall) if ndcg is None else f"{number(recall)}/{number(ndcg)}"
