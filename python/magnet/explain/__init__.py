"""Explanations: why a user gets an item, and what a model has learnt as a whole."""

from magnet.explain.model import ExpertUse, ModelExplanation, explain_model
from magnet.explain.pair import PairExplanation, explain_pair, reason

__all__ = [
    "ExpertUse",
    "ModelExplanation",
    "PairExplanation",
    "explain_model",
    "explain_pair",
    "reason",
]
