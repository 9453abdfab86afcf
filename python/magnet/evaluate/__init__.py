"""Full-ranking evaluation: rankings of any trained state, metrics, protocols."""

from magnet.evaluate.evaluate import DEFAULT_KS, Evaluation, evaluate

__all__ = ["DEFAULT_KS", "Evaluation", "evaluate"]
