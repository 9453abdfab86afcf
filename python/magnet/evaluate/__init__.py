"""Full-ranking evaluation: rankings of any trained state, metrics, protocols."""

from magnet.evaluate.evaluate import DEFAULT_KS, Evaluation, evaluate
from magnet.evaluate.metrics import DEFAULT_METRICS, METRICS, Metric, Rankings, register_metric
from magnet.evaluate.rank import Ranking, rank, score

__all__ = [
    "DEFAULT_KS",
    "DEFAULT_METRICS",
    "METRICS",
    "Evaluation",
    "Metric",
    "Ranking",
    "Rankings",
    "evaluate",
    "rank",
    "register_metric",
    "score",
]
