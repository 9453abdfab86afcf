"""Full-ranking evaluation: rankings of any trained state, metrics, protocols."""

from magnet.evaluate.evaluate import DEFAULT_KS, evaluate
from magnet.evaluate.evaluation import Evaluation, Slice
from magnet.evaluate.metrics import DEFAULT_METRICS, METRICS, Metric, aggregate, register_metric, uncut
from magnet.evaluate.rank import Ranking, rank, score
from magnet.evaluate.rankings import Rankings

__all__ = [
    "DEFAULT_KS",
    "DEFAULT_METRICS",
    "METRICS",
    "Evaluation",
    "Metric",
    "Ranking",
    "Rankings",
    "Slice",
    "aggregate",
    "evaluate",
    "rank",
    "register_metric",
    "score",
    "uncut",
]
