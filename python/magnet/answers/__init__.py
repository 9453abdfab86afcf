"""Answers by the user's own ids, from what a trained model knows: lists, scores, likeness, newcomers."""

from magnet.answers.fitted import Fitted

__all__ = ["Fitted"]
