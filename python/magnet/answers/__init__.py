"""Answers by the user's own ids, from what a trained model knows: lists, scores, likeness, newcomers."""

from magnet.answers.answers import Answers

__all__ = ["Answers"]
